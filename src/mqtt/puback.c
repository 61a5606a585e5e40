/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* What an acknowledgement of 5 may say after the packet identifier. [MQTT-3.4.2-1]
 * [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] */
static void details_decode(struct wire_reader *r, uint8_t kind, struct mqtt_puback *ret_puback)
{
    ret_puback->reason = wire_get_u8(r);
    if (!reason_allowed(ret_puback->reason, kind))
        wire_fail(r, ERR_PROTOCOL);
    if (wire_left(r) > 0)
        props_decode(r, PROPS_PUBACK, &ret_puback->props);
}

int puback_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_puback puback; /* its set is not cleared: this is every second packet */

    puback.packet_id = packet_id_decode(r);
    puback.reason = REASON_SUCCESS;
    props_empty(&puback.props);
    if (r->version == MQTT_5 && wire_left(r) > 0)
        details_decode(r, head >> 4, &puback);

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = (enum mqtt_kind)(head >> 4);
    ret_packet->puback = puback;
    return ERR_OK;
}

void puback_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_puback *puback = &packet->puback;
    uint8_t head = (uint8_t)(packet->kind << 4 | (packet->kind == MQTT_PUBREL ? 2 : 0));
    bool has_props = puback->props.present || puback->props.user_count;

    assert(puback->packet_id > 0);
    if (version != MQTT_5 || (puback->reason == REASON_SUCCESS && !has_props)) {
        uint8_t bytes[4] = { head, 2, (uint8_t)(puback->packet_id >> 8),
                             (uint8_t)puback->packet_id };
        buf_append(out, bytes, sizeof bytes);
        return;
    }
    assert(reason_allowed(puback->reason, packet->kind));
    size_t body = frame_open(out, head);
    wire_put_u16(out, puback->packet_id);
    buf_append_u8(out, puback->reason);
    if (has_props)
        props_encode(out, PROPS_PUBACK, &puback->props);
    frame_close(out, body, (struct str){ NULL, 0 });
}
