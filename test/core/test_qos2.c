/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "core/packet_set.h"
#include "base/rand.h"
#include "talk.h"

/* [MQTT-4.3.3-1] [MQTT-4.3.3-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-3.3.4-1] [MQTT-4.3.3-2] */
START_TEST(both_halves_of_the_exchange_go_through)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    SUBSCRIBE(t, 1, "#", .qos = 2);
    talk_forget(t);
    PUBLISH(t, 2, "x", "m", .qos = 2, .id = 5);
    TALK_EXPECT(t, "1 PUBLISH x m q2 id1\n2 PUBREC 5\n");
    talk_ack(t, 2, MQTT_PUBREL, 5, 0);
    TALK_EXPECT(t, "2 PUBCOMP 5\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    TALK_EXPECT(t, "1 PUBREL 1\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    TALK_EXPECT(t, "1 PUBREL 1\n");
    ck_assert_uint_eq(core_stats(t->core).inflight, 1);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    ck_assert_uint_eq(core_stats(t->core).inflight, 0);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

/* [MQTT-4.3.3-10] [MQTT-4.3.3-12] */
START_TEST(a_message_sent_twice_is_published_once)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 100);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "#");
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 5);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 5, .dup = true);
    TALK_EXPECT(t, "2 PUBLISH x m\n1 PUBREC 5\n1 PUBREC 5\n");
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 5, .dup = true);
    talk_ack(t, 1, MQTT_PUBREL, 5, 0);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREC 5\n1 PUBCOMP 5\n");
    PUBLISH(t, 1, "x", "n", .qos = 2, .id = 5);
    TALK_EXPECT(t, "2 PUBLISH x n\n1 PUBREC 5\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-29] [MQTT-3.7.2-1] */
START_TEST(identifiers_nobody_knows_are_answered)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .no_problem_info = true);
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c");
    talk_forget(t);
    for (conn_id i = 1; i <= 3; i++) {
        talk_ack(t, i, MQTT_PUBREL, 9, 0);
        talk_ack(t, i, MQTT_PUBREC, 9, 0);
        talk_ack(t, i, MQTT_PUBCOMP, 9, 0);
    }
    talk_ack(t, 1, MQTT_PUBREC, 9, 0x80);
    TALK_EXPECT(t, "1 PUBCOMP 9 92\n1 PUBREL 9 92\n2 PUBCOMP 9\n2 PUBREL 9\n"
                   "3 PUBCOMP 9 92 \"packet identifier not found\"\n"
                   "3 PUBREL 9 92 \"packet identifier not found\"\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.4.0-2] */
START_TEST(a_refusing_pubrec_ends_the_exchange)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .receive_max = 1);
    SUBSCRIBE(t, 1, "#", .qos = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    PUBLISH(t, 1, "x", "n", .qos = 2, .id = 2);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0x97);
    TALK_EXPECT(t, "1 PUBLISH x n q2 id2\n");
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

START_TEST(a_pubcomp_before_its_pubrec_is_a_protocol_error)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "#", .qos = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    TALK_EXPECT(t, "1 DISCONNECT 82\n1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-3] [MQTT-4.3.3-5] */
START_TEST(what_was_in_flight_is_sent_again_in_order_before_what_waits)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 100);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 2);
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 1);
    PUBLISH(t, 2, "x", "2", .qos = 2, .id = 2);
    PUBLISH(t, 2, "x", "3", .qos = 1, .id = 3);
    PUBLISH(t, 2, "x", "4", .qos = 2, .id = 4);
    talk_ack(t, 1, MQTT_PUBREC, 2, 0);
    talk_ack(t, 1, MQTT_PUBACK, 3, 0);
    talk_cut(t, 1);
    PUBLISH(t, 2, "x", "5", .qos = 1, .id = 5);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 2\n1 PUBLISH x 1 q1 id1 dup\n"
                   "1 PUBLISH x 4 q2 id4 dup\n1 PUBLISH x 5 q1 id5\n");
    /* A narrower window: PUBREL counts too. */
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 2);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 2\n1 PUBLISH x 1 q1 id1 dup\n");
    talk_ack(t, 1, MQTT_PUBCOMP, 2, 0);
    TALK_EXPECT(t, "1 PUBLISH x 4 q2 id4 dup\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x 5 q1 id5 dup\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.6.0-4] [MQTT-4.4.0-1] */
START_TEST(what_was_received_is_released_again_in_the_order_of_receipt)
{
    static const char *const payloads[] = { "1", "2", "3", "4", "5" };
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "#", .qos = 2);
    for (uint16_t id = 1; id <= 5; id++)
        PUBLISH(t, 1, "x", payloads[id - 1], .qos = 2, .id = id);
    talk_ack(t, 1, MQTT_PUBREC, 4, 0);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 1, MQTT_PUBREC, 3, 0);
    talk_cut(t, 1);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 3);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 4\n1 PUBREL 1\n1 PUBREL 3\n");
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    talk_ack(t, 1, MQTT_PUBREC, 5, 0); /* known from before, and not sent again yet */
    TALK_EXPECT(t, "1 PUBLISH x 2 q2 id2 dup\n1 PUBREL 5\n");
    ck_assert_uint_eq(core_stats(t->core).inflight, 4);
    talk_ack(t, 1, MQTT_PUBREC, 2, 0);
    talk_cut(t, 1);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 4\n1 PUBREL 3\n1 PUBREL 5\n1 PUBREL 2\n");
    for (uint16_t id = 2; id <= 5; id++)
        talk_ack(t, 1, MQTT_PUBCOMP, id, 0);
    ck_assert_uint_eq(core_stats(t->core).inflight, 0);
    talk_free(t);
}
END_TEST

START_TEST(a_set_of_identifiers_holds_what_was_put_in)
{
    struct packet_set set = { 0 };
    static bool model[65536];
    struct rand rand;

    rand_init(&rand, 3);
    for (int i = 0; i < 80000; i++) {
        uint16_t id = (uint16_t)(1 + rand_below(&rand, i % 2 ? 65535 : 300));
        ck_assert(packet_set_has(&set, id) == model[id]);
        if (model[id])
            ck_assert(packet_set_remove(&set, id));
        else
            ck_assert_int_eq(packet_set_add(&set, id), 0);
        model[id] = !model[id];
    }
    uint32_t count = 0;
    for (uint32_t id = 1; id < 65536; id++) {
        ck_assert(packet_set_has(&set, (uint16_t)id) == model[id]);
        count += model[id];
    }
    ck_assert_uint_eq(set.count, count);
    packet_set_finish(&set);
}
END_TEST

UNIT_MAIN("core/qos2", both_halves_of_the_exchange_go_through,
          a_message_sent_twice_is_published_once, identifiers_nobody_knows_are_answered,
          a_refusing_pubrec_ends_the_exchange, a_pubcomp_before_its_pubrec_is_a_protocol_error,
          what_was_in_flight_is_sent_again_in_order_before_what_waits,
          what_was_received_is_released_again_in_the_order_of_receipt,
          a_set_of_identifiers_holds_what_was_put_in)
