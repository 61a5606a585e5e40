/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

#include <string.h>

/* [MQTT-4.5.0-1] [MQTT-3.3.2-3] */
START_TEST(what_is_published_reaches_who_wants_it_once)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FORWARDS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c", .version = MQTT_31);
    SUBSCRIBE(t, 1, "x/+");
    SUBSCRIBE(t, 2, "#");
    talk_forget(t);
    PUBLISH(t, 3, "x/1", "hi");
    PUBLISH(t, 3, "y", "ho");
    TALK_EXPECT(t, "1 PUBLISH x/1 hi\n2 PUBLISH x/1 hi\nforward x/1 hi q0\n"
                   "2 PUBLISH y ho\nforward y ho q0\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] */
START_TEST(overlapping_subscriptions_give_one_copy_at_the_highest_qos)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "x/#", .qos = 0, .sub_id = 3);
    SUBSCRIBE(t, 1, "x/+", .qos = 2, .sub_id = 200000);
    SUBSCRIBE(t, 1, "x/1", .qos = 1);
    talk_forget(t);
    PUBLISH(t, 2, "x/1", "m", .qos = 1, .id = 9);
    const char *said = talk_said(t);
    ck_assert(str_starts_with(str_from_c(said), STR("1 PUBLISH x/1 m q1 id1 sub=")));
    ck_assert_ptr_nonnull(strstr(said, " sub=3"));
    ck_assert_ptr_nonnull(strstr(said, " sub=200000"));
    PUBLISH(t, 2, "x/1/2", "n");
    TALK_EXPECT(t, "1 PUBLISH x/1/2 n sub=3\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.4-8] */
START_TEST(a_message_is_not_raised_above_its_own_qos)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "#", .qos = 2);
    talk_forget(t);
    PUBLISH(t, 1, "a", "0");
    PUBLISH(t, 1, "a", "1", .qos = 1, .id = 4);
    TALK_EXPECT(t, "1 PUBLISH a 0\n1 PUBACK 4\n1 PUBLISH a 1 q1 id1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.3-3] */
START_TEST(no_local_keeps_a_clients_own_messages_from_it)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "x", .no_local = true);
    SUBSCRIBE(t, 2, "x", .no_local = true);
    talk_forget(t);
    PUBLISH(t, 1, "x", "m");
    TALK_EXPECT(t, "2 PUBLISH x m\n");
    SUBSCRIBE(t, 1, "+");
    talk_forget(t);
    PUBLISH(t, 1, "x", "n");
    TALK_EXPECT(t, "1 PUBLISH x n\n2 PUBLISH x n\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.3-3] */
START_TEST(a_client_is_known_by_its_id_in_every_session)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .will_topic = "w", .will_payload = "gone", .will_retain = true);
    PUBLISH(t, 1, "x", "m", .retain = true);
    talk_cut(t, 1); /* the session ends, and its number is never a's again */
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    talk_forget(t);
    SUBSCRIBE(t, 1, "#", .no_local = true);
    SUBSCRIBE(t, 2, "#", .no_local = true);
    TALK_EXPECT(t, "1 SUBACK 1 00\n2 SUBACK 1 00\n2 PUBLISH x m retain\n"
                   "2 PUBLISH w gone retain\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.3-3] */
START_TEST(a_will_is_its_clients_own_message)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 9, .will_topic = "w", .will_payload = "gone", .will_qos = 1);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "w", .qos = 1, .no_local = true);
    SUBSCRIBE(t, 2, "w", .qos = 1, .no_local = true);
    talk_forget(t);
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 9);
    TALK_EXPECT(t, "2 PUBLISH w gone q1 id1\n1 CONNACK 00 present\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.2-5] */
START_TEST(no_time_to_live_is_enough_for_who_can_take_it_at_once)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .expiry_s = 9, .receive_max = 1);
    CONNECT(t, 3, "c", .expiry_s = 9);
    SUBSCRIBE(t, 2, "x", .qos = 2);
    SUBSCRIBE(t, 3, "x", .qos = 2);
    talk_cut(t, 3);
    talk_forget(t);
    PUBLISH(t, 1, "x", "0", .has_expiry = true);
    PUBLISH(t, 1, "x", "1", .qos = 1, .id = 1, .has_expiry = true);
    PUBLISH(t, 1, "x", "2", .qos = 2, .id = 2, .has_expiry = true); /* b has no room */
    TALK_EXPECT(t, "2 PUBLISH x 0 expiry=0\n2 PUBLISH x 1 q1 id1 expiry=0\n"
                   "1 PUBACK 1\n1 PUBREC 2\n");
    talk_ack(t, 2, MQTT_PUBACK, 1, 0); /* at the very same time */
    CONNECT(t, 3, "c", .keep = true, .expiry_s = 9);
    TALK_EXPECT(t, "3 CONNACK 00 present\n");
    talk_wait(t, 10);
    PUBLISH(t, 1, "x", "3", .qos = 2, .id = 3, .has_expiry = true);
    TALK_EXPECT(t, "1 PUBREC 3\n2 PUBLISH x 3 q2 id2 expiry=0\n3 PUBLISH x 3 q2 id1 expiry=0\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-12] */
START_TEST(a_topic_alias_stands_for_its_topic_on_its_connection)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "#");
    talk_forget(t);
    PUBLISH(t, 1, "long/topic", "1", .alias = 64);
    PUBLISH(t, 1, "", "2", .alias = 64);
    PUBLISH(t, 1, "other", "3", .alias = 64);
    PUBLISH(t, 1, "", "4", .alias = 64);
    TALK_EXPECT(t, "2 PUBLISH long/topic 1\n2 PUBLISH long/topic 2\n"
                   "2 PUBLISH other 3\n2 PUBLISH other 4\n");
    PUBLISH(t, 1, "x", "5", .alias = 65);
    TALK_EXPECT(t, "1 DISCONNECT 94\n1 close\n");
    CONNECT(t, 1, "a");
    talk_forget(t);
    PUBLISH(t, 1, "", "6", .alias = 64);
    TALK_EXPECT(t, "1 DISCONNECT 82\n1 close\n");
    CONNECT(t, 1, "a");
    talk_forget(t);
    talk_hex(t, 1, "30 08 00 01 78 03 23 00 00 37"); /* [MQTT5 3.3.4] */
    TALK_EXPECT(t, "1 DISCONNECT 94\n1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.4-6] */
START_TEST(a_client_may_not_send_subscription_identifiers)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    talk_hex(t, 1, "30 06 00 01 61 02 0b 01");
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 82\n1 close\n");
    talk_free(t);
}
END_TEST

