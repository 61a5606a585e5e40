/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

int disconnect_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_disconnect disconnect = { 0 };

    (void)head;
    if (r->version == MQTT_5 && wire_left(r) > 0) {
        disconnect.reason = wire_get_u8(r);
        if (!reason_allowed(disconnect.reason, MQTT_DISCONNECT))
            wire_fail(r, ERR_PROTOCOL); /* [MQTT-3.14.2-1] */
        if (wire_left(r) > 0)
            props_decode(r, PROPS_DISCONNECT, &disconnect.props);
    }

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_DISCONNECT;
    ret_packet->disconnect = disconnect;
    return ERR_OK;
}

void disconnect_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_disconnect *disconnect = &packet->disconnect;
    bool has_props = disconnect->props.present || disconnect->props.user_count;
    size_t body = frame_open(out, MQTT_DISCONNECT << 4);

    if (version == MQTT_5 && (disconnect->reason || has_props)) {
        assert(reason_allowed(disconnect->reason, MQTT_DISCONNECT));
        buf_append_u8(out, disconnect->reason);
        if (has_props)
            props_encode(out, PROPS_DISCONNECT, &disconnect->props);
    }
    frame_close(out, body, (struct str){ NULL, 0 });
}
