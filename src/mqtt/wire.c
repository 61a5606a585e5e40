/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt/wire.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

struct wire_reader wire_reader(const void *bytes, size_t len, uint8_t version)
{
    const uint8_t *at = bytes;

    return (struct wire_reader){ .at = at, .end = len ? at + len : at, .version = version };
}

void wire_fail(struct wire_reader *r, int err)
{
    if (r->err == ERR_OK)
        r->err = err;
}

int wire_finish(const struct wire_reader *r)
{
    if (r->err)
        return r->err;
    return r->at == r->end ? ERR_OK : ERR_MALFORMED;
}

/* The place of the next len bytes, or NULL and an error. */
static const uint8_t *take(struct wire_reader *r, size_t len)
{
    if (r->err)
        return NULL;
    if ((size_t)(r->end - r->at) < len) {
        r->err = ERR_MALFORMED;
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += len;
    return at;
}

uint8_t wire_get_u8(struct wire_reader *r)
{
    const uint8_t *p = take(r, 1);

    return p ? p[0] : 0;
}

uint16_t wire_get_u16(struct wire_reader *r)
{
    const uint8_t *p = take(r, 2);

    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t wire_get_u32(struct wire_reader *r)
{
    const uint8_t *p = take(r, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t wire_get_u64(struct wire_reader *r)
{
    uint64_t high = wire_get_u32(r);

    return high << 32 | wire_get_u32(r);
}

uint32_t wire_get_varint(struct wire_reader *r)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t byte = wire_get_u8(r);
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            if (i > 0 && byte == 0)
                wire_fail(r, ERR_MALFORMED); /* not the shortest form */
            return r->err ? 0 : value;
        }
    }
    wire_fail(r, ERR_MALFORMED);
    return 0;
}

uint64_t wire_get_leb(struct wire_reader *r)
{
    uint64_t value = 0;

    for (int i = 0; i < 10; i++) {
        uint8_t byte = wire_get_u8(r);
        if (i == 9 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            if (i > 0 && byte == 0)
                wire_fail(r, ERR_MALFORMED);
            return r->err ? 0 : value;
        }
    }
    wire_fail(r, ERR_MALFORMED);
    return 0;
}

struct str wire_get_bytes(struct wire_reader *r, size_t len)
{
    const uint8_t *p = take(r, len);

    return p ? (struct str){ (const char *)p, len } : (struct str){ NULL, 0 };
}

struct str wire_get_rest(struct wire_reader *r)
{
    return wire_get_bytes(r, wire_left(r));
}

struct str wire_get_binary(struct wire_reader *r)
{
    size_t len = wire_get_u16(r);

    return wire_get_bytes(r, len);
}

struct str wire_get_utf8(struct wire_reader *r)
{
    struct str s = wire_get_binary(r);

    if (r->err == ERR_OK && !str_is_mqtt_utf8(s))
        wire_fail(r, ERR_MALFORMED);
    return r->err ? (struct str){ NULL, 0 } : s;
}

void wire_put_u16(struct buf *out, uint16_t value)
{
    uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };

    buf_append(out, bytes, sizeof bytes);
}

void wire_put_u32(struct buf *out, uint32_t value)
{
    uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value };

    buf_append(out, bytes, sizeof bytes);
}

void wire_put_u64(struct buf *out, uint64_t value)
{
    wire_put_u32(out, (uint32_t)(value >> 32));
    wire_put_u32(out, (uint32_t)value);
}

size_t wire_store_varint(uint8_t *at, uint32_t value)
{
    size_t n = 0;

    assert(value <= WIRE_VARINT_MAX);
    while (value >= 128) {
        at[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[n++] = (uint8_t)value;
    return n;
}

void wire_put_varint(struct buf *out, uint32_t value)
{
    uint8_t bytes[4];

    buf_append(out, bytes, wire_store_varint(bytes, value));
}

void wire_put_leb(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    while (value >= 128) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    buf_append(out, bytes, n);
}

void wire_put_binary(struct buf *out, struct str s)
{
    assert(s.len <= UINT16_MAX);
    wire_put_u16(out, (uint16_t)s.len);
    buf_append_str(out, s);
}

void wire_insert_varint(struct buf *out, size_t at, uint32_t value)
{
    uint8_t bytes[4];
    size_t n = wire_store_varint(bytes, value);

    if (!buf_reserve(out, n))
        return;
    memmove(out->data + at + n, out->data + at, out->len - at);
    memcpy(out->data + at, bytes, n);
    buf_advance(out, n);
}
