/* SPDX-License-Identifier: Apache-2.0 */
/* What the standard says of exchanges beyond their plain course. [MQTT5 4.3] [MQTT5 4.9] */
#include "unit.h"

#include "talk.h"

#include <string.h>

/* A publisher on connection 9; a subscriber to x, QoS 2, on 1 with a window of one. */
static struct talk *pair(void)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    CONNECT(t, 1, "a", .receive_max = 1, .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 2);
    talk_forget(t);
    return t;
}

/* [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3] [MQTT-3.3.4-10] */
START_TEST(a_full_window_holds_back_nothing_else)
{
    struct talk *t = pair();

    PUBLISH(t, 9, "x", "m1", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x", "m2", .qos = 1, .id = 2);
    PUBLISH(t, 9, "x", "m3");
    SUBSCRIBE(t, 1, "y");
    PUBLISH(t, 1, "y", "m4", .qos = 1, .id = 7);
    talk_hex(t, 1, "c0 00");
    TALK_EXPECT(t, "1 PUBLISH x m1 q1 id1\n9 PUBACK 1\n9 PUBACK 2\n1 PUBLISH x m3\n"
                   "1 SUBACK 1 00\n1 PUBACK 7\n1 PUBLISH y m4\n1 PINGRESP\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x m2 q1 id2\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.3.3-6] [MQTT-4.3.3-7] [MQTT-4.3.3-13] */
START_TEST(what_was_sent_once_is_completed_whatever_its_expiry)
{
    struct talk *t = pair();

    PUBLISH(t, 9, "x", "m", .qos = 2, .id = 1, .expiry_s = 1);
    talk_forget(t);
    talk_cut(t, 1);
    talk_wait(t, 5000);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m q2 id1 dup expiry=0\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 PUBREL 1\n1 CONNACK 00 present\n1 PUBREL 1\n");
    talk_ack(t, 9, MQTT_PUBREL, 1, 0);
    TALK_EXPECT(t, "9 PUBCOMP 1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.3.3-9] [MQTT-4.3.3-12] */
START_TEST(an_identifier_is_free_after_a_refusal_and_after_the_end)
{
    struct talk *t = pair();

    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "x");
    talk_forget(t);
    PUBLISH(t, 9, "$SYS/x", "m1", .qos = 2, .id = 1);
    PUBLISH(t, 9, "x", "m2", .qos = 2, .id = 1);
    talk_ack(t, 9, MQTT_PUBREL, 1, 0);
    PUBLISH(t, 9, "x", "m3", .qos = 2, .id = 1);
    TALK_EXPECT(t, "9 PUBREC 1 87 \"not authorized\"\n2 PUBLISH x m2\n9 PUBREC 1\n"
                   "1 PUBLISH x m2 q2 id1\n9 PUBCOMP 1\n2 PUBLISH x m3\n9 PUBREC 1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT-2.2.1-5] */
START_TEST(answers_come_in_the_order_of_what_they_answer)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 9);
    SUBSCRIBE(t, 1, "x", .qos = 2);
    talk_forget(t);
    t->hold_store = true;
    PUBLISH(t, 1, "y", "m", .qos = 2, .id = 5); /* noted, so it waits for the store */
    PUBLISH(t, 1, "y", "m", .qos = 1, .id = 4);
    PUBLISH(t, 1, "y", "m", .qos = 2, .id = 3);
    TALK_EXPECT(t, "");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 PUBREC 5\n1 PUBACK 4\n1 PUBREC 3\n");
    t->hold_store = false;
    PUBLISH(t, 1, "x", "m1", .qos = 2, .id = 6);
    PUBLISH(t, 1, "x", "m2", .qos = 2, .id = 7);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBREC, 2, 0);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    TALK_EXPECT(t, "1 PUBREL 2\n1 PUBREL 1\n");
    talk_free(t);
}
END_TEST

/* Many refusals in one SUBSCRIBE: the codes fit, and the words do not. */
static void ask_too_much(struct talk *t, conn_id conn, size_t count)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE, .subscribe.packet_id = 4 };
    struct buf list = { 0 };

    for (size_t i = 0; i < count; i++)
        mqtt_subscribe_add(&list, MQTT_5, STR("a#"), &(struct mqtt_sub_options){ 0 });
    packet.subscribe.list = buf_str(&list);
    packet.subscribe.count = count;
    talk_packet(t, conn, &packet);
    buf_finish(&list);
}

/* [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2] [MQTT-3.7.2-2] [MQTT-3.9.2-1] */
START_TEST(words_never_make_an_answer_too_large)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 2, "b", .packet_max = 140);
    talk_forget(t);
    ask_too_much(t, 2, 130);
    ck_assert_ptr_null(strstr(talk_said(t), "invalid"));
    ask_too_much(t, 2, 2);
    TALK_EXPECT(t, "2 SUBACK 4 8f 8f \"topic filter invalid\"\n");
    CONNECT(t, 1, "a", .packet_max = 40);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBREC, 5, 0);
    TALK_EXPECT(t, "1 PUBREL 5 92\n");
    PUBLISH(t, 1, "$SYS/x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 1, "$SYS/x", "m", .qos = 2, .id = 2);
    talk_ack(t, 1, MQTT_PUBREL, 3, 0);
    SUBSCRIBE(t, 1, "$mesh/x");
    TALK_EXPECT(t, "1 PUBACK 1 87\n1 PUBREC 2 87\n1 PUBCOMP 3 92\n1 SUBACK 1 87\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.4-6] [MQTT-3.14.0-1] [MQTT-4.13.2-1] */
START_TEST(who_is_refused_hears_one_connack_and_nothing_else)
{
    struct talk *t = talk_new(&(struct core_config){ .deny_anonymous = true });

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x");
    TALK_EXPECT(t, "1 CONNACK 87\n1 close\n");
    ck_assert_uint_eq(core_stats(t->core).sessions, 0);
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/exchange", a_full_window_holds_back_nothing_else,
          what_was_sent_once_is_completed_whatever_its_expiry,
          an_identifier_is_free_after_a_refusal_and_after_the_end,
          answers_come_in_the_order_of_what_they_answer, words_never_make_an_answer_too_large,
          who_is_refused_hears_one_connack_and_nothing_else)
