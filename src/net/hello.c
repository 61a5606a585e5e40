/* SPDX-License-Identifier: Apache-2.0 */
#include "net/hello.h"

#include "base/str.h"

#include <stdbool.h>

enum {
    TLS_HANDSHAKE = 22, /* [RFC8446 5.1] */
    CLIENT_HELLO = 1,   /* [RFC8446 4] */
    EXTENSION_ALPN = 16,
    RECORD_HEAD = 5,
    HANDSHAKE_HEAD = 4,
    VERSION_AND_RANDOM = 34,
};

/* What is left of the bytes; failed once more was taken than there was. */
struct cursor {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static const uint8_t *take(struct cursor *cursor, size_t len)
{
    const uint8_t *at = cursor->at;

    if (cursor->failed || len > cursor->left) {
        cursor->failed = true;
        return NULL;
    }
    cursor->at += len;
    cursor->left -= len;
    return at;
}

/* A number of 1 or 2 bytes; 0 when there is none. */
static size_t take_number(struct cursor *cursor, size_t bytes)
{
    const uint8_t *at = take(cursor, bytes);

    return !at ? 0 : bytes == 1 ? at[0] : (size_t)at[0] << 8 | at[1];
}

/* The run of bytes behind its length. */
static struct cursor take_run(struct cursor *cursor, size_t bytes)
{
    size_t len = take_number(cursor, bytes);
    const uint8_t *at = take(cursor, len);

    return (struct cursor){ at, at ? len : 0, cursor->failed };
}

/* Is http/1.1 among the names offered, and mqtt not? */
static bool offers_http(struct cursor extension)
{
    struct cursor names = take_run(&extension, 2);
    bool http = false, mqtt = false;

    while (!names.failed && names.left > 0) {
        struct cursor each = take_run(&names, 1);
        struct str name = { (const char *)each.at, each.left };
        http |= str_equal(name, STR("http/1.1"));
        mqtt |= str_equal(name, STR("mqtt"));
    }
    return http && !mqtt;
}

/* A ClientHello that came whole. [RFC8446 4.1.2] */
static enum hello look_inside(struct cursor hello)
{
    take(&hello, VERSION_AND_RANDOM);
    take_run(&hello, 1); /* the session */
    take_run(&hello, 2); /* cipher suites */
    take_run(&hello, 1); /* compression */
    struct cursor extensions = take_run(&hello, 2);

    while (!extensions.failed && extensions.left > 0) {
        size_t kind = take_number(&extensions, 2);
        struct cursor extension = take_run(&extensions, 2);
        if (kind == EXTENSION_ALPN && offers_http(extension))
            return HELLO_TLS_HTTP;
    }
    return HELLO_TLS_MQTT;
}

static enum hello look_at_tls(const uint8_t *bytes, size_t len)
{
    if (len < RECORD_HEAD + HANDSHAKE_HEAD)
        return HELLO_MORE;
    size_t record = (size_t)bytes[3] << 8 | bytes[4];

    if (bytes[RECORD_HEAD] != CLIENT_HELLO || record < HANDSHAKE_HEAD)
        return HELLO_NOTHING;
    if (len < RECORD_HEAD + record)
        return HELLO_MORE;
    return look_inside(
        (struct cursor){ bytes + RECORD_HEAD + HANDSHAKE_HEAD, record - HANDSHAKE_HEAD, false });
}

enum hello hello_look(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return HELLO_MORE;
    if (bytes[0] == TLS_HANDSHAKE && len == 1)
        return HELLO_MORE;
    if (bytes[0] == TLS_HANDSHAKE && bytes[1] == 3) /* a CONNECT is longer than 3 */
        return look_at_tls(bytes, len);
    if (bytes[0] >> 4 == 1) /* whatever its flags are: who reads it says what is wrong with them */
        return HELLO_MQTT;
    return bytes[0] >= 'A' && bytes[0] <= 'Z' ? HELLO_HTTP : HELLO_NOTHING;
}
