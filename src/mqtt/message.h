/* SPDX-License-Identifier: Apache-2.0 */
/* An application message: topic, properties, payload, in one allocation, counted and
 * never changed. Queues, retained store and mesh hold references; nobody copies.
 *
 * The data is laid out as the body of a PUBLISH (topic with its length, properties with
 * theirs, payload), so that a QoS 0 delivery is a fixed header and at most two copies.
 * References are counted without atomics: a message belongs to the node thread. */
#pragma once

#include "base/str.h"
#include "mqtt/packet.h"

#include <stdbool.h>
#include <stdint.h>

/* The message never expires. */
#define MESSAGE_NEVER UINT64_MAX

struct message {
    uint32_t refs;
    uint32_t payload_len;
    uint64_t topic_hash;   /* hash_fast of the topic under the node's seed */
    uint64_t expires_ms;   /* node time, MESSAGE_NEVER: never */
    uint64_t publisher;    /* who published: a client's name as a number, or 0 */
    uint32_t props_len;    /* forwardable properties, without their length prefix */
    uint16_t topic_len;
    uint8_t props_prefix;  /* bytes of the properties' length prefix: 1 to 4 */
    uint8_t qos : 2;       /* as published */
    uint8_t retain : 1;    /* as published */
    uint8_t remote : 1;    /* came over the mesh */
    uint8_t data[];        /* u16 length, topic, varint length, properties, payload */
};

/* Make a message with one reference, or NULL when out of memory. props: forwardable
 * properties as props_forwardable leaves them. All text is copied. topic_hash is left to
 * the caller (0). */
struct message *message_new(struct str topic, struct str props, struct str payload);

/* One more reference; returns message. */
static inline struct message *message_ref(struct message *message)
{
    message->refs++;
    return message;
}

/* One reference less; the last one frees. Accepts NULL. */
void message_unref(struct message *message);

/* The parts, borrowed. */
static inline struct str message_topic(const struct message *m)
{
    return (struct str){ (const char *)m->data + 2, m->topic_len };
}

static inline struct str message_props(const struct message *m)
{
    return (struct str){ (const char *)m->data + 2 + m->topic_len + m->props_prefix, m->props_len };
}

static inline struct str message_payload(const struct message *m)
{
    return (struct str){ (const char *)m->data + 2 + m->topic_len + m->props_prefix + m->props_len,
                         m->payload_len };
}

/* Bytes of memory the message takes, for accounting. */
static inline size_t message_size(const struct message *m)
{
    return sizeof *m + 2u + m->topic_len + m->props_prefix + m->props_len + m->payload_len;
}

/* How one copy of a message goes to one client. */
struct delivery {
    enum mqtt_version version;
    uint8_t qos;
    bool retain;
    bool dup;
    uint16_t packet_id;            /* 0 at QoS 0 */
    uint16_t topic_alias;          /* 0: none; only for 5 */
    bool topic_omitted;            /* send an empty topic, the alias says it */
    bool has_expiry;
    uint32_t expiry_s;             /* seconds left, when has_expiry */
    const uint32_t *sub_ids;       /* subscription identifiers, only for 5 */
    size_t sub_id_count;
};

/* Write everything of the PUBLISH up to the payload into head, or count it with
 * head == NULL; the payload follows as it is. Returns the number of bytes (at most
 * 5 + message head + 14 + 5 * sub_id_count). */
size_t message_head(const struct message *message, const struct delivery *delivery, uint8_t *head);
