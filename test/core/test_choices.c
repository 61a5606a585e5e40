/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration can ask for and otherwise is not done. */
#include "unit.h"

#include "talk.h"

/* A publisher on connection 9, and a subscriber that will be away, on 1. */
static struct talk *with(struct core_config config)
{
    struct talk *t = talk_new(&config);

    CONNECT(t, 9, "publisher");
    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_forget(t);
    return t;
}

static void back(struct talk *t)
{
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 1);
}

START_TEST(qos_0_is_lost_to_who_is_away_unless_it_is_to_be_queued)
{
    struct talk *t = with((struct core_config){ 0 });

    talk_cut(t, 1);
    PUBLISH(t, 9, "x", "m");
    back(t);
    TALK_EXPECT(t, "1 CONNACK 00 present\n");
    talk_free(t);
}
END_TEST

START_TEST(queued_qos_0_comes_in_order_among_the_others)
{
    struct talk *t = with((struct core_config){ .queue_qos0 = true });

    talk_cut(t, 1);
    PUBLISH(t, 9, "x", "m1");
    PUBLISH(t, 9, "x", "m2", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x", "m3", .qos = 1, .id = 2);
    PUBLISH(t, 9, "x", "m4");
    talk_forget(t);
    back(t);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m1\n1 PUBLISH x m2 q1 id2\n");
    PUBLISH(t, 9, "x", "m5"); /* not before m4 [MQTT-4.6.0-6] */
    TALK_EXPECT(t, "");
    talk_ack(t, 1, MQTT_PUBACK, 2, 0);
    TALK_EXPECT(t, "1 PUBLISH x m3 q1 id3\n1 PUBLISH x m4\n1 PUBLISH x m5\n");
    PUBLISH(t, 9, "x", "m6");
    TALK_EXPECT(t, "1 PUBLISH x m6\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_free(t);
}
END_TEST

START_TEST(a_full_queue_drops_the_newest_and_counts_it)
{
    struct talk *t = with((struct core_config){ .queue_qos0 = true, .queue_messages_max = 2 });

    talk_cut(t, 1);
    PUBLISH(t, 9, "x", "m1");
    PUBLISH(t, 9, "x", "m2");
    PUBLISH(t, 9, "x", "m3");
    PUBLISH(t, 9, "x", "m4");
    back(t);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m1\n1 PUBLISH x m2\n");
    ck_assert_uint_eq(core_stats(t->core).messages_dropped, 2);
    talk_free(t);
}
END_TEST

START_TEST(queued_qos_0_expires_and_is_recorded)
{
    struct talk *t = with((struct core_config){ .queue_qos0 = true });

    talk_cut(t, 1);
    t->show = TALK_STORES;
    PUBLISH(t, 9, "x", "m1", .expiry_s = 1);
    PUBLISH(t, 9, "x", "m2", .expiry_s = 9);
    TALK_EXPECT(t, "store QUEUE_PUT lazily session2 seq0 q0 x\n"
                   "store QUEUE_PUT lazily session2 seq1 q0 x\n");
    talk_wait(t, 2000);
    back(t);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m2 expiry=7\n"
                   "store SESSION_PUT session2 a here\n"
                   "store QUEUE_DEL lazily session2 seq0 undoes4\n"
                   "store QUEUE_DEL lazily session2 seq1 undoes5\n");
    talk_free(t);
}
END_TEST

START_TEST(a_shutdown_may_send_clients_elsewhere)
{
    struct talk *t = with((struct core_config){ .server_reference = "b.example:1883" });
    struct talk *u =
        with((struct core_config){ .server_reference = "b.example:1883", .server_moved = true });
    struct talk *v = with((struct core_config){ 0 });

    CONNECT(t, 2, "old", .version = MQTT_311);
    CONNECT(t, 3, "small", .packet_max = 20); /* [MQTT-3.14.2-3] */
    talk_forget(t);
    talk_event(t, 0, CORE_SHUTDOWN);
    TALK_EXPECT(t, "1 DISCONNECT 9c see b.example:1883\n1 close\n2 close\n"
                   "3 DISCONNECT 9c\n3 close\n"
                   "9 DISCONNECT 9c see b.example:1883\n9 close\n");
    talk_event(u, 0, CORE_SHUTDOWN);
    TALK_EXPECT(u, "1 DISCONNECT 9d see b.example:1883\n1 close\n"
                   "9 DISCONNECT 9d see b.example:1883\n9 close\n");
    talk_event(v, 0, CORE_SHUTDOWN);
    TALK_EXPECT(v, "1 DISCONNECT 8b\n1 close\n9 DISCONNECT 8b\n9 close\n");
    talk_free(t);
    talk_free(u);
    talk_free(v);
}
END_TEST

/* [MQTT-3.1.2-28] */
START_TEST(response_information_goes_to_who_asks_where_there_is_some)
{
    struct talk *t = with((struct core_config){ .response_prefix = "answers" });
    struct talk *u = with((struct core_config){ 0 });

    CONNECT(t, 2, "b", .want_response = true);
    CONNECT(t, 3, "c");
    TALK_EXPECT(t, "2 CONNACK 00 answers=answers/b\n3 CONNACK 00\n");
    CONNECT(t, 4, "d", .want_response = true, .packet_max = 22); /* no room for it */
    TALK_EXPECT(t, "4 CONNACK 00\n");
    CONNECT(u, 2, "b", .want_response = true);
    TALK_EXPECT(u, "2 CONNACK 00\n");
    talk_free(t);
    talk_free(u);
}
END_TEST

static void publish_text(struct talk *t, struct str payload, uint8_t qos)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };

    packet.publish.topic = STR("y");
    packet.publish.payload = payload;
    packet.publish.qos = qos;
    packet.publish.packet_id = qos;
    packet.publish.props.payload_format_indicator = 1;
    props_mark(&packet.publish.props, PROP_PAYLOAD_FORMAT_INDICATOR);
    talk_packet(t, 9, &packet);
}

