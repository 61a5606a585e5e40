/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

/* [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.2.2-2] [MQTT-3.2.2-3] */
/* [MQTT-3.1.3-2] [MQTT-3.1.4-4] */
START_TEST(a_kept_session_keeps_subscriptions_and_messages)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .version = MQTT_311, .keep = true);
    CONNECT(t, 2, "b", .keep = true, .expiry_s = 10);
    CONNECT(t, 3, "c");
    SUBSCRIBE(t, 1, "x", .qos = 1);
    SUBSCRIBE(t, 2, "x", .qos = 1);
    talk_cut(t, 1);
    talk_goodbye(t, 2, 0, -1);
    talk_forget(t);
    PUBLISH(t, 3, "x", "0");
    PUBLISH(t, 3, "x", "1", .qos = 1, .id = 1);
    PUBLISH(t, 3, "x", "2", .qos = 2, .id = 2);
    ck_assert_uint_eq(core_stats(t->core).queued, 4);
    TALK_EXPECT(t, "3 PUBACK 1\n3 PUBREC 2\n");
    CONNECT(t, 1, "a", .version = MQTT_311, .keep = true);
    CONNECT(t, 2, "b", .keep = true);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x 1 q1 id1\n1 PUBLISH x 2 q1 id2\n"
                   "2 CONNACK 00 present\n2 PUBLISH x 1 q1 id1\n2 PUBLISH x 2 q1 id2\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_cut(t, 2); /* which came back without an expiry */
    CONNECT(t, 2, "b", .keep = true);
    CONNECT(t, 4, "a", .version = MQTT_311);
    TALK_EXPECT(t, "2 CONNACK 00\n1 close\n4 CONNACK 00\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-23] */
START_TEST(a_session_ends_when_its_time_is_over)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FACTS;
    CONNECT(t, 1, "a", .expiry_s = 10);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_cut(t, 1);
    talk_wait(t, 9999);
    ck_assert_uint_eq(core_stats(t->core).sessions, 1);
    talk_forget(t);
    talk_wait(t, 1);
    TALK_EXPECT(t, "fact session expired a 00 0\n");
    ck_assert_uint_eq(core_stats(t->core).sessions, 0);
    ck_assert_uint_eq(core_stats(t->core).subscriptions, 0);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 10);
    talk_cut(t, 1);
    talk_wait(t, 5000);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 10);
    talk_wait(t, 50000);
    ck_assert_uint_eq(core_stats(t->core).sessions, 1);
    talk_free(t);
}
END_TEST

/* [MQTT-3.2.2-21] [MQTT5 3.2.2.3.2] */
START_TEST(an_expiry_beyond_the_limit_is_cut_and_the_client_told)
{
    struct talk *t = talk_new(&(struct core_config){ .session_expiry_max_s = 100 });

    CONNECT(t, 1, "a", .expiry_s = UINT32_MAX);
    CONNECT(t, 2, "b", .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 expiry=100\n2 CONNACK 00\n");
    CONNECT(t, 3, "c", .version = MQTT_311, .keep = true);
    talk_cut(t, 3);
    talk_wait(t, 100000);
    ck_assert_uint_eq(core_stats(t->core).sessions, 2);
    talk_free(t);
}
END_TEST

START_TEST(a_session_without_a_limit_stays)
{
    struct talk *t = talk_new(&(struct core_config){ .session_expiry_max_s = UINT32_MAX });

    CONNECT(t, 1, "a", .expiry_s = UINT32_MAX);
    talk_cut(t, 1);
    ck_assert_uint_eq(core_deadline(t->core), UINT64_MAX);
    talk_free(t);
}
END_TEST

/* [MQTT5 3.14.2.2.2] */
START_TEST(disconnect_may_change_the_expiry_but_not_from_zero)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 10);
    talk_goodbye(t, 1, 0, 100);
    talk_wait(t, 50000);
    ck_assert_uint_eq(core_stats(t->core).sessions, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 10);
    talk_goodbye(t, 1, 0, 0);
    ck_assert_uint_eq(core_stats(t->core).sessions, 0);
    CONNECT(t, 1, "a");
    talk_forget(t);
    talk_goodbye(t, 1, 0, 1);
    TALK_EXPECT(t, "1 DISCONNECT 82\n1 close\n");
    talk_free(t);
}
END_TEST

START_TEST(a_session_that_ended_with_its_connection_is_not_taken_over)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x");
    CONNECT(t, 2, "a", .keep = true);
    PUBLISH(t, 2, "x", "m");
    TALK_EXPECT(t, "1 CONNACK 00\n1 SUBACK 1 00\n1 DISCONNECT 8e\n1 close\n2 CONNACK 00\n");
    talk_free(t);
}
END_TEST

START_TEST(subscription_identifiers_stay_with_queued_messages)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 1, .sub_id = 5);
    CONNECT(t, 2, "b");
    talk_cut(t, 1);
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    SUBSCRIBE(t, 1, "+", .qos = 1, .sub_id = 5);
    talk_cut(t, 1);
    PUBLISH(t, 2, "x", "2", .qos = 1, .id = 2);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x 1 q1 id1 dup sub=5\n"
                   "1 PUBLISH x 2 q1 id2 sub=5 sub=5\n");
    talk_free(t);
}
END_TEST

START_TEST(there_are_only_so_many_sessions)
{
    struct talk *t = talk_new(&(struct core_config){ .sessions_max = 1 });

    CONNECT(t, 1, "a", .expiry_s = 10);
    CONNECT(t, 2, "b");
    CONNECT(t, 3, "c", .version = MQTT_311);
    CONNECT(t, 4, "a");
    TALK_EXPECT(t, "1 CONNACK 00\n2 CONNACK 97\n2 close\n3 CONNACK 88\n3 close\n"
                   "1 DISCONNECT 8e\n1 close\n4 CONNACK 00\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/session", a_kept_session_keeps_subscriptions_and_messages,
          a_session_ends_when_its_time_is_over,
          an_expiry_beyond_the_limit_is_cut_and_the_client_told, a_session_without_a_limit_stays,
          disconnect_may_change_the_expiry_but_not_from_zero,
          a_session_that_ended_with_its_connection_is_not_taken_over,
          subscription_identifiers_stay_with_queued_messages, there_are_only_so_many_sessions)
