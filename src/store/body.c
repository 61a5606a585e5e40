/* SPDX-License-Identifier: Apache-2.0 */
#include "store/body.h"

#include "base/crc.h"
#include "base/err.h"
#include "mqtt/wire.h"

enum { BODY_QOS = 0x03, BODY_RETAIN = 0x04, BODY_REMOTE = 0x08, BODY_EXPIRES = 0x10,
       BODY_PUBLISHER = 0x20 };

static size_t leb_len(uint64_t value)
{
    size_t len = 1;

    for (; value >= 128; value >>= 7)
        len++;
    return len;
}

static size_t data_len(const struct message *m)
{
    return message_size(m) - sizeof *m;
}

size_t body_len(const struct message *m)
{
    return 1 + (m->expires_ms != MESSAGE_NEVER ? leb_len(m->expires_ms) : 0) +
           (m->publisher ? leb_len(m->publisher) : 0) + data_len(m);
}

void body_write(struct buf *out, const struct message *m)
{
    bool expires = m->expires_ms != MESSAGE_NEVER;

    buf_append_u8(out, (uint8_t)(m->qos | (m->retain ? BODY_RETAIN : 0) |
                                 (m->remote ? BODY_REMOTE : 0) | (expires ? BODY_EXPIRES : 0) |
                                 (m->publisher ? BODY_PUBLISHER : 0)));
    if (expires)
        wire_put_leb(out, m->expires_ms);
    if (m->publisher)
        wire_put_leb(out, m->publisher);
    buf_append(out, m->data, data_len(m));
}

/* What stands before the data, into head; the data is what is left. */
static struct wire_reader head_read(struct str body, struct message *head)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    uint8_t flags = wire_get_u8(&r);

    head->qos = flags & BODY_QOS;
    head->retain = !!(flags & BODY_RETAIN);
    head->remote = !!(flags & BODY_REMOTE);
    head->expires_ms = flags & BODY_EXPIRES ? wire_get_leb(&r) : MESSAGE_NEVER;
    head->publisher = flags & BODY_PUBLISHER ? wire_get_leb(&r) : 0;
    return r;
}

int body_read(struct str body, struct message **ret_message)
{
    struct message head = { 0 };
    struct wire_reader r = head_read(body, &head);
    struct str topic = wire_get_bytes(&r, wire_get_u16(&r));
    struct str props = wire_get_bytes(&r, wire_get_varint(&r));
    struct str payload = wire_get_rest(&r);

    if (r.err)
        return ERR_MALFORMED;
    struct message *message = message_new(topic, props, payload);
    if (!message)
        return ERR_NOMEM;
    message->qos = head.qos;
    message->retain = head.retain;
    message->remote = head.remote;
    message->expires_ms = head.expires_ms;
    message->publisher = head.publisher;
    *ret_message = message;
    return ERR_OK;
}

size_t body_message_size(struct str body)
{
    struct message head = { 0 };
    struct wire_reader r = head_read(body, &head);

    return r.err ? 0 : sizeof head + wire_left(&r);
}

struct str body_topic(struct str body)
{
    struct message head = { 0 };
    struct wire_reader r = head_read(body, &head);

    return wire_get_bytes(&r, wire_get_u16(&r));
}

uint32_t body_crc(uint64_t id, struct str body)
{
    uint8_t key[8];

    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(id >> (56 - 8 * i));
    return crc32c(crc32c(0, key, sizeof key), body.ptr, body.len);
}
