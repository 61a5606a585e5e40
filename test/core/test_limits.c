/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

START_TEST(a_congested_connection_loses_qos_0_and_keeps_the_rest)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FACTS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_event(t, 1, CORE_CONGESTED);
    talk_forget(t);
    PUBLISH(t, 2, "x", "0");
    PUBLISH(t, 2, "x", "0");
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 1);
    TALK_EXPECT(t, "fact dropped a 97 1\n2 PUBACK 1\n");
    ck_assert_uint_eq(core_stats(t->core).messages_dropped, 2);
    talk_wait(t, 10000);
    PUBLISH(t, 2, "x", "0");
    TALK_EXPECT(t, "fact dropped a 97 2\n");
    talk_event(t, 1, CORE_DRAINED);
    PUBLISH(t, 2, "x", "0");
    TALK_EXPECT(t, "1 PUBLISH x 1 q1 id1\n1 PUBLISH x 0\n");
    talk_free(t);
}
END_TEST

START_TEST(a_queue_holds_so_many_messages_and_bytes)
{
    struct core_config config = { .queue_messages_max = 2 };

    for (int i = 0; i < 2; i++) {
        struct talk *t = talk_new(&config);
        CONNECT(t, 1, "a", .expiry_s = 10);
        CONNECT(t, 2, "b");
        SUBSCRIBE(t, 1, "#", .qos = 1);
        talk_cut(t, 1);
        for (uint16_t id = 1; id <= 3; id++)
            PUBLISH(t, 2, "x", id == 1 ? "1" : id == 2 ? "2" : "3", .qos = 1, .id = id);
        talk_forget(t);
        ck_assert_uint_eq(core_stats(t->core).messages_dropped, 1);
        CONNECT(t, 1, "a", .keep = true, .expiry_s = 10);
        TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x 1 q1 id1\n1 PUBLISH x 2 q1 id2\n");
        talk_free(t);
        struct message *m = message_new(STR("x"), STR(""), STR("1"));
        config = (struct core_config){ .queue_bytes_max = 2 * message_size(m) };
        message_unref(m);
    }
}
END_TEST

START_TEST(a_full_window_lets_the_queue_fill_and_no_further)
{
    struct talk *t = talk_new(&(struct core_config){ .inflight_max = 1, .queue_messages_max = 1 });

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_forget(t);
    for (uint16_t id = 1; id <= 4; id++)
        PUBLISH(t, 1, "x", id == 1 ? "1" : id == 2 ? "2" : "3", .qos = 1, .id = id);
    TALK_EXPECT(t, "1 PUBACK 1\n1 PUBLISH x 1 q1 id1\n1 PUBACK 2\n1 PUBACK 3\n1 PUBACK 4\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    talk_ack(t, 1, MQTT_PUBACK, 2, 0);
    TALK_EXPECT(t, "1 PUBLISH x 2 q1 id2\n");
    ck_assert_uint_eq(core_stats(t->core).messages_dropped, 2);
    talk_free(t);
}
END_TEST

START_TEST(new_limits_hold_for_what_comes_after)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 1000);
    core_reconfigure(t->core, &(struct core_config){ .session_expiry_max_s = 5, .seed = 99 });
    CONNECT(t, 2, "b", .expiry_s = 1000);
    SUBSCRIBE(t, 2, "x");
    PUBLISH(t, 1, "x", "m");
    TALK_EXPECT(t, "1 CONNACK 00\n2 CONNACK 00 expiry=5\n2 SUBACK 1 00\n2 PUBLISH x m\n");
    talk_cut(t, 1);
    talk_wait(t, 999999);
    ck_assert_uint_eq(core_stats(t->core).sessions, 2);
    talk_free(t);
}
END_TEST

START_TEST(one_message_always_has_room_whatever_its_size)
{
    struct talk *t = talk_new(&(struct core_config){ .queue_bytes_max = 1 });

    CONNECT(t, 1, "a", .expiry_s = 10);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 1, "#", .qos = 1);
    talk_cut(t, 1);
    PUBLISH(t, 2, "x", "1", .qos = 1, .id = 1);
    PUBLISH(t, 2, "x", "2", .qos = 1, .id = 2);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 10);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x 1 q1 id1\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/limits", one_message_always_has_room_whatever_its_size,
          a_congested_connection_loses_qos_0_and_keeps_the_rest,
          a_queue_holds_so_many_messages_and_bytes,
          a_full_window_lets_the_queue_fill_and_no_further, new_limits_hold_for_what_comes_after)
