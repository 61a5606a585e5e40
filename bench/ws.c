/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* strcasestr */
#include "ws.h"

#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

void ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t at)
{
    uint8_t key[8];
    uint64_t key64, word;
    size_t i = 0;

    for (unsigned k = 0; k < 8; k++)
        key[k] = mask[(at + k) & 3];
    memcpy(&key64, key, 8);
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, src + i, 8);
        word ^= key64;
        memcpy(dst + i, &word, 8);
    }
    for (; i < len; i++)
        dst[i] = src[i] ^ key[i & 7];
}

/* How long the header is, as far as its first bytes tell. */
static size_t head_need(const struct ws_in *ws)
{
    if (ws->head_len < 2)
        return 2;
    uint8_t len = ws->head[1] & 0x7f;
    return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (ws->head[1] & 0x80 ? 4 : 0);
}

/* The header is complete: read the length. False when the frame cannot be. */
static bool head_done(struct ws_in *ws)
{
    uint8_t len = ws->head[1] & 0x7f;
    unsigned wide = len == 126 ? 2 : len == 127 ? 8 : 0;
    bool control = ws->head[0] & 8;

    ws->left = wide ? 0 : len;
    for (unsigned i = 0; i < wide; i++)
        ws->left = ws->left << 8 | ws->head[2 + i];
    ws->at = 0;
    ws->in_payload = true;
    if (control)
        ws->control_len = 0;
    /* No extension was agreed, so no reserved bit; text frames carry no MQTT. */
    return !(ws->head[0] & 0x70) && (ws->head[0] & 15) != 1 && !(control && ws->left > 125);
}

static void frame_done(struct ws_in *ws)
{
    uint8_t opcode = ws->head[0] & 15;

    if (opcode == WS_CLOSE)
        ws->closed = true;
    if (opcode == WS_PING)
        ws->pinged = true;
    ws->in_payload = false;
    ws->head_len = 0;
}

/* Move n payload bytes from src to where they belong; returns how many count as data. */
static size_t take(struct ws_in *ws, uint8_t *dst, const uint8_t *src, size_t n)
{
    static const uint8_t none[4];
    const uint8_t *mask = ws->head[1] & 0x80 ? ws->head + head_need(ws) - 4 : none;
    bool control = ws->head[0] & 8;

    if (control)
        dst = ws->control + ws->control_len;
    if (mask == none)
        memmove(dst, src, n);
    else
        ws_mask(dst, src, n, mask, ws->at);
    ws->at += n;
    ws->left -= n;
    if (!control)
        return n;
    ws->control_len += (uint8_t)n;
    return 0;
}

long ws_unframe(struct ws_in *ws, uint8_t *buf, size_t len)
{
    size_t at = 0, out = 0;

    while (at < len || (ws->in_payload && ws->left == 0)) {
        if (!ws->in_payload) {
            ws->head[ws->head_len++] = buf[at++];
            if (ws->head_len >= 2 && ws->head_len == head_need(ws) && !head_done(ws))
                return -1;
            continue;
        }
        size_t n = ws->left < len - at ? (size_t)ws->left : len - at;
        out += take(ws, buf + out, buf + at, n);
        at += n;
        if (ws->left == 0)
            frame_done(ws);
    }
    return (long)out;
}

size_t ws_header(uint8_t *out, uint8_t opcode, size_t len, const uint8_t *mask)
{
    size_t n = 2;

    out[0] = 0x80 | opcode;
    if (len < 126) {
        out[1] = (uint8_t)len;
    } else if (len < 65536) {
        out[1] = 126;
        out[n++] = (uint8_t)(len >> 8);
        out[n++] = (uint8_t)len;
    } else {
        out[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (uint8_t)((uint64_t)len >> shift);
    }
    if (mask) {
        out[1] |= 0x80;
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

size_t ws_request(char *out, size_t cap, const char *host, const char *key)
{
    return (size_t)snprintf(out, cap,
                            "GET /mqtt HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                            "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n",
                            host, key);
}

/* base64(SHA-1(key + GUID)) [RFC 6455 4.2.2] */
static void accept_of(char ret_accept[32], const char *key, size_t key_len)
{
    char text[128];
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;
    int n =
        snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)key_len, key);

    EVP_Digest(text, (size_t)n, sum, &sum_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)ret_accept, sum, (int)sum_len);
}

/* The value of a header, up to the end of its line; NULL when it is not there. */
static const char *header_find(const char *text, const char *name, size_t *ret_len)
{
    const char *at = strcasestr(text, name);

    if (!at)
        return NULL;
    at += strlen(name);
    while (*at == ' ')
        at++;
    *ret_len = strcspn(at, "\r\n");
    return at;
}

size_t ws_response(char *out, size_t cap, const char *request)
{
    char accept[32];
    size_t len = 0;
    const char *key = header_find(request, "\r\nSec-WebSocket-Key:", &len);

    if (!key || len > 40)
        return 0;
    accept_of(accept, key, len);
    return (size_t)snprintf(out, cap,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                            "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
                            accept);
}

bool ws_accepted(const char *response, const char *key)
{
    char accept[32];
    size_t len = 0;
    const char *got = header_find(response, "\r\nSec-WebSocket-Accept:", &len);

    accept_of(accept, key, strlen(key));
    return strncmp(response, "HTTP/1.1 101", 12) == 0 && got && len == strlen(accept) &&
           memcmp(got, accept, len) == 0;
}
