/* SPDX-License-Identifier: Apache-2.0 */
/* Encode again what was decoded, user properties included: the decoder leaves them in raw,
 * the encoder wants them as pairs. For tests and fuzz targets. */
#pragma once

#include "mqtt/packet.h"

#include <assert.h>
#include <stdlib.h>

/* Give a decoded set its pairs; the array to free. */
static inline struct str *again_pairs(struct props *props)
{
    struct str rest = props->raw;
    struct str *pairs = malloc((props->raw.len / 5 + 1) * 2 * sizeof *pairs);
    struct prop_item item;

    assert(pairs);
    props->user_count = 0;
    while (props_next(&rest, &item)) {
        if (item.prop != PROP_USER_PROPERTY)
            continue;
        pairs[2 * props->user_count] = item.text;
        pairs[2 * props->user_count + 1] = item.value;
        props->user_count++;
    }
    props->user = pairs;
    return pairs;
}

/* The properties of a packet, or NULL. */
static inline struct props *again_props(struct mqtt_packet *packet)
{
    switch (packet->kind) {
    case MQTT_CONNECT: return &packet->connect.props;
    case MQTT_CONNACK: return &packet->connack.props;
    case MQTT_PUBLISH: return &packet->publish.props;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP: return &packet->puback.props;
    case MQTT_SUBSCRIBE: return &packet->subscribe.props;
    case MQTT_UNSUBSCRIBE: return &packet->unsubscribe.props;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK: return &packet->suback.props;
    case MQTT_DISCONNECT: return &packet->disconnect.props;
    case MQTT_AUTH: return &packet->auth.props;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP: break;
    }
    return NULL;
}

/* Append a decoded packet. */
static inline void again_encode(struct buf *out, enum mqtt_version version,
                                const struct mqtt_packet *decoded)
{
    struct mqtt_packet packet = *decoded;
    struct props *props = again_props(&packet);
    struct str *pairs = props ? again_pairs(props) : NULL, *will = NULL;

    if (packet.kind == MQTT_CONNECT) {
        version = packet.connect.version;
        if (packet.connect.has_will)
            will = again_pairs(&packet.connect.will.props);
    }
    mqtt_encode(out, version, &packet);
    free(pairs);
    free(will);
}
