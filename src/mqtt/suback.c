/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* May the code stand in a SUBACK or UNSUBACK of this version? [MQTT-3.9.3-2]
 * [MQTT-3.11.3-2] [MQTT311-3.9.3-2] */
static bool code_right(uint8_t code, uint8_t kind, uint8_t version)
{
    if (version == MQTT_5)
        return reason_allowed(code, kind);
    return code <= 2 || code == REASON_UNSPECIFIED_ERROR;
}

int suback_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_suback suback = { .packet_id = packet_id_decode(r) };
    uint8_t kind = head >> 4;

    props_decode(r, PROPS_SUBACK, &suback.props);
    if (kind == MQTT_SUBACK || r->version == MQTT_5) {
        suback.reasons = wire_get_rest(r);
        if (suback.reasons.len == 0)
            wire_fail(r, ERR_PROTOCOL); /* an answer for each entry [MQTT-3.9.3-1] */
        for (size_t i = 0; i < suback.reasons.len; i++) {
            if (!code_right((uint8_t)suback.reasons.ptr[i], kind, r->version))
                wire_fail(r, ERR_PROTOCOL);
        }
    }

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = (enum mqtt_kind)kind;
    ret_packet->suback = suback;
    return ERR_OK;
}

void suback_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_suback *suback = &packet->suback;
    size_t body = frame_open(out, (uint8_t)(packet->kind << 4));
    struct str reasons = suback->reasons;

    assert(suback->packet_id > 0);
    wire_put_u16(out, suback->packet_id);
    if (version == MQTT_5)
        props_encode(out, PROPS_SUBACK, &suback->props);
    if (version != MQTT_5 && packet->kind == MQTT_UNSUBACK)
        reasons = (struct str){ NULL, 0 }; /* it has none [MQTT311 3.11] */
    else
        assert(reasons.len > 0);
    for (size_t i = 0; i < reasons.len; i++)
        assert(code_right((uint8_t)reasons.ptr[i], (uint8_t)packet->kind, (uint8_t)version));
    frame_close(out, body, reasons);
}
