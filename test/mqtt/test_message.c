/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "again.h"
#include "base/err.h"
#include "base/rand.h"
#include "mqtt/message.h"

#include <string.h>

/* malloc as message.c sees it: the linker puts these between. */
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

static bool memory_is_out;

void *__wrap_malloc(size_t size)
{
    return memory_is_out ? NULL : __real_malloc(size);
}

START_TEST(a_message_keeps_copies_of_its_parts)
{
    char topic[] = "a/b", payload[] = "21";
    struct message *m = message_new(STR(topic), STR("\1\1"), STR(payload));

    memset(topic, 'x', 3);
    memset(payload, 'x', 2);
    ck_assert(str_equal(message_topic(m), STR("a/b")));
    ck_assert(str_equal(message_props(m), STR("\1\1")));
    ck_assert(str_equal(message_payload(m), STR("21")));
    ck_assert_uint_eq(m->expires_ms, MESSAGE_NEVER);
    ck_assert_uint_eq(m->refs, 1);
    ck_assert_uint_eq(message_size(m), sizeof *m + 2 + 3 + 1 + 2 + 2);
    ck_assert_ptr_eq(message_ref(m), m);
    message_unref(m);
    ck_assert_uint_eq(m->refs, 1);
    message_unref(m);
    message_unref(NULL);
}
END_TEST

START_TEST(empty_parts_are_parts)
{
    struct message *m = message_new(STR("t"), (struct str){ NULL, 0 }, (struct str){ NULL, 0 });

    ck_assert_uint_eq(message_props(m).len, 0);
    ck_assert_uint_eq(message_payload(m).len, 0);
    message_unref(m);
}
END_TEST

START_TEST(no_memory_means_no_message)
{
    memory_is_out = true;
    struct message *m = message_new(STR("t"), STR(""), STR("x"));
    memory_is_out = false;
    ck_assert_ptr_null(m);
}
END_TEST

/* The same delivery by way of the general encoder. Subscription identifiers beyond the
 * first are not in its power, so there is at most one. */
static void encode_delivery(const struct message *m, const struct delivery *d, struct buf *out)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };
    struct mqtt_publish *publish = &packet.publish;
    struct buf raw = { 0 };
    struct props props = { 0 };
    struct str *pairs = NULL;

    if (d->version == MQTT_5) {
        struct str own = message_props(m);
        wire_put_varint(&raw, (uint32_t)own.len);
        buf_append_str(&raw, own);
        struct wire_reader r = wire_reader(raw.data, raw.len, MQTT_5);
        props_decode(&r, PROPS_PUBLISH, &props);
        ck_assert_int_eq(wire_finish(&r), ERR_OK);
        pairs = again_pairs(&props);
    }
    publish->props = props;
    if (d->has_expiry) {
        publish->props.message_expiry_interval = d->expiry_s;
        props_mark(&publish->props, PROP_MESSAGE_EXPIRY_INTERVAL);
    }
    if (d->sub_id_count) {
        publish->props.subscription_identifier = d->sub_ids[0];
        props_mark(&publish->props, PROP_SUBSCRIPTION_IDENTIFIER);
    }
    if (d->topic_alias) {
        publish->props.topic_alias = d->topic_alias;
        props_mark(&publish->props, PROP_TOPIC_ALIAS);
    }
    publish->topic = d->topic_omitted ? (struct str){ NULL, 0 } : message_topic(m);
    publish->payload = message_payload(m);
    publish->packet_id = d->packet_id;
    publish->qos = d->qos;
    publish->retain = d->retain;
    publish->dup = d->dup;
    mqtt_encode(out, d->version, &packet);
    free(pairs);
    buf_finish(&raw);
}

/* Properties in any order say the same: compare what they decode to. */
static void canonical(const struct buf *bytes, enum mqtt_version version, struct buf *out)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    ck_assert_int_eq(mqtt_frame_find(bytes->data, bytes->len, SIZE_MAX, &frame), ERR_OK);
    ck_assert_uint_eq(frame.whole, bytes->len);
    ck_assert_int_eq(mqtt_decode(&frame, version, &packet), ERR_OK);
    again_encode(out, version, &packet);
}

