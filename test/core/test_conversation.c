/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "base/rand.h"
#include "conversation.h"
#include "mqtt/packet.h"

#include <string.h>

/* Who writes a conversation, and what it believes of the clients. */
struct writer {
    struct buf out;
    struct rand rand;
    enum mqtt_version versions[8]; /* 0: not connected */
};

static uint64_t dice(struct writer *w, uint64_t sides)
{
    return rand_below(&w->rand, sides);
}

/* Mostly under a name of its own. */
static void add_connect(struct writer *w, uint8_t conn)
{
    static const enum mqtt_version versions[] = { MQTT_5, MQTT_5, MQTT_311, MQTT_31 };
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    struct mqtt_connect *connect = &packet.connect;
    char id = (char)('a' + (dice(w, 8) ? conn : dice(w, 8)));

    connect->version = versions[dice(w, 4)];
    connect->client_id = (struct str){ &id, 1 };
    connect->clean_start = dice(w, 4) == 0;
    connect->keep_alive = (uint16_t)dice(w, 40);
    connect->props.session_expiry_interval = (uint32_t)dice(w, 60);
    props_mark(&connect->props, PROP_SESSION_EXPIRY_INTERVAL);
    connect->props.receive_maximum = (uint16_t)(1 + dice(w, 6));
    props_mark(&connect->props, PROP_RECEIVE_MAXIMUM);
    if (dice(w, 2)) {
        connect->has_will = true;
        connect->will.topic = STR("a/b");
        connect->will.qos = (uint8_t)dice(w, 3);
        connect->will.retain = dice(w, 2);
    }
    mqtt_encode(&w->out, connect->version, &packet);
    w->versions[conn] = connect->version;
}

static void add_list(struct writer *w, enum mqtt_version version, enum mqtt_kind kind)
{
    static const char *const filters[] = { "#", "a/#", "+", "a", "$x", "$share/g/a", "a/#/b" };
    struct mqtt_packet packet = { .kind = kind };
    struct str filter = str_from_c(filters[dice(w, 7)]);
    struct mqtt_sub_options options = { .qos = (uint8_t)dice(w, 3) };
    struct buf list = { 0 };

    if (kind == MQTT_SUBSCRIBE) {
        mqtt_subscribe_add(&list, version, filter, &options);
        packet.subscribe.packet_id = 1;
        packet.subscribe.list = buf_str(&list);
        packet.subscribe.count = 1;
        packet.subscribe.props.subscription_identifier = 1 + (uint32_t)dice(w, 3);
        if (dice(w, 2))
            props_mark(&packet.subscribe.props, PROP_SUBSCRIPTION_IDENTIFIER);
    } else {
        mqtt_unsubscribe_add(&list, filter);
        packet.unsubscribe.packet_id = 1;
        packet.unsubscribe.list = buf_str(&list);
        packet.unsubscribe.count = 1;
    }
    mqtt_encode(&w->out, version, &packet);
    buf_finish(&list);
}

static void add_publish(struct writer *w, enum mqtt_version version)
{
    static const char *const topics[] = { "a", "a/b", "b", "$x", "$SYS" };
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };

    packet.publish.topic = str_from_c(topics[dice(w, 5)]);
    packet.publish.payload = dice(w, 4) ? STR("payload") : STR("");
    packet.publish.qos = (uint8_t)dice(w, 3);
    packet.publish.packet_id = packet.publish.qos ? (uint16_t)(1 + dice(w, 6)) : 0;
    packet.publish.retain = dice(w, 4) == 0;
    mqtt_encode(&w->out, version, &packet);
}

/* PUBREL for what may have been published, or an answer to nothing. */
static void add_answer(struct writer *w, enum mqtt_version version)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBREL };

    packet.puback.packet_id = (uint16_t)(1 + dice(w, 6));
    if (dice(w, 50) == 0)
        packet.kind = (enum mqtt_kind)(MQTT_PUBACK + dice(w, 4));
    mqtt_encode(&w->out, version, &packet);
}

static void add_event(struct writer *w, uint8_t conn)
{
    uint8_t what = (uint8_t)(dice(w, 500) ? 24 + dice(w, 7) : 31);

    if (what == 24)
        w->versions[conn] = 0;
    if (what == 31)
        memset(w->versions, 0, sizeof w->versions);
    buf_append_u8(&w->out, (uint8_t)(what << 3 | conn));
    if (what == 27 || what == 29 || what == 30)
        buf_append_u8(&w->out, (uint8_t)dice(w, 20));
}

/* Mostly sensible turns. */
static struct str write_turns(struct writer *w, int turns)
{
    buf_clear(&w->out);
    memset(w->versions, 0, sizeof w->versions);
    for (int i = 0; i < turns; i++) {
        uint8_t conn = (uint8_t)dice(w, 8);
        enum mqtt_version version = w->versions[conn];
        uint64_t what = dice(w, 40);
        if (what < 4) {
            add_event(w, conn);
        } else if (what < 16) {
            buf_append_u8(&w->out, (uint8_t)(23 << 3 | conn));
        } else {
            buf_append_u8(&w->out, conn);
            if (!version)
                add_connect(w, conn);
            else if (what < 22)
                add_list(w, version, what < 21 ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE);
            else if (what < 36)
                add_publish(w, version);
            else
                add_answer(w, version);
        }
    }
    return buf_str(&w->out);
}

START_TEST(sensible_conversations_keep_every_promise)
{
    struct writer w = { .out = { 0 } };

    rand_init(&w.rand, 11);
    for (int i = 0; i < 150; i++) {
        struct str bytes = write_turns(&w, 1000);
        conversation_replay((const uint8_t *)bytes.ptr, bytes.len);
    }
    buf_finish(&w.out);
}
END_TEST

START_TEST(garbled_conversations_keep_every_promise)
{
    struct writer w = { .out = { 0 } };

    rand_init(&w.rand, 12);
    for (int i = 0; i < 300; i++) {
        write_turns(&w, 300);
        for (int j = 0; j < 8; j++)
            w.out.data[dice(&w, w.out.len)] = (uint8_t)dice(&w, 256);
        conversation_replay(w.out.data, w.out.len);
    }
    buf_finish(&w.out);
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
