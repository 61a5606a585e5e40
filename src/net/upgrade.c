/* SPDX-License-Identifier: Apache-2.0 */
#include "net/upgrade.h"

#include "net/head.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

bool upgrade_is_asked(const struct head *head)
{
    return head->minor > 0 && head_lists(head, HEAD_CONNECTION, STR("upgrade")) &&
           head_lists(head, HEAD_UPGRADE, STR("websocket"));
}

/* Sixteen bytes in base64. */
static bool key_is_good(struct str key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < key.len && i < UPGRADE_KEY_LEN - 2; i++) {
        if (!strchr(letters, key.ptr[i]))
            return false;
    }
    return key.len == UPGRADE_KEY_LEN && key.ptr[22] == '=' && key.ptr[23] == '=';
}

/* The first that is offered and that we speak. */
static bool choose_protocol(const struct head *head, struct str *ret_protocol)
{
    static const struct str ours[] = { { "mqtt", 4 }, { "mqttv3.1", 8 } };
    struct head_walk walk = { .head = head, .name = HEAD_WEBSOCKET_PROTOCOL };
    struct str word;

    while (head_next(&walk, &word)) {
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
            if (str_equal(word, ours[i])) {
                *ret_protocol = ours[i];
                return true;
            }
        }
    }
    return false;
}

int upgrade_check(const struct head *head, struct str *ret_protocol)
{
    if (head_count(head, HEAD_WEBSOCKET_VERSION) > 1)
        return 400;
    if (!str_equal(head_value(head, HEAD_WEBSOCKET_VERSION), STR("13")))
        return 426; /* [RFC6455 4.4] */
    if (head_count(head, HEAD_WEBSOCKET_KEY) != 1 ||
        !key_is_good(head_value(head, HEAD_WEBSOCKET_KEY)) || head_count(head, HEAD_ORIGIN) > 1)
        return 400;
    return choose_protocol(head, ret_protocol) ? 0 : 400; /* [MQTT-6.0.0-3] */
}

/* What proves that a key was read as a WebSocket's. [RFC6455 4.2.2] */
static struct str accept_of(struct str key, char at[UPGRADE_ACCEPT_LEN + 1])
{
    static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[UPGRADE_KEY_LEN + sizeof salt - 1];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    assert(key.len == UPGRADE_KEY_LEN);
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, salt, sizeof salt - 1);
    if (EVP_Digest(text, sizeof text, digest, &len, EVP_sha1(), NULL) != 1)
        return STR("");
    EVP_EncodeBlock((unsigned char *)at, digest, (int)len);
    return (struct str){ at, UPGRADE_ACCEPT_LEN };
}

void upgrade_answer(const struct head *head, struct str protocol, struct buf *out)
{
    char accept[UPGRADE_ACCEPT_LEN + 1];

    buf_printf(out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %.*s\r\nSec-WebSocket-Protocol: %.*s\r\n\r\n",
               STR_ARG(accept_of(head_value(head, HEAD_WEBSOCKET_KEY), accept)), STR_ARG(protocol));
}

void upgrade_key(const uint8_t random[16], char at[UPGRADE_KEY_LEN + 1])
{
    EVP_EncodeBlock((unsigned char *)at, random, 16);
}

void upgrade_request(struct str host, struct str path, struct str key, struct buf *out)
{
    buf_printf(out,
               "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
               STR_ARG(path), STR_ARG(host), STR_ARG(key));
}

bool upgrade_is_granted(const struct head *head, struct str key)
{
    char accept[UPGRADE_ACCEPT_LEN + 1];

    return head->status == 101 && upgrade_is_asked(head) &&
           head_count(head, HEAD_WEBSOCKET_ACCEPT) == 1 &&
           str_equal(head_value(head, HEAD_WEBSOCKET_ACCEPT), accept_of(key, accept)) &&
           head_count(head, HEAD_WEBSOCKET_PROTOCOL) == 1 &&
           str_equal(head_value(head, HEAD_WEBSOCKET_PROTOCOL), STR("mqtt")) &&
           head_value(head, HEAD_WEBSOCKET_EXTENSIONS).len == 0;
}
