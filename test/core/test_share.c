/* SPDX-License-Identifier: Apache-2.0 */
/* Shared subscriptions. [MQTT5 4.8.2] */
#include "unit.h"

#include "talk.h"

/* A publisher on connection 9, members on 1 to count. */
static struct talk *group(int count, uint8_t qos)
{
    static const char *const names[] = { "", "a", "b", "c" };
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    for (int i = 1; i <= count; i++) {
        CONNECT(t, (conn_id)i, names[i], .keep = true, .expiry_s = 100);
        SUBSCRIBE(t, (conn_id)i, "$share/g/x/+", .qos = qos);
    }
    talk_forget(t);
    return t;
}

START_TEST(connack_says_that_shares_are_available)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_CONNACK;
    CONNECT(t, 1, "a");
    ck_assert_ptr_nonnull(strstr(talk_said(t), " shared=1"));
    talk_free(t);
}
END_TEST

START_TEST(members_take_turns)
{
    struct talk *t = group(3, 0);

    for (int i = 0; i < 4; i++)
        PUBLISH(t, 9, "x/1", "m");
    TALK_EXPECT(t, "1 PUBLISH x/1 m\n2 PUBLISH x/1 m\n3 PUBLISH x/1 m\n1 PUBLISH x/1 m\n");
    talk_free(t);
}
END_TEST

START_TEST(each_group_gets_a_copy_beside_plain_subscribers)
{
    struct talk *t = group(1, 1);

    SUBSCRIBE(t, 1, "$share/h/x/+", .sub_id = 5);
    SUBSCRIBE(t, 1, "x/#", .sub_id = 6);
    talk_forget(t);
    PUBLISH(t, 9, "x/1", "m", .qos = 1, .id = 1);
    TALK_EXPECT(t, "1 PUBLISH x/1 m sub=6\n1 PUBLISH x/1 m q1 id1\n1 PUBLISH x/1 m sub=5\n"
                   "9 PUBACK 1\n");
    ck_assert_uint_eq(core_stats(t->core).subscriptions, 3);
    ck_assert_uint_eq(core_stats(t->core).shared_groups, 2);
    ck_assert_uint_eq(core_stats(t->core).filters, 2);
    talk_free(t);
}
END_TEST