START_TEST(a_bridge_sees_messages_as_published_and_not_its_own)
{
    struct talk *t = talk_new(NULL);

    talk_open(t, 1);
    t->versions[1] = MQTT_311;
    talk_hex(t, 1, "10 0d 00 04 4d 51 54 54 84 02 00 00 00 01 61");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "x");
    talk_forget(t);
    PUBLISH(t, 1, "x", "own");
    PUBLISH(t, 2, "x", "m", .retain = true);
    TALK_EXPECT(t, "1 PUBLISH x m retain\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.2-5] [MQTT-3.3.2-6] [MQTT-3.3.2-17] */
START_TEST(properties_go_with_the_message_and_its_time_runs)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .expiry_s = 1000);
    CONNECT(t, 3, "c", .version = MQTT_311);
    SUBSCRIBE(t, 2, "#", .qos = 1);
    SUBSCRIBE(t, 3, "#", .qos = 1);
    talk_forget(t);
    PUBLISH(t, 1, "x", "1", .expiry_s = 60, .user = "me");
    TALK_EXPECT(t, "2 PUBLISH x 1 expiry=60 u=me\n3 PUBLISH x 1\n");
    talk_cut(t, 2);
    talk_cut(t, 3);
    PUBLISH(t, 1, "x", "2", .qos = 1, .id = 1, .expiry_s = 60);
    PUBLISH(t, 1, "x", "3", .qos = 1, .id = 2, .expiry_s = 5);
    talk_forget(t);
    talk_wait(t, 10000);
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 1000);
    TALK_EXPECT(t, "2 CONNACK 00 present\n2 PUBLISH x 2 q1 id1 expiry=50\n");
    talk_free(t);
}
END_TEST

START_TEST(topics_of_the_broker_are_not_for_clients)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FORWARDS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    SUBSCRIBE(t, 1, "$SYS/#");
    SUBSCRIBE(t, 1, "$other/#");
    talk_forget(t);
    PUBLISH(t, 1, "$SYS/x", "m");
    PUBLISH(t, 1, "$mesh/x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 1, "$mesh", "m", .qos = 2, .id = 2);
    PUBLISH(t, 2, "$SYS/x", "m", .qos = 1, .id = 3);
    TALK_EXPECT(t, "1 PUBACK 1 87 \"not authorized\"\n1 PUBREC 2 87 \"not authorized\"\n"
                   "2 PUBACK 3\n");
    PUBLISH(t, 2, "$SYS/x", "m", .qos = 2, .id = 4);
    talk_ack(t, 2, MQTT_PUBREL, 4, 0);
    TALK_EXPECT(t, "2 PUBREC 4\n2 PUBCOMP 4\n");
    PUBLISH(t, 2, "$other/x", "m");
    TALK_EXPECT(t, "1 PUBLISH $other/x m\n");
    talk_free(t);
}
END_TEST

