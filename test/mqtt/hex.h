/* SPDX-License-Identifier: Apache-2.0 */
/* Packets written as a person reads them: hex digits in pairs, 'text' between quotes,
 * {...} with its length as two bytes before it, [...] with its length as a varint.
 * Spaces mean nothing. */
#pragma once

#include "base/buf.h"
#include "mqtt/wire.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static inline int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, toupper((unsigned char)c)) : NULL;

    assert(at);
    return (int)(at - digits);
}

/* Append what text says, up to the closing character end; the place behind it. */
static inline const char *hex_run(const char *text, char end, struct buf *out)
{
    size_t start = out->len;

    while (*text != end) {
        char c = *text++;
        if (isspace((unsigned char)c))
            continue;
        if (c == '\'') {
            size_t len = strcspn(text, "'");
            buf_append(out, text, len);
            text += len + 1;
        } else if (c == '{' || c == '[') {
            text = hex_run(text, c == '{' ? '}' : ']', out);
        } else {
            buf_append_u8(out, (uint8_t)(hex_digit(c) << 4 | hex_digit(text[0])));
            text++;
        }
    }
    size_t len = out->len - start;
    if (end == ']')
        wire_insert_varint(out, start, (uint32_t)len);
    if (end == '}') {
        uint8_t bytes[2] = { (uint8_t)(len >> 8), (uint8_t)len };
        buf_append(out, bytes, 2);
        memmove(out->data + start + 2, out->data + start, len);
        memcpy(out->data + start, bytes, 2);
    }
    return text + (end != '\0');
}

/* Append what text says. */
static inline void hex_parse(const char *text, struct buf *out)
{
    hex_run(text, '\0', out);
}

/* Append a whole packet: head, the length of its body, the body that text says. */
static inline void hex_packet(uint8_t head, const char *body, struct buf *out)
{
    buf_append_u8(out, head);
    size_t start = out->len;
    hex_parse(body, out);
    wire_insert_varint(out, start, (uint32_t)(out->len - start));
}