/* [MQTT5 3.3.2.3.2] */
START_TEST(text_that_is_none_is_refused_if_it_is_to_be_checked)
{
    struct talk *t = with((struct core_config){ .check_payload_format = true });
    struct talk *u = with((struct core_config){ 0 });

    publish_text(t, STR("\xff"), 0);
    publish_text(t, STR("\xff"), 1);
    publish_text(t, STR("\xff"), 2);
    publish_text(t, STR("well\0written \xc3\xa4"), 1);
    publish_text(t, STR("cut off \xc3"), 1);
    publish_text(t, STR(""), 1);
    TALK_EXPECT(t, "9 PUBACK 1 99 \"payload format invalid\"\n"
                   "9 PUBREC 2 99 \"payload format invalid\"\n9 PUBACK 1\n"
                   "9 PUBACK 1 99 \"payload format invalid\"\n9 PUBACK 1\n");
    publish_text(u, STR("\xff"), 1);
    TALK_EXPECT(u, "9 PUBACK 1\n");
    talk_free(t);
    talk_free(u);
}
END_TEST

/* [MQTT-3.1.2-29] */
START_TEST(a_refused_subscription_is_explained_unless_nobody_wants_to_know)
{
    struct talk *t = with((struct core_config){ 0 });

    CONNECT(t, 2, "b", .no_problem_info = true);
    talk_forget(t);
    SUBSCRIBE(t, 1, "$mesh/x");
    SUBSCRIBE(t, 2, "$mesh/x");
    TALK_EXPECT(t, "1 SUBACK 1 87 \"not authorized\"\n2 SUBACK 1 87\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/choices", qos_0_is_lost_to_who_is_away_unless_it_is_to_be_queued,
          queued_qos_0_comes_in_order_among_the_others, a_full_queue_drops_the_newest_and_counts_it,
          queued_qos_0_expires_and_is_recorded, a_shutdown_may_send_clients_elsewhere,
          response_information_goes_to_who_asks_where_there_is_some,
          text_that_is_none_is_refused_if_it_is_to_be_checked,
          a_refused_subscription_is_explained_unless_nobody_wants_to_know)
