/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

static struct talk *talk_with_store(void)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_STORES;
    t->hold_store = true;
    return t;
}

START_TEST(the_life_of_a_kept_session_is_written_down)
{
    struct talk *t = talk_with_store();

    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x/#", .qos = 2, .as_published = true);
    TALK_EXPECT(t, "1 CONNACK 00\nstore SESSION_PUT session1 a here\n"
                   "1 SUBACK 1 02\nstore SUB_PUT session1 x/# 0a\n");
    talk_cut(t, 1);
    talk_remote(t, "x/1", "m", 2, false);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .will_topic = "w", .will_payload = "");
    TALK_EXPECT(t, "store SESSION_PUT lazily session1 a away\n"
                   "store QUEUE_PUT session1 seq0 q2 x/1\n"
                   "1 CONNACK 00 present\n1 PUBLISH x/1 m q2 id1\n"
                   "store SESSION_PUT session1 a here will w\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    TALK_EXPECT(t, "1 PUBREL 1\nstore QUEUE_RECEIVED session1 seq0\n"
                   "store QUEUE_DEL lazily session1 seq0\n");
    talk_unsubscribe(t, 1, "x/#");
    talk_goodbye(t, 1, 0, 0);
    TALK_EXPECT(t, "1 UNSUBACK 1 00\nstore SUB_DEL session1 x/#\n"
                   "1 close\nstore SESSION_DEL session1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.2-5] */
START_TEST(who_waits_for_the_disk_alone_does_not_wait_too_long)
{
    struct talk *t = talk_with_store();

    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "x", .qos = 2);
    t->hold_store = true;
    t->show = 0;
    talk_forget(t);
    PUBLISH(t, 2, "x", "1", .qos = 2, .id = 1, .has_expiry = true);
    PUBLISH(t, 2, "x", "2", .qos = 1, .id = 2, .has_expiry = true);
    talk_wait(t, 10);
    talk_durable(t, t->token);
    TALK_EXPECT(t, "2 PUBREC 1\n2 PUBACK 2\n1 PUBLISH x 1 q2 id1 expiry=0\n"
                   "1 PUBLISH x 2 q1 id2 expiry=0\n");
    PUBLISH(t, 2, "x", "3", .qos = 2, .id = 3, .has_expiry = true);
    talk_cut(t, 1); /* for the next connection it is too late */
    talk_wait(t, 10);
    talk_durable(t, t->token);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 9);
    talk_durable(t, t->token);
    TALK_EXPECT(t, "2 PUBREC 3\n1 pause\n1 CONNACK 00 present\n1 PUBLISH x 1 q2 id1 dup expiry=0\n"
                   "1 PUBLISH x 2 q1 id2 dup expiry=0\n1 resume\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.6.0-4] */
START_TEST(a_pubrel_that_is_sent_again_waits_for_its_record_too)
{
    struct talk *t = talk_with_store();

    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 2);
    PUBLISH(t, 1, "x", "1", .qos = 2, .id = 1);
    PUBLISH(t, 1, "x", "2", .qos = 2, .id = 2);
    PUBLISH(t, 1, "x", "3", .qos = 2, .id = 3);
    t->show = 0;
    talk_ack(t, 1, MQTT_PUBREC, 3, 0);
    talk_forget(t);
    t->hold_store = true;
    talk_ack(t, 1, MQTT_PUBREC, 2, 0);
    uint64_t received = t->token;
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 pause\n");
    talk_durable(t, received);
    TALK_EXPECT(t, "");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 3\n1 PUBREL 2\n1 PUBLISH x 1 q2 id1 dup\n"
                   "1 resume\n");
    talk_free(t);
}
END_TEST