START_TEST(messages_of_the_mesh_are_delivered_and_not_sent_back)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FORWARDS;
    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x", .qos = 1, .as_published = true);
    talk_forget(t);
    talk_remote(t, "x", "m", 2, false);
    talk_remote(t, "x", "r", 0, true);
    TALK_EXPECT(t, "1 PUBLISH x m q1 id1\n1 PUBLISH x r retain\n");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "x");
    TALK_EXPECT(t, "2 CONNACK 00\n2 SUBACK 1 00\n2 PUBLISH x r retain\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-24] [MQTT-3.1.2-25] */
START_TEST(what_is_too_large_for_a_client_is_not_sent_to_it)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .packet_max = 20);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_forget(t);
    PUBLISH(t, 2, "topic", "0123456789");
    PUBLISH(t, 2, "topic", "01234567890");
    PUBLISH(t, 2, "topic", "01234567890", .qos = 1, .id = 1);
    PUBLISH(t, 2, "topic", "01234567", .qos = 1, .id = 2);
    TALK_EXPECT(t, "1 PUBLISH topic 0123456789\n2 PUBACK 1\n"
                   "1 PUBLISH topic 01234567 q1 id2\n2 PUBACK 2\n");
    ck_assert_uint_eq(core_stats(t->core).messages_dropped, 2);
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    talk_free(t);
}
END_TEST

START_TEST(the_counters_tell_what_went_through)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    SUBSCRIBE(t, 2, "#");
    PUBLISH(t, 2, "x", "1234");
    PUBLISH(t, 2, "x", "1234", .qos = 1, .id = 1);
    struct core_stats stats = core_stats(t->core);
    ck_assert_uint_eq(stats.messages_in, 2);
    ck_assert_uint_eq(stats.publishes_in[1], 1);
    ck_assert_uint_eq(stats.messages_out, 4);
    ck_assert_uint_eq(stats.publishes_out[0], 3);
    ck_assert_uint_eq(stats.publishes_out[1], 1);
    ck_assert_uint_eq(stats.bytes_in, 10);
    ck_assert_uint_eq(stats.bytes_out, 20);
    ck_assert_uint_eq(stats.inflight, 1);
    ck_assert_uint_eq(stats.connections_total, 2);
    ck_assert_uint_eq(stats.subscriptions, 2);
    ck_assert_uint_eq(stats.filters, 1);
    talk_cut(t, 1);
    ck_assert_uint_eq(core_stats(t->core).inflight, 0);
    talk_free(t);
}
END_TEST

START_TEST(a_publisher_is_told_when_nobody_has_subscribed_anywhere)
{
    struct talk *t = talk_new(NULL);

    core_set_remote_interest(t->core, false);
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "old", .version = MQTT_311);
    CONNECT(t, 3, "away", .expiry_s = 9);
    SUBSCRIBE(t, 3, "kept");
    talk_cut(t, 3);
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 2, "x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 1, "kept", "m", .qos = 1, .id = 1);
    TALK_EXPECT(t, "1 PUBACK 1 10\n2 PUBACK 1\n1 PUBACK 1\n");
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 2, .dup = true);
    talk_ack(t, 1, MQTT_PUBREL, 2, 0);
    TALK_EXPECT(t, "1 PUBREC 2 10\n1 PUBREC 2\n1 PUBCOMP 2\n");
    core_set_remote_interest(t->core, true);
    PUBLISH(t, 1, "x", "m", .qos = 1, .id = 3);
    TALK_EXPECT(t, "1 PUBACK 3\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/publish", a_publisher_is_told_when_nobody_has_subscribed_anywhere,
          what_is_published_reaches_who_wants_it_once,
          overlapping_subscriptions_give_one_copy_at_the_highest_qos,
          a_message_is_not_raised_above_its_own_qos, no_local_keeps_a_clients_own_messages_from_it,
          a_client_is_known_by_its_id_in_every_session, a_will_is_its_clients_own_message,
          no_time_to_live_is_enough_for_who_can_take_it_at_once,
          a_topic_alias_stands_for_its_topic_on_its_connection,
          a_client_may_not_send_subscription_identifiers,
          a_bridge_sees_messages_as_published_and_not_its_own,
          properties_go_with_the_message_and_its_time_runs,
          topics_of_the_broker_are_not_for_clients,
          messages_of_the_mesh_are_delivered_and_not_sent_back,
          what_is_too_large_for_a_client_is_not_sent_to_it, the_counters_tell_what_went_through)