static struct delivery random_delivery(struct rand *rand, const uint32_t *sub_id)
{
    static const enum mqtt_version versions[] = { MQTT_31, MQTT_311, MQTT_5 };
    struct delivery d = { .version = versions[rand_below(rand, 3)],
                          .qos = (uint8_t)rand_below(rand, 3),
                          .retain = rand_below(rand, 2) };

    if (d.qos) {
        d.packet_id = (uint16_t)(1 + rand_below(rand, 65535));
        d.dup = rand_below(rand, 2);
    }
    if (d.version == MQTT_5) {
        d.topic_alias = rand_below(rand, 2) ? (uint16_t)(1 + rand_below(rand, 65535)) : 0;
        d.topic_omitted = d.topic_alias && rand_below(rand, 2);
        d.has_expiry = rand_below(rand, 2);
        d.expiry_s = (uint32_t)rand_next(rand);
        d.sub_ids = sub_id;
        d.sub_id_count = rand_below(rand, 2);
    }
    return d;
}

START_TEST(a_head_and_its_payload_are_the_packet_that_the_encoder_writes)
{
    const struct str props[] = { STR(""), STR("\1\1"),
                                 STR("\1\1\3\0\4text\x26\0\1k\0\1v\x26\0\1k\0\1w") };
    static const size_t sizes[] = { 0, 1, 90, 100, 120, 124, 16370, 16380, 70000 };
    char *payload = calloc(1, 70000), topic[200];
    struct buf head = { 0 }, want = { 0 }, a = { 0 }, b = { 0 };
    struct rand rand;

    memset(topic, 't', sizeof topic);
    rand_init(&rand, 7);
    for (int i = 0; i < 5000; i++) {
        uint32_t sub_id = 1 + (uint32_t)rand_below(&rand, WIRE_VARINT_MAX);
        struct delivery d = random_delivery(&rand, &sub_id);
        struct message *m = message_new((struct str){ topic, 1 + rand_below(&rand, 200) },
                                        props[rand_below(&rand, 3)],
                                        (struct str){ payload, sizes[rand_below(&rand, 9)] });
        buf_clear(&head);
        buf_clear(&want);
        buf_clear(&a);
        buf_clear(&b);
        size_t len = message_head(m, &d, NULL);
        ck_assert_uint_eq(message_head(m, &d, buf_reserve(&head, len)), len);
        ck_assert_uint_le(len, 5u + 2 + m->topic_len + m->props_prefix + m->props_len + 14 +
                                   5 * d.sub_id_count);
        buf_advance(&head, len);
        buf_append_str(&head, message_payload(m));
        encode_delivery(m, &d, &want);
        ck_assert_uint_eq(head.len, want.len);
        canonical(&head, d.version, &a);
        canonical(&want, d.version, &b);
        ck_assert(str_equal(buf_str(&a), buf_str(&b)));
        if (d.version != MQTT_5 || !(d.has_expiry || d.topic_alias || d.sub_id_count))
            ck_assert(str_equal(buf_str(&head), buf_str(&want)));
        message_unref(m);
    }
    buf_finish(&head);
    buf_finish(&want);
    buf_finish(&a);
    buf_finish(&b);
    free(payload);
}
END_TEST

/* [MQTT-3.3.4-3] */
START_TEST(one_copy_carries_every_subscription_identifier)
{
    static const uint32_t ids[] = { 1, 200, WIRE_VARINT_MAX };
    const struct delivery d = { .version = MQTT_5, .sub_ids = ids, .sub_id_count = 3 };
    struct message *m = message_new(STR("a"), STR("\1\1"), STR("x"));
    uint8_t head[64];

    size_t len = message_head(m, &d, head);
    ck_assert(str_equal((struct str){ (char *)head, len },
                        STR("\x30\x11\0\1a\x0C\x0B\x01\x0B\xC8\x01\x0B\xFF\xFF\xFF\x7F\1\1")));
    message_unref(m);
}
END_TEST

UNIT_MAIN("mqtt/message", a_message_keeps_copies_of_its_parts, empty_parts_are_parts,
          no_memory_means_no_message, a_head_and_its_payload_are_the_packet_that_the_encoder_writes,
          one_copy_carries_every_subscription_identifier)