START_TEST(of_a_clean_session_only_the_will_is_written_down)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .will_topic = "w", .will_payload = "");
    SUBSCRIBE(t, 1, "x", .qos = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    talk_ack(t, 1, MQTT_PUBREL, 1, 0);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    talk_cut(t, 1);
    TALK_EXPECT(t, "1 CONNACK 00\nstore SESSION_PUT lazily session1 a here for-its-will will w\n"
                   "1 SUBACK 1 02\n1 PUBREC 1\n1 PUBLISH x m q2 id1\n1 PUBCOMP 1\n"
                   "1 PUBREL 1\nstore SESSION_DEL lazily session1\n");
    talk_free(t);
}
END_TEST

START_TEST(without_a_store_nothing_is_written_down_and_nothing_waits)
{
    struct talk *t = talk_new(&(struct core_config){ .volatile_ = true });

    t->show = TALK_STORES;
    t->hold_store = true;
    CONNECT(t, 1, "a", .expiry_s = 100, .will_topic = "w", .will_payload = "");
    SUBSCRIBE(t, 1, "x", .qos = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1, .retain = true);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    TALK_EXPECT(t, "1 CONNACK 00\n1 SUBACK 1 02\n1 PUBREC 1\n1 PUBLISH x m q2 id1\n1 PUBREL 1\n");
    talk_free(t);
}
END_TEST

/* What CONNACK and SUBACK say is on the disk; what is retained follows its SUBACK. */
START_TEST(a_kept_session_and_its_subscriptions_are_granted_when_durable)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 2, "b");
    PUBLISH(t, 2, "x", "old", .retain = true);
    talk_forget(t);
    t->show = TALK_FACTS;
    CONNECT(t, 1, "a", .expiry_s = 100);
    TALK_EXPECT(t, "1 pause\n");
    talk_durable(t, t->token - 1);
    TALK_EXPECT(t, "");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 CONNACK 00\n1 resume\nfact connected a 00 0\n");
    SUBSCRIBE(t, 1, "x", .qos = 1, .id = 3);
    PUBLISH(t, 2, "x", "new");
    talk_unsubscribe(t, 1, "nothing");
    TALK_EXPECT(t, "1 PUBLISH x new\n1 UNSUBACK 1 11\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 SUBACK 3 01\n1 PUBLISH x old retain\n");
    talk_unsubscribe(t, 1, "x");
    TALK_EXPECT(t, "");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 UNSUBACK 1 00\n");
    talk_free(t);
}
END_TEST

START_TEST(who_is_not_told_yet_that_it_is_in_gets_nothing_and_may_go)
{
    struct talk *t = talk_with_store();

    t->show = 0;
    CONNECT(t, 1, "a", .expiry_s = 100);
    talk_durable(t, t->token);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_durable(t, t->token);
    talk_goodbye(t, 1, 0, -1);
    CONNECT(t, 9, "z");
    talk_forget(t);
    CONNECT(t, 2, "a", .keep = true, .expiry_s = 100);
    PUBLISH(t, 9, "x", "0");
    PUBLISH(t, 9, "x", "1", .qos = 1, .id = 1);
    TALK_EXPECT(t, "2 pause\n");
    CONNECT(t, 3, "a", .keep = true, .expiry_s = 100); /* no DISCONNECT before a CONNACK */
    TALK_EXPECT(t, "2 close\n3 pause\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "9 PUBACK 1\n3 CONNACK 00 present\n3 PUBLISH x 1 q1 id1\n3 resume\n");
    talk_free(t);
}
END_TEST

/* Exactly once across a crash: the message and its identifier are known before they go out,
 * and that it was received is known before the client may forget it. */
START_TEST(what_goes_out_at_qos_2_is_durable_first)
{
    struct talk *t = talk_with_store();

    t->show = 0;
    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 2);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "x", .qos = 2);
    t->hold_store = true;
    talk_forget(t);
    PUBLISH(t, 2, "x", "m", .qos = 2, .id = 7);
    PUBLISH(t, 2, "x", "n", .qos = 1, .id = 8);
    TALK_EXPECT(t, "2 PUBLISH x m q2 id1\n2 PUBLISH x n q1 id2\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "2 PUBREC 7\n2 PUBACK 8\n1 PUBLISH x m q2 id1\n1 PUBLISH x n q1 id2\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    TALK_EXPECT(t, "");
    uint64_t received = t->token;
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    talk_durable(t, received);
    TALK_EXPECT(t, "1 pause\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBREL 1\n1 PUBLISH x n q1 id2 dup\n1 resume\n");
    talk_free(t);
}
END_TEST

