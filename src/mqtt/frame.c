/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"
#include "mqtt/packet.h"

#include <assert.h>

/* Read the remaining length at p, of which left bytes are there: ERR_OK, ERR_MORE or
 * ERR_MALFORMED (a fifth byte, or padding). [MQTT-1.5.5-1] [MQTT5 2.1.4] */
static int length_read(const uint8_t *p, size_t left, uint32_t *ret_value, size_t *ret_len)
{
    uint32_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i == left)
            return ERR_MORE;
        value |= (uint32_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] & 0x80)
            continue;
        if (i > 0 && p[i] == 0)
            return ERR_MALFORMED;
        *ret_value = value;
        *ret_len = i + 1;
        return ERR_OK;
    }
    return ERR_MALFORMED;
}

int mqtt_frame_find(const void *bytes, size_t len, size_t max, struct mqtt_frame *ret_frame)
{
    const uint8_t *p = bytes;
    uint32_t remaining;
    size_t digits;

    ret_frame->whole = 0;
    if (len == 0)
        return ERR_MORE;
    if (p[0] >> 4 == 0)
        return ERR_MALFORMED; /* kind 0 is forbidden [MQTT5 2.1.2] */
    int err = length_read(p + 1, len - 1, &remaining, &digits);
    if (err)
        return err;
    size_t whole = 1 + digits + remaining;
    if (whole > max)
        return ERR_TOO_LARGE;
    ret_frame->whole = whole;
    if (whole > len)
        return ERR_MORE;
    ret_frame->head = p[0];
    ret_frame->body = (struct str){ (const char *)p + 1 + digits, remaining };
    return ERR_OK;
}

size_t frame_open(struct buf *out, uint8_t head)
{
    buf_append_u8(out, head);
    return out->len;
}

void frame_close(struct buf *out, size_t body, struct str tail)
{
    if (out->failed)
        return;
    size_t remaining = out->len - body + tail.len;

    assert(remaining <= WIRE_VARINT_MAX);
    wire_insert_varint(out, body, (uint32_t)remaining);
    if (tail.len)
        buf_append_str(out, tail);
}