START_TEST(clients_of_3_1_1_share_too)
{
    struct talk *t = group(1, 0);

    CONNECT(t, 2, "old", .version = MQTT_311);
    SUBSCRIBE(t, 2, "$share/g/x/+");
    talk_forget(t);
    PUBLISH(t, 9, "x/1", "m");
    PUBLISH(t, 9, "x/1", "m");
    talk_unsubscribe(t, 2, "$share/g/x/+");
    PUBLISH(t, 9, "x/1", "m");
    TALK_EXPECT(t, "1 PUBLISH x/1 m\n2 PUBLISH x/1 m\n2 UNSUBACK 1\n1 PUBLISH x/1 m\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.8.2-3] */
START_TEST(each_member_gets_the_qos_it_was_granted)
{
    struct talk *t = group(2, 1);

    SUBSCRIBE(t, 2, "$share/g/x/+", .qos = 0);
    talk_forget(t);
    PUBLISH(t, 9, "x/1", "m", .qos = 2, .id = 1);
    PUBLISH(t, 9, "x/1", "m", .qos = 2, .id = 2);
    TALK_EXPECT(t, "1 PUBLISH x/1 m q1 id1\n9 PUBREC 1\n2 PUBLISH x/1 m\n9 PUBREC 2\n");
    talk_free(t);
}
END_TEST

START_TEST(nothing_retained_goes_to_a_new_member)
{
    struct talk *t = group(0, 0);

    PUBLISH(t, 9, "x/1", "m", .retain = true);
    CONNECT(t, 1, "a");
    talk_forget(t);
    SUBSCRIBE(t, 1, "$share/g/x/+");
    TALK_EXPECT(t, "1 SUBACK 1 00\n");
    talk_free(t);
}
END_TEST

START_TEST(who_is_busy_is_passed_over)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    CONNECT(t, 1, "a", .receive_max = 1);
    CONNECT(t, 2, "b", .packet_max = 30);
    SUBSCRIBE(t, 1, "$share/g/x", .qos = 1);
    SUBSCRIBE(t, 2, "$share/g/x", .qos = 1);
    talk_forget(t);
    for (uint16_t id = 1; id <= 4; id++)
        PUBLISH(t, 9, "x", "m", .qos = 1, .id = id);
    TALK_EXPECT(t, "1 PUBLISH x m q1 id1\n9 PUBACK 1\n2 PUBLISH x m q1 id1\n9 PUBACK 2\n"
                   "2 PUBLISH x m q1 id2\n9 PUBACK 3\n2 PUBLISH x m q1 id3\n9 PUBACK 4\n");
    /* Too large for one, so it waits for the other. */
    PUBLISH(t, 9, "x", "a payload of more than thirty bytes", .qos = 1, .id = 5);
    TALK_EXPECT(t, "9 PUBACK 5\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x a payload of more than thirty bytes q1 id2\n");
    talk_event(t, 2, CORE_CONGESTED);
    talk_ack(t, 1, MQTT_PUBACK, 2, 0);
    PUBLISH(t, 9, "x", "m");
    PUBLISH(t, 9, "x", "m");
    TALK_EXPECT(t, "1 PUBLISH x m\n1 PUBLISH x m\n");
    talk_free(t);
}
END_TEST

START_TEST(members_that_are_away_get_messages_only_when_nobody_is_there)
{
    struct talk *t = group(2, 1);

    talk_cut(t, 1);
    PUBLISH(t, 9, "x/1", "m1", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x/1", "m2", .qos = 1, .id = 2);
    TALK_EXPECT(t, "2 PUBLISH x/1 m1 q1 id1\n9 PUBACK 1\n2 PUBLISH x/1 m2 q1 id2\n9 PUBACK 2\n");
    talk_ack(t, 2, MQTT_PUBACK, 1, 0);
    talk_ack(t, 2, MQTT_PUBACK, 2, 0);
    talk_cut(t, 2);
    PUBLISH(t, 9, "x/1", "m3", .qos = 1, .id = 3);
    PUBLISH(t, 9, "x/1", "m4", .qos = 1, .id = 4);
    PUBLISH(t, 9, "x/1", "lost");
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x/1 m3 q1 id1\n"
                   "2 CONNACK 00 present\n2 PUBLISH x/1 m4 q1 id3\n");
    talk_free(t);
}
END_TEST

START_TEST(what_a_lost_member_left_unanswered_goes_to_another)
{
    struct talk *t = group(2, 1);

    PUBLISH(t, 9, "x/1", "m1", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x/1", "m2", .qos = 1, .id = 2);
    PUBLISH(t, 9, "x/1", "m3", .qos = 1, .id = 3);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    talk_forget(t);
    talk_cut(t, 1);
    TALK_EXPECT(t, "2 PUBLISH x/1 m3 q1 id2\n");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n");
    ck_assert_uint_eq(core_stats(t->core).inflight, 2);
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_free(t);
}
END_TEST

START_TEST(what_waited_behind_a_full_window_moves_and_the_rest_stays)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 1);
    SUBSCRIBE(t, 1, "$share/g/x", .qos = 1);
    SUBSCRIBE(t, 1, "own", .qos = 1);
    PUBLISH(t, 9, "own", "o1", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x", "m1", .qos = 1, .id = 2);
    PUBLISH(t, 9, "own", "o2", .qos = 1, .id = 3);
    PUBLISH(t, 9, "x", "m2", .qos = 1, .id = 4);
    PUBLISH(t, 9, "own", "o3", .qos = 1, .id = 5);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "$share/g/x", .qos = 1);
    talk_forget(t);
    talk_cut(t, 1);
    TALK_EXPECT(t, "2 PUBLISH x m1 q1 id1\n2 PUBLISH x m2 q1 id2\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 2);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH own o1 q1 id1 dup\n1 PUBLISH own o2 q1 id3\n"
                   "1 PUBLISH own o3 q1 id5\n");
    for (uint16_t id = 1; id <= 5; id += 2)
        talk_ack(t, 1, MQTT_PUBACK, id, 0);
    PUBLISH(t, 9, "own", "o4", .qos = 1, .id = 6);
    TALK_EXPECT(t, "1 PUBLISH own o4 q1 id6\n9 PUBACK 6\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.8.2-4] [MQTT-4.8.2-5] */
START_TEST(a_qos_2_message_that_was_sent_stays_with_its_member)
{
    struct talk *t = group(2, 2);

    PUBLISH(t, 9, "x/1", "m", .qos = 2, .id = 1);
    talk_forget(t);
    talk_cut(t, 1);
    TALK_EXPECT(t, "");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 1);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x/1 m q2 id1 dup\n");
    talk_cut(t, 1);
    talk_wait(t, 2000);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

START_TEST(a_session_that_ends_leaves_its_messages_to_the_others)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 1);
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 100);
    SUBSCRIBE(t, 1, "$share/g/x", .qos = 2);
    talk_cut(t, 1);
    PUBLISH(t, 9, "x", "m", .qos = 2, .id = 1);
    SUBSCRIBE(t, 2, "$share/g/x", .qos = 1);
    talk_cut(t, 2);
    talk_forget(t);
    talk_wait(t, 2000);
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "2 CONNACK 00 present\n2 PUBLISH x m q1 id1\n");
    ck_assert_uint_eq(core_stats(t->core).sessions, 2);
    talk_free(t);
}
END_TEST