START_TEST(a_relaxed_connection_waits_for_nothing)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .expiry_s = 100);
    talk_durable(t, t->token);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_durable(t, t->token);
    talk_cut(t, 1);
    talk_open_relaxed(t, 2);
    talk_forget(t);
    CONNECT(t, 2, "b", .expiry_s = 100);
    PUBLISH(t, 2, "x", "m", .qos = 1, .id = 1);
    TALK_EXPECT(t, "2 CONNACK 00\nstore SESSION_PUT lazily session2 b here\n2 PUBACK 1\n"
                   "store QUEUE_PUT lazily session1 seq0 q1 x\n");
    talk_free(t);
}
END_TEST

/* Version 5 is told; who can be told nothing is not read until there is room. */
START_TEST(a_store_that_is_full_takes_no_more_promises)
{
    struct talk *t = talk_with_store();

    t->show = 0;
    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_cut(t, 1);
    CONNECT(t, 2, "b", .no_problem_info = true);
    CONNECT(t, 3, "c", .version = MQTT_311);
    talk_forget(t);
    t->hold_store = true;
    talk_store(t, true);
    PUBLISH(t, 2, "x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 2, "free", "m", .qos = 1, .id = 2);
    PUBLISH(t, 2, "r", "m", .qos = 1, .id = 3, .retain = true);
    PUBLISH(t, 3, "x", "m", .qos = 1, .id = 4);
    TALK_EXPECT(t, "2 PUBACK 1 97\n2 PUBACK 2\n2 PUBACK 3 97\n3 pause\n");
    talk_store(t, false);
    talk_durable(t, t->token);
    PUBLISH(t, 2, "x", "m", .qos = 1, .id = 5);
    talk_durable(t, t->token);
    TALK_EXPECT(t, "3 resume\n3 PUBACK 4\n2 PUBACK 5\n");
    talk_free(t);
}
END_TEST

START_TEST(an_acknowledgement_waits_until_what_it_promises_is_durable)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .expiry_s = 100);
    CONNECT(t, 2, "b");
    talk_durable(t, t->token);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_cut(t, 1);
    talk_durable(t, t->token);
    talk_forget(t);
    t->show = 0;
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 1);
    uint64_t first = t->token;
    PUBLISH(t, 2, "other", "2", .qos = 1, .id = 2);
    PUBLISH(t, 2, "x", "3", .qos = 2, .id = 3);
    TALK_EXPECT(t, "");
    talk_durable(t, first - 1);
    TALK_EXPECT(t, "");
    talk_durable(t, first); /* order is kept [MQTT-4.6.0-2] */
    TALK_EXPECT(t, "2 PUBACK 1\n2 PUBACK 2\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "2 PUBREC 3\n");
    PUBLISH(t, 2, "other", "4", .qos = 1, .id = 4);
    TALK_EXPECT(t, "2 PUBACK 4\n");
    talk_free(t);
}
END_TEST

