/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "base/rand.h"
#include "conversation.h"
#include "mqtt/packet.h"

static void add_connect(struct buf *out, struct rand *rand)
{
    static const char *const ids[] = { "a", "b", "c", "" };
    static const enum mqtt_version versions[] = { MQTT_5, MQTT_5, MQTT_311, MQTT_31 };
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    struct mqtt_connect *connect = &packet.connect;

    connect->version = versions[rand_below(rand, 4)];
    connect->client_id = str_from_c(ids[rand_below(rand, 4)]);
    connect->clean_start = rand_below(rand, 3) == 0;
    connect->keep_alive = (uint16_t)rand_below(rand, 20);
    connect->props.session_expiry_interval = (uint32_t)rand_below(rand, 40);
    props_mark(&connect->props, PROP_SESSION_EXPIRY_INTERVAL);
    connect->props.receive_maximum = (uint16_t)(1 + rand_below(rand, 6));
    props_mark(&connect->props, PROP_RECEIVE_MAXIMUM);
    if (rand_below(rand, 2)) {
        connect->has_will = true;
        connect->will.topic = STR("a/b");
        connect->will.qos = (uint8_t)rand_below(rand, 3);
        connect->will.retain = rand_below(rand, 2);
    }
    mqtt_encode(out, connect->version, &packet);
}

static void add_list(struct buf *out, struct rand *rand, enum mqtt_kind kind)
{
    static const char *const filters[] = { "#", "a/#", "+", "a", "$x", "$share/g/a", "a/#/b" };
    struct mqtt_packet packet = { .kind = kind };
    struct str filter = str_from_c(filters[rand_below(rand, 7)]);
    struct mqtt_sub_options options = { .qos = (uint8_t)rand_below(rand, 3) };
    struct buf list = { 0 };

    if (kind == MQTT_SUBSCRIBE) {
        mqtt_subscribe_add(&list, MQTT_5, filter, &options);
        packet.subscribe.packet_id = 1;
        packet.subscribe.list = buf_str(&list);
        packet.subscribe.count = 1;
    } else {
        mqtt_unsubscribe_add(&list, filter);
        packet.unsubscribe.packet_id = 1;
        packet.unsubscribe.list = buf_str(&list);
        packet.unsubscribe.count = 1;
    }
    mqtt_encode(out, rand_below(rand, 4) ? MQTT_5 : MQTT_311, &packet);
    buf_finish(&list);
}

static void add_publish(struct buf *out, struct rand *rand)
{
    static const char *const topics[] = { "a", "a/b", "b", "$x", "$SYS" };
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };

    packet.publish.topic = str_from_c(topics[rand_below(rand, 5)]);
    packet.publish.payload = rand_below(rand, 4) ? STR("payload") : STR("");
    packet.publish.qos = (uint8_t)rand_below(rand, 3);
    packet.publish.packet_id = packet.publish.qos ? (uint16_t)(1 + rand_below(rand, 6)) : 0;
    packet.publish.retain = rand_below(rand, 4) == 0;
    mqtt_encode(out, rand_below(rand, 4) ? MQTT_5 : MQTT_311, &packet);
}

static void add_answer(struct buf *out, struct rand *rand)
{
    struct mqtt_packet packet = { .kind = (enum mqtt_kind)(MQTT_PUBACK + rand_below(rand, 4)) };

    packet.puback.packet_id = (uint16_t)(1 + rand_below(rand, 12));
    mqtt_encode(out, MQTT_5, &packet);
}

/* Mostly sensible turns. */
static void make(struct buf *out, struct rand *rand, int turns)
{
    for (int i = 0; i < turns; i++) {
        uint8_t conn = (uint8_t)rand_below(rand, 8);
        uint64_t dice = rand_below(rand, 40);
        if (dice >= 32) {
            buf_append_u8(out, (uint8_t)((24 + rand_below(rand, i % 20 ? 7 : 8)) << 3 | conn));
            buf_append_u8(out, (uint8_t)rand_below(rand, 20));
            continue;
        }
        buf_append_u8(out, conn);
        if (dice < 8)
            add_connect(out, rand);
        else if (dice < 12)
            add_list(out, rand, dice < 11 ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE);
        else if (dice < 22)
            add_publish(out, rand);
        else
            add_answer(out, rand);
    }
}

START_TEST(sensible_conversations_keep_every_promise)
{
    struct buf bytes = { 0 };
    struct rand rand;

    rand_init(&rand, 11);
    for (int i = 0; i < 150; i++) {
        buf_clear(&bytes);
        make(&bytes, &rand, 400);
        conversation_replay(bytes.data, bytes.len);
    }
    buf_finish(&bytes);
}
END_TEST

START_TEST(garbled_conversations_keep_every_promise)
{
    struct buf bytes = { 0 };
    struct rand rand;

    rand_init(&rand, 12);
    for (int i = 0; i < 150; i++) {
        buf_clear(&bytes);
        make(&bytes, &rand, 400);
        for (int j = 0; j < 20; j++)
            bytes.data[rand_below(&rand, bytes.len)] = (uint8_t)rand_next(&rand);
        conversation_replay(bytes.data, bytes.len);
    }
    buf_finish(&bytes);
}
END_TEST

START_TEST(noise_keeps_every_promise)
{
    uint8_t noise[512];
    struct rand rand;

    rand_init(&rand, 13);
    for (int i = 0; i < 100; i++) {
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)rand_next(&rand);
        conversation_replay(noise, sizeof noise);
    }
}
END_TEST

UNIT_MAIN("core/conversation", sensible_conversations_keep_every_promise,
          garbled_conversations_keep_every_promise, noise_keeps_every_promise)
