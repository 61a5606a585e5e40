/* SPDX-License-Identifier: Apache-2.0 */
#include "net/framing.h"

#include "base/str.h"

#include <assert.h>
#include <string.h>

/* [RFC6455 5.2] */
enum { FINAL = 0x80, RESERVED = 0x70, OPCODE = 0x0F, MASKED = 0x80, LEN = 0x7F };
enum {
    OP_MORE = 0,
    OP_TEXT = 1,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9,
    OP_PONG = 10,
};

void framing_init(struct framing *framing, bool masked, uint32_t message_max)
{
    *framing = (struct framing){ .masked = masked, .message_max = message_max };
}

static uint8_t opcode(const struct framing *framing)
{
    return framing->head[0] & OPCODE;
}

static bool is_control(const struct framing *framing)
{
    return opcode(framing) >= OP_CLOSE;
}

/* How many bytes the payload's length takes, behind the second byte. */
static size_t len_size(const struct framing *framing)
{
    uint8_t len = framing->head[1] & LEN;

    return len == 126 ? 2 : len == 127 ? 8 : 0;
}

/* How many bytes the head has, as far as that is known. */
static size_t head_size(const struct framing *framing)
{
    if (framing->head_len < 2)
        return 2;
    return 2 + len_size(framing) + (framing->head[1] & MASKED ? sizeof framing->key : 0);
}

/* Gather the head. False: it is not whole yet. */
static bool take_head(struct framing *framing, uint8_t **at, size_t *len)
{
    size_t missing;

    while ((missing = head_size(framing) - framing->head_len) > 0) {
        size_t part = missing < *len ? missing : *len;
        if (part == 0)
            return false;
        memcpy(framing->head + framing->head_len, *at, part);
        framing->head_len += (uint8_t)part;
        *at += part;
        *len -= part;
    }
    return true;
}

/* Read the payload's length. False: it is not written as it must be. */
static bool read_len(struct framing *framing)
{
    size_t size = len_size(framing);
    uint64_t len = size ? 0 : framing->head[1] & LEN;

    for (size_t i = 0; i < size; i++)
        len = len << 8 | framing->head[2 + i];
    framing->left = len;
    return size == 0 || (size == 2 ? len > 125 : len > UINT16_MAX && len >> 63 == 0);
}

/* The head is whole: is it one that the peer may send now? 0, or what to close with. */
static uint16_t begin_frame(struct framing *framing)
{
    bool final = framing->head[0] & FINAL;

    if (framing->head[0] & RESERVED || !(framing->head[1] & MASKED) == framing->masked ||
        !read_len(framing))
        return FRAMING_PROTOCOL_ERROR;
    if (framing->masked)
        memcpy(framing->key, framing->head + 2 + len_size(framing), sizeof framing->key);
    if (is_control(framing)) {
        bool known = opcode(framing) <= OP_PONG;
        framing->control_len = 0;
        return known && final && framing->left <= FRAMING_CONTROL_MAX ? 0 : FRAMING_PROTOCOL_ERROR;
    }
    if (opcode(framing) == OP_TEXT) /* [MQTT-6.0.0-1] */
        return FRAMING_UNACCEPTABLE;
    if (opcode(framing) > OP_BINARY || (opcode(framing) == OP_MORE) != framing->in_message)
        return FRAMING_PROTOCOL_ERROR; /* [RFC6455 5.4] */
    if (opcode(framing) == OP_BINARY)
        framing->message_len = 0;
    if (framing->left > framing->message_max - framing->message_len)
        return FRAMING_TOO_LARGE;
    framing->message_len += framing->left;
    framing->in_message = !final;
    return 0;
}

/* XOR with the key, eight bytes at a time, and turn it for what follows. [RFC6455 5.3] */
static void unmask(struct framing *framing, uint8_t *at, size_t len)
{
    uint8_t wide[8], turned[4];
    uint64_t key, word;
    size_t i = 0;

    memcpy(wide, framing->key, 4);
    memcpy(wide + 4, framing->key, 4);
    memcpy(&key, wide, sizeof key);
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        word ^= key;
        memcpy(at + i, &word, sizeof word);
    }
    for (; i < len; i++)
        at[i] ^= wide[i % 8];
    for (i = 0; i < 4; i++)
        turned[i] = framing->key[(i + len) % 4];
    memcpy(framing->key, turned, 4);
}

/* Codes that a peer may send. [RFC6455 7.4] */
static bool may_be_sent(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* The peer closes: with what code to answer, or with what to call it wrong. */
static enum framing_kind end_close(const struct framing *framing, struct framing_part *ret_part)
{
    const uint8_t *said = framing->control;
    size_t len = framing->control_len;

    *ret_part = (struct framing_part){ .code = FRAMING_NORMAL };
    if (len == 0)
        return FRAMING_CLOSE;
    ret_part->code = FRAMING_PROTOCOL_ERROR;
    if (len == 1 || !may_be_sent((uint16_t)(said[0] << 8 | said[1])))
        return FRAMING_BAD;
    ret_part->code = FRAMING_INCONSISTENT;
    if (!str_is_mqtt_utf8((struct str){ (const char *)said + 2, len - 2 }))
        return FRAMING_BAD;
    ret_part->code = (uint16_t)(said[0] << 8 | said[1]);
    return FRAMING_CLOSE;
}

/* The control frame is whole. FRAMING_MORE: it needs no answer. */
static enum framing_kind end_control(struct framing *framing, struct framing_part *ret_part)
{
    if (opcode(framing) == OP_CLOSE)
        return end_close(framing, ret_part);
    if (opcode(framing) == OP_PONG)
        return FRAMING_MORE;
    *ret_part = (struct framing_part){ framing->control, framing->control_len, 0 };
    return FRAMING_PING;
}

/* Take what has come of the current frame's payload. FRAMING_MORE: go on behind it. */
static enum framing_kind take_payload(struct framing *framing, uint8_t **at, size_t *len,
                                      struct framing_part *ret_part)
{
    uint8_t *from = *at;
    size_t part = *len < framing->left ? *len : (size_t)framing->left;

    if (framing->masked)
        unmask(framing, from, part);
    *at += part;
    *len -= part;
    framing->left -= part;
    if (framing->left == 0) {
        framing->in_frame = false;
        framing->head_len = 0;
    }
    if (!is_control(framing)) {
        *ret_part = (struct framing_part){ from, part, 0 };
        return part > 0 ? FRAMING_DATA : FRAMING_MORE;
    }
    memcpy(framing->control + framing->control_len, from, part);
    framing->control_len += (uint8_t)part;
    return framing->in_frame ? FRAMING_MORE : end_control(framing, ret_part);
}

enum framing_kind framing_next(struct framing *framing, uint8_t **at, size_t *len,
                               struct framing_part *ret_part)
{
    for (;;) {
        if (!framing->in_frame) {
            if (!take_head(framing, at, len))
                return FRAMING_MORE;
            uint16_t code = begin_frame(framing);
            if (code) {
                *ret_part = (struct framing_part){ .code = code };
                return FRAMING_BAD;
            }
            framing->in_frame = true;
        } else if (*len == 0) {
            return FRAMING_MORE;
        }
        assert(framing->left <= framing->message_max || is_control(framing));
        enum framing_kind kind = take_payload(framing, at, len, ret_part);

        if (kind != FRAMING_MORE)
            return kind;
    }
}
