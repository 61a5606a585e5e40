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

    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x/#", .qos = 2, .as_published = true);
    TALK_EXPECT(t, "1 CONNACK 00\nstore SESSION_PUT session1 a\n"
                   "1 SUBACK 1 02\nstore SUB_PUT session1 x/# 0a\n");
    talk_cut(t, 1);
    talk_remote(t, "x/1", "m", 2, false);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .will_topic = "w", .will_payload = "");
    TALK_EXPECT(t, "store QUEUE_PUT session1 seq0 q2 x/1\n"
                   "1 CONNACK 00 present\n1 PUBLISH x/1 m q2 id1\n"
                   "store SESSION_PUT session1 a w\n"
                   "store QUEUE_SENT session1 seq0 id1\n");
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    TALK_EXPECT(t, "1 PUBREL 1\nstore QUEUE_RECEIVED session1 seq0 id1\n"
                   "store QUEUE_DEL session1 seq0\n");
    talk_unsubscribe(t, 1, "x/#");
    talk_goodbye(t, 1, 0, 0);
    TALK_EXPECT(t, "1 UNSUBACK 1 00\nstore SUB_DEL session1 x/#\n"
                   "1 close\nstore SESSION_PUT session1 a\nstore SESSION_DEL session1\n");
    talk_free(t);
}
END_TEST

START_TEST(nothing_of_a_clean_session_is_written_down)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .will_topic = "w", .will_payload = "");
    SUBSCRIBE(t, 1, "x", .qos = 2);
    PUBLISH(t, 1, "x", "m", .qos = 2, .id = 1);
    talk_ack(t, 1, MQTT_PUBREL, 1, 0);
    talk_ack(t, 1, MQTT_PUBREC, 1, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 1, 0);
    talk_cut(t, 1);
    TALK_EXPECT(t, "1 CONNACK 00\n1 SUBACK 1 02\n1 PUBREC 1\n1 PUBLISH x m q2 id1\n1 PUBCOMP 1\n"
                   "1 PUBREL 1\n");
    talk_free(t);
}
END_TEST

START_TEST(an_acknowledgement_waits_until_what_it_promises_is_durable)
{
    struct talk *t = talk_with_store();

    CONNECT(t, 1, "a", .expiry_s = 100);
    CONNECT(t, 2, "b");
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
    talk_forget(t);
    talk_wait(t, 1000);
    TALK_EXPECT(t, "store RETAIN_DEL x\n");
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

UNIT_MAIN("core/durable", the_life_of_a_kept_session_is_written_down,
          nothing_of_a_clean_session_is_written_down,
          an_acknowledgement_waits_until_what_it_promises_is_durable,
          a_retained_message_is_acknowledged_when_durable,
          a_kept_publishers_qos_2_identifiers_are_durable,
          acknowledgements_for_a_connection_that_is_gone_are_forgotten,
          who_knows_no_quota_is_not_read_while_too_much_waits,
          a_session_that_is_no_longer_kept_leaves_the_store)
