/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

/* [MQTT-4.3.2-1] [MQTT-4.3.2-3] [MQTT-4.3.2-4] [MQTT-3.3.4-1] [MQTT-4.3.2-2] */
START_TEST(a_publish_is_acknowledged_and_a_delivery_waits_for_its_acknowledgement)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_forget(t);
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 300);
    TALK_EXPECT(t, "1 PUBLISH x 1 q1 id1\n2 PUBACK 300\n");
    ck_assert_uint_eq(core_stats(t->core).inflight, 1);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    ck_assert_uint_eq(core_stats(t->core).inflight, 0);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0); /* once more: ignored */
    talk_ack(t, 1, MQTT_PUBACK, 999, 0);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.4-9] [MQTT-4.6.0-1] */
START_TEST(no_more_is_in_flight_than_the_client_allows_and_order_is_kept)
{
    struct talk *t = talk_new(NULL);
    static const char *const texts[] = { "0", "1", "2", "3", "4" };

    CONNECT(t, 1, "a", .receive_max = 2);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_forget(t);
    for (uint16_t i = 0; i < 5; i++)
        PUBLISH(t, 2, "x", texts[i], .qos = 1, .id = i + 1);
    TALK_EXPECT(t, "1 PUBLISH x 0 q1 id1\n2 PUBACK 1\n1 PUBLISH x 1 q1 id2\n2 PUBACK 2\n"
                   "2 PUBACK 3\n2 PUBACK 4\n2 PUBACK 5\n");
    talk_ack(t, 1, MQTT_PUBACK, 2, 0);
    TALK_EXPECT(t, "1 PUBLISH x 2 q1 id3\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x 3 q1 id4\n");
    talk_ack(t, 1, MQTT_PUBACK, 4, 0x97);
    TALK_EXPECT(t, "1 PUBLISH x 4 q1 id5\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_free(t);
}
END_TEST

/* Who publishes to itself hears first that its message came, then the message. */
START_TEST(an_acknowledgement_comes_before_ones_own_message)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c");
    SUBSCRIBE(t, 1, "#", .qos = 2);
    SUBSCRIBE(t, 2, "#", .qos = 2);
    SUBSCRIBE(t, 3, "#");
    talk_forget(t);
    PUBLISH(t, 2, "x", "m", .qos = 1, .id = 5);
    TALK_EXPECT(t, "1 PUBLISH x m q1 id1\n2 PUBACK 5\n2 PUBLISH x m q1 id1\n3 PUBLISH x m\n");
    PUBLISH(t, 1, "x", "n", .qos = 2, .id = 6);
    TALK_EXPECT(t, "1 PUBREC 6\n1 PUBLISH x n q2 id2\n2 PUBLISH x n q2 id2\n3 PUBLISH x n\n");
    talk_free(t);
}
END_TEST

START_TEST(our_own_window_holds_where_the_client_sets_none)
{
    struct talk *t = talk_new(&(struct core_config){ .inflight_max = 1 });

    CONNECT(t, 1, "a", .version = MQTT_311);
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_forget(t);
    PUBLISH(t, 1, "x", "0", .qos = 1, .id = 1);
    PUBLISH(t, 1, "x", "1", .qos = 1, .id = 2);
    TALK_EXPECT(t, "1 PUBACK 1\n1 PUBLISH x 0 q1 id1\n1 PUBACK 2\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x 1 q1 id2\n");
    talk_free(t);
}
END_TEST

START_TEST(identifiers_run_around_and_are_never_used_twice_at_once)
{
    struct talk *t = talk_new(&(struct core_config){ .inflight_max = 60000 });
    uint32_t sent = 0, acked = 0;

    t->hold_store = true;
    CONNECT(t, 1, "a", .version = MQTT_311);
    SUBSCRIBE(t, 1, "#", .qos = 1);
    for (; sent < 50000; sent++)
        PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
    /* The first one stays; the rest go on around it until the numbers are used up. */
    for (acked = 1; acked < 50000; acked++)
        talk_ack(t, 1, MQTT_PUBACK, (uint16_t)(acked + 1), 0);
    for (; sent < 70000; sent++)
        PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
    ck_assert_uint_eq(core_stats(t->core).inflight, 65535 - 50000 + 1);
    ck_assert_uint_eq(core_stats(t->core).queued, 70000 - 65535);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert(str_starts_with(str_from_c(talk_said(t)), STR("1 PUBLISH x m q1 id1\n"
                                                            "1 PUBLISH x m q1 id2\n")));
    talk_free(t);
}
END_TEST

START_TEST(an_answer_of_the_other_qos_is_a_protocol_error)
{
    struct talk *t = talk_new(NULL);

    for (conn_id i = 1; i <= 3; i++) {
        CONNECT(t, i, i == 1 ? "a" : i == 2 ? "b" : "c");
        SUBSCRIBE(t, i, "#", .qos = i == 3 ? 2 : 1);
    }
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 2, MQTT_PUBCOMP, 1, 0);
    talk_ack(t, 3, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t,
                "1 DISCONNECT 82\n1 close\n2 DISCONNECT 82\n2 close\n3 DISCONNECT 82\n3 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.4-7] */
START_TEST(who_sends_more_than_our_receive_maximum_is_closed)
{
    struct talk *t = talk_new(&(struct core_config){ .receive_max = 2 });

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    talk_forget(t);
    for (uint16_t id = 1; id <= 3; id++) {
        PUBLISH(t, 1, "x", "m", .qos = 2, .id = id);
        PUBLISH(t, 2, "x", "m", .qos = 2, .id = id);
    }
    TALK_EXPECT(t, "1 PUBREC 1\n2 PUBREC 1\n1 PUBREC 2\n2 PUBREC 2\n"
                   "1 DISCONNECT 93\n1 close\n2 PUBREC 3\n");
    talk_free(t);
}
END_TEST

START_TEST(answers_give_the_quota_back)
{
    struct talk *t = talk_new(&(struct core_config){ .receive_max = 1 });

    CONNECT(t, 1, "a");
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 1, "$SYS", "m", .qos = 2, .id = 1);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    talk_ack(t, 1, MQTT_PUBREL, 1, 0);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    TALK_EXPECT(t, "1 PUBACK 1\n1 PUBREC 1 87 \"not authorized\"\n1 PUBREC 1\n1 PUBCOMP 1\n"
                   "1 PUBREC 1\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/qos1", a_publish_is_acknowledged_and_a_delivery_waits_for_its_acknowledgement,
          no_more_is_in_flight_than_the_client_allows_and_order_is_kept,
          an_acknowledgement_comes_before_ones_own_message,
          our_own_window_holds_where_the_client_sets_none,
          identifiers_run_around_and_are_never_used_twice_at_once,
          an_answer_of_the_other_qos_is_a_protocol_error,
          who_sends_more_than_our_receive_maximum_is_closed, answers_give_the_quota_back)
