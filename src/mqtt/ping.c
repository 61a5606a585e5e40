/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

int ping_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    int err = wire_finish(r);

    if (err)
        return err;
    ret_packet->kind = (enum mqtt_kind)(head >> 4);
    return ERR_OK;
}

void ping_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    (void)version;
    frame_close(out, frame_open(out, (uint8_t)(packet->kind << 4)), (struct str){ NULL, 0 });
}
