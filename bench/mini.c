/* SPDX-License-Identifier: Apache-2.0 */
#include "mini.h"

#include <assert.h>
#include <string.h>

long mini_next(const uint8_t *data, size_t len, struct mini_packet *ret_packet)
{
    size_t value = 0, at = 1;

    if (len < 2)
        return 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at == len)
            return 0;
        if (shift > 21)
            return -1;
        value |= (size_t)(data[at] & 0x7f) << shift;
        if (!(data[at++] & 0x80))
            break;
    }
    if (len - at < value)
        return 0;
    *ret_packet = (struct mini_packet){
        .type = data[0] >> 4,
        .flags = data[0] & 15,
        .start = data,
        .body = data + at,
        .total = at + value,
        .body_len = value,
    };
    return (long)(at + value);
}

bool mini_publish_read(const struct mini_packet *packet, struct mini_publish *ret_publish)
{
    const uint8_t *at = packet->body;
    size_t left = packet->body_len;
    struct mini_publish p = { .qos = packet->flags >> 1 & 3 };

    if (left < 2)
        return false;
    p.topic_len = (size_t)at[0] << 8 | at[1];
    p.topic = at + 2;
    size_t head = 2 + p.topic_len + (p.qos ? 2 : 0);
    if (left < head || p.qos == 3)
        return false;
    if (p.qos)
        p.id = (uint16_t)(at[head - 2] << 8 | at[head - 1]);
    p.payload = at + head;
    p.payload_len = left - head;
    *ret_publish = p;
    return true;
}

uint16_t mini_id(const struct mini_packet *packet)
{
    return packet->body_len < 2 ? 0 : (uint16_t)(packet->body[0] << 8 | packet->body[1]);
}

size_t mini_length(uint8_t *out, size_t value)
{
    size_t n = 0;

    assert(value < (size_t)1 << 28);
    do {
        out[n] = value & 0x7f;
        value >>= 7;
        if (value)
            out[n] |= 0x80;
        n++;
    } while (value);
    return n;
}

/* A two-byte length and the text. */
static size_t put_text(uint8_t *out, const char *text)
{
    size_t len = strlen(text);

    assert(len <= MINI_TOPIC_MAX);
    out[0] = 0;
    out[1] = (uint8_t)len;
    memcpy(out + 2, text, len);
    return 2 + len;
}

static size_t put_id(uint8_t *out, uint16_t id)
{
    out[0] = (uint8_t)(id >> 8);
    out[1] = (uint8_t)id;
    return 2;
}

size_t mini_connect(uint8_t *out, const char *client_id, bool clean)
{
    const uint8_t fixed[] = { 0, 4, 'M', 'Q', 'T', 'T', 4, clean ? 2 : 0, 0, 0 };
    size_t n = 2;

    memcpy(out + n, fixed, sizeof fixed);
    n += sizeof fixed;
    n += put_text(out + n, client_id);
    out[0] = MINI_CONNECT << 4;
    out[1] = (uint8_t)(n - 2);
    return n;
}

size_t mini_subscribe(uint8_t *out, uint16_t id, const char *topic, uint8_t qos)
{
    size_t n = 2;

    n += put_id(out + n, id);
    n += put_text(out + n, topic);
    out[n++] = qos;
    out[0] = MINI_SUBSCRIBE << 4 | 2;
    out[1] = (uint8_t)(n - 2);
    return n;
}

size_t mini_ack(uint8_t *out, enum mini_type type, uint16_t id)
{
    out[0] = (uint8_t)(type << 4 | (type == MINI_PUBREL ? 2 : 0));
    out[1] = 2;
    return 2 + put_id(out + 2, id);
}

size_t mini_publish_head(uint8_t *out, const char *topic, uint8_t qos, uint16_t id,
                         size_t payload_len)
{
    size_t n = 1;

    out[0] = (uint8_t)(MINI_PUBLISH << 4 | qos << 1);
    n += mini_length(out + n, 2 + strlen(topic) + (qos ? 2 : 0) + payload_len);
    n += put_text(out + n, topic);
    if (qos)
        n += put_id(out + n, id);
    return n;
}
