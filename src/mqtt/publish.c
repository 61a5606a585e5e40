/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"
#include "topic/topic.h"

#include <assert.h>
#include <string.h>

/* Flags of the first byte. [MQTT5 3.3.1] */
enum { FLAG_RETAIN = 1, FLAG_QOS_SHIFT = 1, FLAG_DUP = 8 };

/* Bytes of word that are zero have their top bit set in the result; exact when no byte of
 * word is above 0x7f. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

/* Has a word of eight bytes one that some rule may object to: not ASCII, NUL, + or #? */
static uint64_t suspect(const char *at)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return (word & 0x8080808080808080u) | zero_bytes(word) | zero_bytes(word ^ '#' * ones) |
           zero_bytes(word ^ '+' * ones);
}

/* Is it, seen eight bytes at a time, a name of plain ASCII that no rule can object to?
 * Long enough for a word, and short enough to have no more than TOPIC_LEVELS_MAX levels. */
static bool name_is_plain(struct str name)
{
    if (name.len < 8 || name.len >= TOPIC_LEVELS_MAX)
        return false;
    uint64_t bad = suspect(name.ptr + name.len - 8);
    for (size_t i = 0; i + 8 < name.len; i += 8)
        bad |= suspect(name.ptr + i);
    return bad == 0;
}

/* The topic. Empty is for the alias to answer for. [MQTT-3.3.2-1] [MQTT-3.3.2-2]
 * [MQTT-4.7.3-1] */
static struct str topic_decode(struct wire_reader *r)
{
    struct str topic = wire_get_binary(r);

    if (r->err || name_is_plain(topic))
        return topic;
    if (!str_is_mqtt_utf8(topic))
        wire_fail(r, ERR_MALFORMED);
    else if (topic.len > 0 || r->version != MQTT_5)
        wire_fail(r, topic_name_check(topic));
    return topic;
}

/* Properties are decoded aside only when there are some: most messages have none. */
static void publish_props_decode(struct wire_reader *r, bool topic_empty, struct props *ret_props)
{
    struct props props;

    props_decode(r, PROPS_PUBLISH, &props);
    if (topic_empty && !props_has(&props, PROP_TOPIC_ALIAS))
        wire_fail(r, ERR_PROTOCOL); /* [MQTT5 3.3.2.1] */
    if (r->err == ERR_OK)
        *ret_props = props;
}

int publish_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    uint8_t qos = head >> FLAG_QOS_SHIFT & 3;
    struct mqtt_publish *ret_publish = &ret_packet->publish;

    if (qos == 3 || (qos == 0 && head & FLAG_DUP && r->version != MQTT_31))
        return ERR_MALFORMED; /* [MQTT-3.3.1-4] [MQTT-3.3.1-2]; in 3.1 it says nothing there */
    struct str topic = topic_decode(r);
    uint16_t packet_id = qos ? packet_id_decode(r) : 0; /* [MQTT-2.2.1-2] [MQTT-2.2.1-3] */
    if (r->err)
        return r->err;
    if (r->version == MQTT_5 && (r->at == r->end || *r->at != 0 || topic.len == 0)) {
        publish_props_decode(r, topic.len == 0, &ret_publish->props);
        if (r->err)
            return r->err;
    } else {
        r->at += r->version == MQTT_5;
        props_empty(&ret_publish->props);
    }
    ret_packet->kind = MQTT_PUBLISH;
    ret_publish->topic = topic;
    ret_publish->payload = (struct str){ (const char *)r->at, (size_t)(r->end - r->at) };
    ret_publish->packet_id = packet_id;
    ret_publish->qos = qos;
    ret_publish->retain = head & FLAG_RETAIN;
    ret_publish->dup = qos && head & FLAG_DUP;
    return ERR_OK;
}

void publish_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_publish *publish = &packet->publish;
    uint8_t head = MQTT_PUBLISH << 4;

    assert(publish->qos <= 2 && (publish->qos > 0) == (publish->packet_id > 0));
    assert(publish->qos > 0 || !publish->dup);
    assert(publish->topic.len > 0 ||
           (version == MQTT_5 && props_has(&publish->props, PROP_TOPIC_ALIAS)));
    head |= (uint8_t)(publish->qos << FLAG_QOS_SHIFT);
    if (publish->retain)
        head |= FLAG_RETAIN;
    if (publish->dup)
        head |= FLAG_DUP;
    size_t body = frame_open(out, head);
    wire_put_binary(out, publish->topic);
    if (publish->qos)
        wire_put_u16(out, publish->packet_id);
    if (version == MQTT_5)
        props_encode(out, PROPS_PUBLISH, &publish->props);
    frame_close(out, body, publish->payload);
}
