/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

int auth_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_auth auth = { 0 };

    (void)head;
    if (wire_left(r) > 0) { /* nothing at all: success, no properties [MQTT5 3.15.2.1] */
        auth.reason = wire_get_u8(r);
        if (!reason_allowed(auth.reason, MQTT_AUTH))
            wire_fail(r, ERR_PROTOCOL); /* [MQTT-3.15.2-1] */
        props_decode(r, PROPS_AUTH, &auth.props);
        if (!props_has(&auth.props, PROP_AUTHENTICATION_METHOD))
            wire_fail(r, ERR_PROTOCOL); /* [MQTT5 3.15.2.2.2] */
    }

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_AUTH;
    ret_packet->auth = auth;
    return ERR_OK;
}

void auth_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_auth *auth = &packet->auth;
    bool has_props = auth->props.present || auth->props.user_count;
    size_t body = frame_open(out, MQTT_AUTH << 4);

    (void)version;
    if (auth->reason || has_props) {
        assert(reason_allowed(auth->reason, MQTT_AUTH));
        assert(props_has(&auth->props, PROP_AUTHENTICATION_METHOD));
        buf_append_u8(out, auth->reason);
        props_encode(out, PROPS_AUTH, &auth->props);
    }
    frame_close(out, body, (struct str){ NULL, 0 });
}
