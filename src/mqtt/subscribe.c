/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"

#include <assert.h>

/* Subscription options. [MQTT5 3.8.3.1] */
enum {
    OPTION_NO_LOCAL = 0x04,
    OPTION_RETAIN_AS_PUBLISHED = 0x08,
    OPTION_RETAIN_HANDLING_SHIFT = 4,
    OPTION_RESERVED = 0xC0,
    OPTION_RESERVED_V3 = 0xFC,
};

/* The options byte, checked. A reserved bit makes the packet malformed [MQTT-3.8.3-5], in
 * 3.1.1 QoS 3 does too [MQTT311-3.8.3-4]; in 5 that is a protocol error. */
static struct mqtt_sub_options options_decode(struct wire_reader *r)
{
    uint8_t byte = wire_get_u8(r);
    struct mqtt_sub_options options = { .qos = byte & 3 };

    if (r->version != MQTT_5) {
        if (byte & OPTION_RESERVED_V3 || options.qos == 3)
            wire_fail(r, ERR_MALFORMED);
        return options;
    }
    options.no_local = byte & OPTION_NO_LOCAL;
    options.retain_as_published = byte & OPTION_RETAIN_AS_PUBLISHED;
    options.retain_handling = byte >> OPTION_RETAIN_HANDLING_SHIFT & 3;
    if (byte & OPTION_RESERVED)
        wire_fail(r, ERR_MALFORMED);
    if (options.qos == 3 || options.retain_handling == 3)
        wire_fail(r, ERR_PROTOCOL);
    return options;
}

/* One entry; its filter is UTF-8 and not empty. [MQTT-3.8.3-1] [MQTT-4.7.3-1] */
static void entry_decode(struct wire_reader *r)
{
    struct str filter = wire_get_utf8(r);

    if (r->err == ERR_OK && filter.len == 0)
        wire_fail(r, ERR_TOPIC_FILTER);
    options_decode(r);
}

int subscribe_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_subscribe subscribe = { .packet_id = packet_id_decode(r) };

    (void)head;
    props_decode(r, PROPS_SUBSCRIBE, &subscribe.props);
    subscribe.list = (struct str){ (const char *)r->at, wire_left(r) };
    while (wire_left(r) > 0) {
        entry_decode(r);
        subscribe.count++;
    }
    if (subscribe.count == 0)
        wire_fail(r, ERR_PROTOCOL); /* [MQTT-3.8.3-2] */

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_SUBSCRIBE;
    ret_packet->subscribe = subscribe;
    return ERR_OK;
}

void subscribe_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_subscribe *subscribe = &packet->subscribe;
    size_t body = frame_open(out, MQTT_SUBSCRIBE << 4 | 2);

    assert(subscribe->packet_id > 0 && subscribe->list.len > 0);
    wire_put_u16(out, subscribe->packet_id);
    if (version == MQTT_5)
        props_encode(out, PROPS_SUBSCRIBE, &subscribe->props);
    frame_close(out, body, subscribe->list);
}

bool mqtt_subscribe_next(struct str *list, enum mqtt_version version, struct str *ret_filter,
                         struct mqtt_sub_options *ret_options)
{
    struct wire_reader r = wire_reader(list->ptr, list->len, (uint8_t)version);

    if (list->len == 0)
        return false;
    *ret_filter = wire_get_binary(&r);
    *ret_options = options_decode(&r);
    assert(r.err == ERR_OK); /* the list was checked */
    *list = wire_get_rest(&r);
    return true;
}

void mqtt_subscribe_add(struct buf *list, enum mqtt_version version, struct str filter,
                        const struct mqtt_sub_options *options)
{
    uint8_t byte = options->qos;

    assert(filter.len > 0 && options->qos <= 2 && options->retain_handling <= 2);
    if (version == MQTT_5) {
        byte |= options->no_local ? OPTION_NO_LOCAL : 0;
        byte |= options->retain_as_published ? OPTION_RETAIN_AS_PUBLISHED : 0;
        byte |= (uint8_t)(options->retain_handling << OPTION_RETAIN_HANDLING_SHIFT);
    }
    wire_put_binary(list, filter);
    buf_append_u8(list, byte);
}
