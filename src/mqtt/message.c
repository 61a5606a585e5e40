/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct message *message_new(struct str topic, struct str props, struct str payload)
{
    assert(topic.len <= UINT16_MAX && props.len <= WIRE_VARINT_MAX && payload.len <= UINT32_MAX);
    size_t prefix = wire_varint_len((uint32_t)props.len);
    struct message *message =
        malloc(sizeof *message + 2 + topic.len + prefix + props.len + payload.len);

    if (!message)
        return NULL;
    *message = (struct message){ .refs = 1,
                                 .payload_len = (uint32_t)payload.len,
                                 .expires_ms = MESSAGE_NEVER,
                                 .props_len = (uint32_t)props.len,
                                 .topic_len = (uint16_t)topic.len,
                                 .props_prefix = (uint8_t)prefix };
    uint8_t *at = message->data;
    *at++ = (uint8_t)(topic.len >> 8);
    *at++ = (uint8_t)topic.len;
    if (topic.len)
        memcpy(at, topic.ptr, topic.len);
    at += topic.len;
    at += wire_store_varint(at, (uint32_t)props.len);
    if (props.len)
        memcpy(at, props.ptr, props.len);
    at += props.len;
    if (payload.len)
        memcpy(at, payload.ptr, payload.len);
    return message;
}

void message_unref(struct message *message)
{
    if (!message)
        return;
    assert(message->refs > 0);
    if (--message->refs == 0)
        free(message);
}

/* The first byte and the remaining length; the place behind them. */
static uint8_t *fixed_write(uint8_t *at, const struct delivery *d, size_t remaining)
{
    *at++ = (uint8_t)(MQTT_PUBLISH << 4 | d->dup << 3 | d->qos << 1 | d->retain);
    if (remaining < 128) {
        *at = (uint8_t)remaining;
        return at + 1;
    }
    assert(remaining <= WIRE_VARINT_MAX);
    return at + wire_store_varint(at, (uint32_t)remaining);
}

/* Bytes of the properties that this delivery adds to the message's own. */
static size_t added_len(const struct delivery *d)
{
    size_t len = (d->topic_alias ? 3 : 0) + (d->has_expiry ? 5 : 0);

    for (size_t i = 0; i < d->sub_id_count; i++)
        len += 1 + wire_varint_len(d->sub_ids[i]);
    return len;
}

/* Write them; the place behind them. [MQTT-3.3.2-6] [MQTT-3.3.4-3] */
static uint8_t *added_write(uint8_t *at, const struct delivery *d)
{
    if (d->has_expiry) {
        *at++ = PROP_MESSAGE_EXPIRY_INTERVAL;
        *at++ = (uint8_t)(d->expiry_s >> 24);
        *at++ = (uint8_t)(d->expiry_s >> 16);
        *at++ = (uint8_t)(d->expiry_s >> 8);
        *at++ = (uint8_t)d->expiry_s;
    }
    for (size_t i = 0; i < d->sub_id_count; i++) {
        assert(d->sub_ids[i] > 0);
        *at++ = PROP_SUBSCRIPTION_IDENTIFIER;
        at += wire_store_varint(at, d->sub_ids[i]);
    }
    if (d->topic_alias) {
        *at++ = PROP_TOPIC_ALIAS;
        *at++ = (uint8_t)(d->topic_alias >> 8);
        *at++ = (uint8_t)d->topic_alias;
    }
    return at;
}

/* The head for 5. */
static size_t head_v5(const struct message *m, const struct delivery *d, uint8_t *head)
{
    size_t topic_len = d->topic_omitted ? 2 : 2u + m->topic_len;
    size_t added = added_len(d);
    size_t props_len = added + m->props_len;
    size_t prefix = added ? wire_varint_len((uint32_t)props_len) : m->props_prefix;
    size_t var_len = topic_len + (d->qos ? 2 : 0) + prefix + props_len;
    size_t remaining = var_len + m->payload_len;
    uint8_t *at = head;

    assert(!d->topic_omitted || d->topic_alias);
    if (!head)
        return 1 + wire_varint_len((uint32_t)remaining) + var_len;
    at = fixed_write(at, d, remaining);
    if (d->topic_omitted) {
        *at++ = 0;
        *at++ = 0;
    } else {
        memcpy(at, m->data, topic_len);
        at += topic_len;
    }
    if (d->qos) {
        *at++ = (uint8_t)(d->packet_id >> 8);
        *at++ = (uint8_t)d->packet_id;
    }
    const uint8_t *own = m->data + 2 + m->topic_len;
    if (!added) { /* with their length, as they lie */
        memcpy(at, own, prefix + props_len);
        return (size_t)(at - head) + prefix + props_len;
    }
    at += wire_store_varint(at, (uint32_t)props_len);
    at = added_write(at, d);
    memcpy(at, own + m->props_prefix, m->props_len);
    return (size_t)(at - head) + m->props_len;
}

size_t message_head(const struct message *message, const struct delivery *delivery, uint8_t *head)
{
    const struct message *m = message;
    const struct delivery *d = delivery;
    size_t len = 2u + m->topic_len;

    assert((d->qos > 0) == (d->packet_id > 0) && (d->qos > 0 || !d->dup));
    if (d->version == MQTT_5) {
        if (d->qos || d->topic_alias || d->has_expiry || d->sub_id_count)
            return head_v5(m, d, head);
        len += m->props_prefix + m->props_len; /* as it lies */
    }
    size_t id_len = d->qos ? 2 : 0;
    size_t remaining = len + id_len + m->payload_len;
    if (!head)
        return 1 + wire_varint_len((uint32_t)remaining) + len + id_len;
    uint8_t *at = fixed_write(head, d, remaining);
    memcpy(at, m->data, len);
    at += len;
    if (d->qos) { /* before 5, so the topic was all */
        at[0] = (uint8_t)(d->packet_id >> 8);
        at[1] = (uint8_t)d->packet_id;
        at += 2;
    }
    return (size_t)(at - head);
}
