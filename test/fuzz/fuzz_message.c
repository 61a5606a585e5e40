/* SPDX-License-Identifier: Apache-2.0 */
/* A PUBLISH of 5, made a message and delivered as the first twelve bytes say: what the
 * subscriber decodes is what was published. */
#include "fuzz.h"

#include "base/err.h"
#include "mqtt/message.h"

#include <string.h>

enum { ORDER_LEN = 12 };

/* The delivery that the bytes ask for, within the rules. */
static struct delivery order(const uint8_t *b, const uint32_t *sub_ids)
{
    struct delivery d = { .version = (enum mqtt_version)(MQTT_31 + b[0] % 3),
                          .qos = b[1] % 3,
                          .retain = b[2] & 1 };

    if (d.qos) {
        d.packet_id = (uint16_t)(b[3] << 8 | b[4] | 1);
        d.dup = b[2] >> 1 & 1;
    }
    if (d.version == MQTT_5) {
        d.topic_alias = (uint16_t)(b[5] << 8 | b[6]);
        d.topic_omitted = d.topic_alias && b[2] & 4;
        d.has_expiry = b[2] & 8;
        d.expiry_s = (uint32_t)b[7] << 24 | b[8];
        d.sub_ids = sub_ids;
        d.sub_id_count = b[9] % 3;
    }
    return d;
}

/* Compare what arrived with what was sent. */
static void compare(const struct message *m, const struct delivery *d,
                    const struct mqtt_publish *got)
{
    struct buf goes_on = { 0 };

    assert(str_equal(got->payload, message_payload(m)));
    assert(str_equal(got->topic, d->topic_omitted ? (struct str){ NULL, 0 } : message_topic(m)));
    assert(got->qos == d->qos && got->packet_id == d->packet_id);
    assert(got->retain == d->retain && got->dup == d->dup);
    if (d->version == MQTT_5) {
        assert(props_has(&got->props, PROP_TOPIC_ALIAS) == (d->topic_alias > 0));
        assert(!d->topic_alias || got->props.topic_alias == d->topic_alias);
        assert(props_has(&got->props, PROP_MESSAGE_EXPIRY_INTERVAL) == d->has_expiry);
        assert(!d->has_expiry || got->props.message_expiry_interval == d->expiry_s);
        assert(props_has(&got->props, PROP_SUBSCRIPTION_IDENTIFIER) == (d->sub_id_count > 0));
        assert(!d->sub_id_count || got->props.subscription_identifier == d->sub_ids[0]);
        props_forwardable(got->props.raw, &goes_on);
        assert(str_equal(buf_str(&goes_on), message_props(m)));
    }
    buf_finish(&goes_on);
}

/* Deliver the message and look at the bytes. */
static void deliver(const struct message *m, const struct delivery *d)
{
    struct buf bytes = { 0 };
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    size_t len = message_head(m, d, NULL);
    uint8_t *exact = malloc(len);
    assert(exact && message_head(m, d, exact) == len);
    buf_append(&bytes, exact, len);
    buf_append_str(&bytes, message_payload(m));
    free(exact);
    int err = mqtt_frame_find(bytes.data, bytes.len, bytes.len, &frame);
    assert(err == ERR_OK && frame.whole == bytes.len);
    err = mqtt_decode(&frame, d->version, &packet);
    assert(err == ERR_OK);
    compare(m, d, &packet.publish);
    buf_finish(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct buf props = { 0 };

    if (size < ORDER_LEN)
        return 0;
    const uint32_t sub_ids[] = { 1u + data[10], 1u + data[11] * 1000u };
    struct delivery d = order(data, sub_ids);
    if (mqtt_frame_find(data + ORDER_LEN, size - ORDER_LEN, size, &frame) != ERR_OK ||
        mqtt_decode(&frame, MQTT_5, &packet) != ERR_OK || packet.kind != MQTT_PUBLISH ||
        packet.publish.topic.len == 0)
        return 0;
    props_forwardable(packet.publish.props.raw, &props);
    struct message *m = message_new(packet.publish.topic, buf_str(&props), packet.publish.payload);
    assert(m);
    deliver(m, &d);
    message_unref(m);
    buf_finish(&props);
    return 0;
}
