/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt/packet.h"

#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* The flags are the kind's own business: a PUBLISH's say something, and a CONNECT's are
 * judged by the version that it brings. */
enum { FLAGS_OWN = 0x10 };

struct kind {
    const char *name;
    int (*decode)(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
    void (*encode)(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);
    uint8_t flags; /* the only right ones [MQTT5 2.1.3] */
    uint8_t since; /* the version that brought it */
};

static const struct kind kinds[16] = {
    [MQTT_CONNECT] = { "CONNECT", connect_decode, connect_encode, FLAGS_OWN, MQTT_31 },
    [MQTT_CONNACK] = { "CONNACK", connack_decode, connack_encode, 0, MQTT_31 },
    [MQTT_PUBLISH] = { "PUBLISH", publish_decode, publish_encode, FLAGS_OWN, MQTT_31 },
    [MQTT_PUBACK] = { "PUBACK", puback_decode, puback_encode, 0, MQTT_31 },
    [MQTT_PUBREC] = { "PUBREC", puback_decode, puback_encode, 0, MQTT_31 },
    [MQTT_PUBREL] = { "PUBREL", puback_decode, puback_encode, 2, MQTT_31 },
    [MQTT_PUBCOMP] = { "PUBCOMP", puback_decode, puback_encode, 0, MQTT_31 },
    [MQTT_SUBSCRIBE] = { "SUBSCRIBE", subscribe_decode, subscribe_encode, 2, MQTT_31 },
    [MQTT_SUBACK] = { "SUBACK", suback_decode, suback_encode, 0, MQTT_31 },
    [MQTT_UNSUBSCRIBE] = { "UNSUBSCRIBE", unsubscribe_decode, unsubscribe_encode, 2, MQTT_31 },
    [MQTT_UNSUBACK] = { "UNSUBACK", suback_decode, suback_encode, 0, MQTT_31 },
    [MQTT_PINGREQ] = { "PINGREQ", ping_decode, ping_encode, 0, MQTT_31 },
    [MQTT_PINGRESP] = { "PINGRESP", ping_decode, ping_encode, 0, MQTT_31 },
    [MQTT_DISCONNECT] = { "DISCONNECT", disconnect_decode, disconnect_encode, 0, MQTT_31 },
    [MQTT_AUTH] = { "AUTH", auth_decode, auth_encode, 0, MQTT_5 },
};

const char *mqtt_kind_name(enum mqtt_kind kind)
{
    return (unsigned)kind < 16 && kinds[kind].name ? kinds[kind].name : "?";
}

/* Are the flags of the first byte right for the kind? 3.1 may set DUP on a PUBREL, a
 * SUBSCRIBE or an UNSUBSCRIBE that is sent again, and where a packet has no use for flags it
 * has nothing against them. [MQTT-2.1.3-1] [MQTT311-2.2.2-2] */
static bool flags_right(const struct kind *kind, uint8_t flags, enum mqtt_version version)
{
    if (kind->flags == FLAGS_OWN || flags == kind->flags)
        return true;
    return version == MQTT_31 && (kind->flags == 0 || flags == (2 | 8));
}

int mqtt_decode(const struct mqtt_frame *frame, enum mqtt_version version,
                struct mqtt_packet *ret_packet)
{
    const struct kind *kind = &kinds[frame->head >> 4];

    if (!kind->decode || (kind->since > version && kind->since > MQTT_31))
        return ERR_MALFORMED;
    if (!flags_right(kind, frame->head & 0x0f, version))
        return ERR_MALFORMED;
    struct wire_reader r = wire_reader(frame->body.ptr, frame->body.len, (uint8_t)version);
    return kind->decode(&r, frame->head, ret_packet);
}

void mqtt_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    assert((unsigned)packet->kind < 16 && kinds[packet->kind].encode);
    const struct kind *kind = &kinds[packet->kind];

    assert(version >= kind->since);
    kind->encode(out, version, packet);
}

uint16_t packet_id_decode(struct wire_reader *r)
{
    uint16_t id = wire_get_u16(r);

    if (id == 0)
        wire_fail(r, ERR_PROTOCOL);
    return id;
}