START_TEST(a_retained_message_is_acknowledged_when_durable)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a");
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .retain = true, .qos = 1, .id = 1);
    TALK_EXPECT(t, "store RETAIN_PUT x\n");
    talk_durable(t, 1);
    TALK_EXPECT(t, "1 PUBACK 1\n");
    PUBLISH(t, 1, "x", "", .retain = true, .qos = 1, .id = 2);
    TALK_EXPECT(t, "store RETAIN_DEL x\n");
    PUBLISH(t, 1, "x", "", .retain = true);
    talk_durable(t, 2);
    TALK_EXPECT(t, "1 PUBACK 2\n");
    PUBLISH(t, 1, "x", "m", .retain = true, .expiry_s = 1);
    TALK_EXPECT(t, "store RETAIN_PUT lazily x\n");
    talk_wait(t, 1000);
    TALK_EXPECT(t, "store RETAIN_DEL lazily x\n");
    talk_free(t);
}
END_TEST

START_TEST(a_kept_publishers_qos_2_identifiers_are_durable)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .expiry_s = 100);
    talk_durable(t, t->token);
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 7);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 7, .dup = true);
    TALK_EXPECT(t, "store INCOMING_PUT session1 id7\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 PUBREC 7\n1 PUBREC 7\n");
    talk_ack(t, 1, MQTT_PUBREL, 7, 0);
    TALK_EXPECT(t, "store INCOMING_DEL session1 id7\n");
    talk_durable(t, t->token);
    TALK_EXPECT(t, "1 PUBCOMP 7\n");
    talk_free(t);
}
END_TEST

START_TEST(acknowledgements_for_a_connection_that_is_gone_are_forgotten)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "x", "m", .retain = true, .qos = 1, .id = 1);
    talk_cut(t, 1);
    CONNECT(t, 1, "a");
    talk_forget(t);
    talk_durable(t, t->token);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

START_TEST(who_knows_no_quota_is_not_read_while_too_much_waits)
{
    struct talk *t = talk_new(&(struct core_config){ .receive_max = 4 });

    t->hold_store = true;
    CONNECT(t, 1, "a", .version = MQTT_311);
    talk_forget(t);
    for (uint16_t id = 1; id <= 5; id++)
        PUBLISH(t, 1, "x", "m", .retain = true, .qos = 1, .id = id);
    TALK_EXPECT(t, "1 pause\n");
    talk_durable(t, 3);
    TALK_EXPECT(t, "1 PUBACK 1\n1 PUBACK 2\n1 PUBACK 3\n1 resume\n");
    talk_durable(t, 5);
    TALK_EXPECT(t, "1 PUBACK 4\n1 PUBACK 5\n");
    talk_free(t);
}
END_TEST

START_TEST(a_session_that_is_no_longer_kept_leaves_the_store)
{
    struct talk *t = talk_with_store();

    t->hold_store = false;
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_cut(t, 1);
    talk_remote(t, "x", "m", 1, false);
    talk_forget(t);
    t->show |= TALK_INTERESTS;
    CONNECT(t, 1, "a", .keep = true);
    talk_remote(t, "x", "n", 1, false);
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m q1 id1\ninterest x wanted q1\n"
                   "store SESSION_DEL session1\n1 PUBLISH x n q1 id2\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/durable", who_waits_for_the_disk_alone_does_not_wait_too_long,
          a_pubrel_that_is_sent_again_waits_for_its_record_too,
          the_life_of_a_kept_session_is_written_down,
          of_a_clean_session_only_the_will_is_written_down,
          without_a_store_nothing_is_written_down_and_nothing_waits,
          a_kept_session_and_its_subscriptions_are_granted_when_durable,
          who_is_not_told_yet_that_it_is_in_gets_nothing_and_may_go,
          what_goes_out_at_qos_2_is_durable_first, a_relaxed_connection_waits_for_nothing,
          a_store_that_is_full_takes_no_more_promises,
          an_acknowledgement_waits_until_what_it_promises_is_durable,
          a_retained_message_is_acknowledged_when_durable,
          a_kept_publishers_qos_2_identifiers_are_durable,
          acknowledgements_for_a_connection_that_is_gone_are_forgotten,
          who_knows_no_quota_is_not_read_while_too_much_waits,
          a_session_that_is_no_longer_kept_leaves_the_store)
