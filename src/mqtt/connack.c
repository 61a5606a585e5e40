/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* The reason codes that the return codes 0 to 5 mean. [MQTT311 3.2.2.3] */
static const uint8_t reason_of_v3[] = {
    REASON_SUCCESS,
    REASON_UNSUPPORTED_PROTOCOL_VERSION,
    REASON_CLIENT_IDENTIFIER_NOT_VALID,
    REASON_SERVER_UNAVAILABLE,
    REASON_BAD_USER_NAME_OR_PASSWORD,
    REASON_NOT_AUTHORIZED,
};

/* The code after the flags, as a reason code. [MQTT-3.2.2-8] */
static uint8_t reason_decode(struct wire_reader *r)
{
    uint8_t code = wire_get_u8(r);

    if (r->version == MQTT_5) {
        if (!reason_allowed(code, MQTT_CONNACK))
            wire_fail(r, ERR_PROTOCOL);
        return code;
    }
    if (code >= sizeof reason_of_v3) {
        wire_fail(r, ERR_PROTOCOL);
        return REASON_UNSPECIFIED_ERROR;
    }
    return reason_of_v3[code];
}

int connack_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_connack connack = { 0 };
    uint8_t flags = wire_get_u8(r);

    (void)head;
    if (flags > (r->version == MQTT_31 ? 0 : 1))
        wire_fail(r, ERR_MALFORMED); /* [MQTT-3.2.2-1] */
    connack.session_present = flags & 1;
    connack.reason = reason_decode(r);
    if (connack.session_present && connack.reason != REASON_SUCCESS)
        wire_fail(r, ERR_PROTOCOL); /* [MQTT-3.2.2-6] */
    props_decode(r, PROPS_CONNACK, &connack.props);
    if (props_has(&connack.props, PROP_AUTHENTICATION_DATA) &&
        !props_has(&connack.props, PROP_AUTHENTICATION_METHOD))
        wire_fail(r, ERR_PROTOCOL);

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_CONNACK;
    ret_packet->connack = connack;
    return ERR_OK;
}

void connack_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_connack *connack = &packet->connack;
    size_t body = frame_open(out, MQTT_CONNACK << 4);

    assert(!connack->session_present || connack->reason == REASON_SUCCESS);
    assert(reason_allowed(connack->reason, MQTT_CONNACK));
    buf_append_u8(out, connack->session_present && version != MQTT_31);
    if (version == MQTT_5) {
        buf_append_u8(out, connack->reason);
        props_encode(out, PROPS_CONNACK, &connack->props);
    } else {
        buf_append_u8(out, reason_to_connack_v3(connack->reason));
    }
    frame_close(out, body, (struct str){ NULL, 0 });
}
