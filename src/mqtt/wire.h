/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the integers, strings and lengths of MQTT [MQTT5 1.5], and the
 * few more that the mesh protocol has.
 *
 * The reader's error is sticky: after the first failure every read returns zero and
 * changes nothing, and wire_finish() reports it. The writer is a struct buf, whose
 * failure is sticky too. Numbers are big endian. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

/* The largest number that a variable byte integer holds. [MQTT5 1.5.5] */
enum { WIRE_VARINT_MAX = 268435455 };

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    int err;         /* first error met */
    uint8_t version; /* enum mqtt_version, for decoders that serve several */
};

/* Read from these bytes, which must outlive the reader and what it returns. */
struct wire_reader wire_reader(const void *bytes, size_t len, uint8_t version);

/* Bytes not read yet; 0 after an error. */
static inline size_t wire_left(const struct wire_reader *r)
{
    return r->err ? 0 : (size_t)(r->end - r->at);
}

/* Record an error, if there is none yet. */
void wire_fail(struct wire_reader *r, int err);

/* The first error, or ERR_MALFORMED when bytes are left over, or ERR_OK. */
int wire_finish(const struct wire_reader *r);

/* Big-endian integers; ERR_MALFORMED when too few bytes are left. */
uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);

/* A variable byte integer; five bytes or padding are ERR_MALFORMED. [MQTT-1.5.5-1] */
uint32_t wire_get_varint(struct wire_reader *r);

/* An unsigned LEB128 number of up to 64 bits, shortest form only (mesh frames). */
uint64_t wire_get_leb(struct wire_reader *r);

/* The next len bytes, borrowed. */
struct str wire_get_bytes(struct wire_reader *r, size_t len);

/* All that is left, borrowed. */
struct str wire_get_rest(struct wire_reader *r);

/* Two bytes of length, then as many bytes, borrowed: binary data. [MQTT5 1.5.6] */
struct str wire_get_binary(struct wire_reader *r);

/* The same, and the bytes must be MQTT's UTF-8. [MQTT5 1.5.4] */
struct str wire_get_utf8(struct wire_reader *r);

/* Appending. */
void wire_put_u16(struct buf *out, uint16_t value);
void wire_put_u32(struct buf *out, uint32_t value);
void wire_put_u64(struct buf *out, uint64_t value);

/* value <= WIRE_VARINT_MAX. */
void wire_put_varint(struct buf *out, uint32_t value);
void wire_put_leb(struct buf *out, uint64_t value);

/* Two bytes of length and the bytes; s.len <= 65535. */
void wire_put_binary(struct buf *out, struct str s);

/* How many bytes wire_put_varint would write: 1 to 4. */
static inline size_t wire_varint_len(uint32_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

/* Write a varint at a place with room for 4 bytes; how many were written. */
size_t wire_store_varint(uint8_t *at, uint32_t value);

/* Insert a varint before the bytes that were appended from place at on. Does nothing when
 * out has failed. */
void wire_insert_varint(struct buf *out, size_t at, uint32_t value);
