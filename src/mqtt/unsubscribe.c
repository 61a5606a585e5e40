/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* One entry: UTF-8 and not empty. [MQTT-3.10.3-1] [MQTT-4.7.3-1] */
static void entry_decode(struct wire_reader *r)
{
    struct str filter = wire_get_utf8(r);

    if (r->err == ERR_OK && filter.len == 0)
        wire_fail(r, ERR_TOPIC_FILTER);
}

int unsubscribe_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_unsubscribe unsubscribe = { .packet_id = packet_id_decode(r) };

    (void)head;
    props_decode(r, PROPS_UNSUBSCRIBE, &unsubscribe.props);
    unsubscribe.list = (struct str){ (const char *)r->at, wire_left(r) };
    while (wire_left(r) > 0) {
        entry_decode(r);
        unsubscribe.count++;
    }
    if (unsubscribe.count == 0)
        wire_fail(r, ERR_PROTOCOL); /* [MQTT-3.10.3-2] */

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_UNSUBSCRIBE;
    ret_packet->unsubscribe = unsubscribe;
    return ERR_OK;
}

void unsubscribe_encode(struct buf *out, enum mqtt_version version,
                        const struct mqtt_packet *packet)
{
    const struct mqtt_unsubscribe *unsubscribe = &packet->unsubscribe;
    size_t body = frame_open(out, MQTT_UNSUBSCRIBE << 4 | 2);

    assert(unsubscribe->packet_id > 0 && unsubscribe->list.len > 0);
    wire_put_u16(out, unsubscribe->packet_id);
    if (version == MQTT_5)
        props_encode(out, PROPS_UNSUBSCRIBE, &unsubscribe->props);
    frame_close(out, body, unsubscribe->list);
}

bool mqtt_unsubscribe_next(struct str *list, struct str *ret_filter)
{
    struct wire_reader r = wire_reader(list->ptr, list->len, 0);

    if (list->len == 0)
        return false;
    *ret_filter = wire_get_binary(&r);
    assert(r.err == ERR_OK); /* the list was checked */
    *list = wire_get_rest(&r);
    return true;
}

void mqtt_unsubscribe_add(struct buf *list, struct str filter)
{
    assert(filter.len > 0);
    wire_put_binary(list, filter);
}