/* [MQTT-4.8.2-6] */
START_TEST(what_a_member_refuses_nobody_else_gets)
{
    struct talk *t = group(2, 2);

    PUBLISH(t, 9, "x/1", "m", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x/1", "m", .qos = 2, .id = 2);
    talk_forget(t);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0x87);
    talk_ack(t, 2, MQTT_PUBREC, 1, 0x87);
    talk_cut(t, 1);
    talk_cut(t, 2);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.4-3] for shares: known by group and filter. */
START_TEST(subscribing_again_changes_the_membership)
{
    struct talk *t = group(1, 0);

    t->show = TALK_INTERESTS | TALK_STORES;
    SUBSCRIBE(t, 1, "$share/g/x/+", .qos = 2, .sub_id = 3);
    TALK_EXPECT(t, "1 SUBACK 1 02\ninterest x/+ wanted q2 persistent\n"
                   "store SUB_PUT session2 $share/g/x/+ 02\n");
    PUBLISH(t, 9, "x/1", "m");
    TALK_EXPECT(t, "1 PUBLISH x/1 m sub=3\n");
    talk_unsubscribe(t, 1, "$share/g/x/+");
    talk_unsubscribe(t, 1, "$share/g/x/+");
    TALK_EXPECT(t, "1 UNSUBACK 1 00\ninterest x/+ gone q0\n"
                   "store SUB_DEL session2 $share/g/x/+\n1 UNSUBACK 1 11\n");
    ck_assert_uint_eq(core_stats(t->core).subscriptions, 0);
    ck_assert_uint_eq(core_stats(t->core).filters, 0);
    talk_free(t);
}
END_TEST

START_TEST(the_mesh_hears_of_a_group_as_of_one_subscriber)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_INTERESTS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 10);
    talk_forget(t);
    SUBSCRIBE(t, 1, "$share/g/x", .qos = 1);
    SUBSCRIBE(t, 2, "$share/g/x", .qos = 1);
    TALK_EXPECT(t, "1 SUBACK 1 01\ninterest x wanted q1\n"
                   "2 SUBACK 1 01\ninterest x wanted q1 persistent\n");
    talk_remote(t, "x", "m", 1, false);
    TALK_EXPECT(t, "1 PUBLISH x m q1 id1\n");
    talk_goodbye(t, 2, 0, 0);
    TALK_EXPECT(t, "2 close\ninterest x wanted q1\n");
    talk_cut(t, 1);
    TALK_EXPECT(t, "interest x gone q0\n");
    talk_free(t);
}
END_TEST

START_TEST(who_leaves_a_group_keeps_what_it_was_sent)
{
    struct talk *t = group(2, 1);

    PUBLISH(t, 9, "x/1", "m", .qos = 1, .id = 1);
    talk_unsubscribe(t, 1, "$share/g/x/+");
    talk_forget(t);
    talk_cut(t, 1);
    TALK_EXPECT(t, "");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x/1 m q1 id1 dup\n");
    talk_free(t);
}
END_TEST

START_TEST(shares_count_towards_the_limit_of_subscriptions)
{
    struct talk *t = talk_new(&(struct core_config){ .subscriptions_max = 1 });

    CONNECT(t, 1, "a");
    talk_forget(t);
    SUBSCRIBE(t, 1, "$share/g/x");
    SUBSCRIBE(t, 1, "$share/g/x", .qos = 1);
    SUBSCRIBE(t, 1, "$share/h/x");
    SUBSCRIBE(t, 1, "$share/h/$mesh/x");
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 SUBACK 1 01\n1 SUBACK 1 97 \"quota exceeded\"\n"
                   "1 SUBACK 1 87 \"not authorized\"\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/share", connack_says_that_shares_are_available, members_take_turns,
          each_group_gets_a_copy_beside_plain_subscribers, clients_of_3_1_1_share_too,
          each_member_gets_the_qos_it_was_granted, nothing_retained_goes_to_a_new_member,
          who_is_busy_is_passed_over, members_that_are_away_get_messages_only_when_nobody_is_there,
          what_a_lost_member_left_unanswered_goes_to_another,
          what_waited_behind_a_full_window_moves_and_the_rest_stays,
          a_qos_2_message_that_was_sent_stays_with_its_member,
          a_session_that_ends_leaves_its_messages_to_the_others,
          what_a_member_refuses_nobody_else_gets, subscribing_again_changes_the_membership,
          the_mesh_hears_of_a_group_as_of_one_subscriber, who_leaves_a_group_keeps_what_it_was_sent,
          shares_count_towards_the_limit_of_subscriptions)
