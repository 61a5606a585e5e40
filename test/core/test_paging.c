/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that go on in the store, and come back after a restart. */
#include "unit.h"

#include "talk.h"

static struct talk *talk_with_store(const struct core_config *config)
{
    struct talk *t = talk_new(config);

    t->show = TALK_STORES;
    return t;
}

/* One client away whose queue is over the broker's memory at once. */
static struct talk *away(void)
{
    struct talk *t = talk_with_store(&(struct core_config){ .queue_memory_bytes_max = 1 });

    CONNECT(t, 1, "a", .expiry_s = 100);
    SUBSCRIBE(t, 1, "x", .qos = 2);
    talk_cut(t, 1);
    CONNECT(t, 9, "z");
    return t;
}

START_TEST(a_queue_goes_on_in_the_store_and_comes_back)
{
    struct talk *t = away();

    for (uint16_t id = 1; id <= 4; id++)
        PUBLISH(t, 9, "x", "m", .qos = 1, .id = id);
    ck_assert_uint_eq(core_stats(t->core).queued, 4);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 2);
    /* the first is in memory, as it was below the limit when it came */
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m q1 id1\n"
                   "store SESSION_PUT session1 a here\nload session1 from1\n");
    PUBLISH(t, 9, "x", "n", .qos = 1, .id = 5); /* behind the others */
    TALK_EXPECT(t, "9 PUBACK 5\nstore QUEUE_PUT session1 seq4 q1 x\n");
    talk_loaded(t, 1, 1, "mm");
    TALK_EXPECT(t, "1 PUBLISH x 1 q1 id2\nload session1 from3\n");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    TALK_EXPECT(t, "1 PUBLISH x 2 q1 id3\nstore QUEUE_DEL lazily session1 seq0 undoes4\n");
    talk_loaded(t, 1, 3, "mm");
    ck_assert_uint_eq(core_stats(t->core).queued, 2);
    talk_ack(t, 1, MQTT_PUBACK, 2, 0);
    talk_ack(t, 1, MQTT_PUBACK, 3, 0);
    TALK_EXPECT(t, "1 PUBLISH x 3 q1 id4\nstore QUEUE_DEL lazily session1 seq1\n"
                   "1 PUBLISH x 4 q1 id5\nstore QUEUE_DEL lazily session1 seq2\n");
    talk_ack(t, 1, MQTT_PUBACK, 4, 0);
    talk_ack(t, 1, MQTT_PUBACK, 5, 0);
    talk_forget(t);
    PUBLISH(t, 9, "x", "o", .qos = 1, .id = 6); /* memory again */
    TALK_EXPECT(t, "1 PUBLISH x o q1 id6\n9 PUBACK 6\nstore QUEUE_PUT session1 seq5 q1 x\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_free(t);
}
END_TEST

START_TEST(what_the_store_has_lost_is_passed_over)
{
    struct talk *t = away();

    for (uint16_t id = 1; id <= 6; id++)
        PUBLISH(t, 9, "x", "m", .qos = 1, .id = id);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    talk_forget(t);
    talk_loaded(t, 1, 1, "-m-");
    TALK_EXPECT(t, "1 PUBLISH x 2 q1 id3\nload session1 from4\n");
    talk_loaded(t, 1, 4, ".");
    TALK_EXPECT(t, "");
    talk_ack(t, 1, MQTT_PUBACK, 1, 0);
    talk_ack(t, 1, MQTT_PUBACK, 3, 0);
    talk_forget(t);
    PUBLISH(t, 9, "x", "n", .qos = 1, .id = 7);
    TALK_EXPECT(t, "1 PUBLISH x n q1 id5\n9 PUBACK 7\nstore QUEUE_PUT session1 seq4 q1 x\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    talk_free(t);
}
END_TEST

START_TEST(a_session_may_end_while_its_queue_is_on_its_way)
{
    struct talk *t = away();

    for (uint16_t id = 1; id <= 3; id++)
        PUBLISH(t, 9, "x", "m", .qos = 1, .id = id);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    CONNECT(t, 2, "a");
    talk_forget(t);
    talk_loaded(t, 1, 1, "mm");
    TALK_EXPECT(t, "");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    ck_assert_uint_eq(core_stats(t->core).queued_bytes, 0);
    talk_free(t);
}
END_TEST

/* It resumes for the last time: what is nowhere but in the store must still come. */
START_TEST(a_queue_in_the_store_outlives_the_wish_to_keep_it)
{
    struct talk *t = away();

    PUBLISH(t, 9, "x", "m", .qos = 1, .id = 1);
    PUBLISH(t, 9, "x", "m", .qos = 1, .id = 2);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH x m q1 id1\n"
                   "store SESSION_PUT session1 a here for-its-will\nload session1 from1\n");
    talk_loaded(t, 1, 1, "m");
    TALK_EXPECT(t, "1 PUBLISH x 1 q1 id2\n");
    talk_cut(t, 1);
    TALK_EXPECT(t, "store SESSION_DEL session1\n");
    talk_free(t);
}
END_TEST

/* ---- after a restart ---- */

static void restore_session(struct talk *t, struct durable_session about)
{
    about.client_id = STR("a");
    if (about.expiry_s == 0)
        about.expiry_s = 100;
    talk_restore(t, &(struct durable_op){
                        .kind = DURABLE_SESSION_PUT, .session = 7, .about = &about });
    talk_restore(t, &(struct durable_op){ .kind = DURABLE_SUB_PUT,
                                          .session = 7,
                                          .text = STR("x"),
                                          .options = 2,
                                          .sub_id = 5 });
}

START_TEST(a_session_comes_back_with_all_it_had)
{
    struct talk *t = talk_with_store(NULL);

    t->show |= TALK_INTERESTS;
    restore_session(t, (struct durable_session){ .expires_ms = t->now_ms + 5000, .sent_seq = 12 });
    talk_restore(t, &(struct durable_op){ .kind = DURABLE_INCOMING_PUT,
                                          .session = 7,
                                          .packet_id = 33 });
    talk_restore(t, &(struct durable_op){ .kind = DURABLE_QUEUE_STATE,
                                          .session = 7,
                                          .seq = 10,
                                          .queue = { .end = 14, .count = 4, .bytes = 100 } });
    TALK_EXPECT(t, "interest x wanted q2 persistent\n");
    CONNECT(t, 9, "z");
    PUBLISH(t, 9, "x", "new", .qos = 1, .id = 1);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "1 CONNACK 00 present\nstore SESSION_PUT session7 a here sent10\n"
                   "load session7 from10\n");
    talk_loaded(t, 7, 10, "rMMmm"); /* received; sent; the others never were */
    TALK_EXPECT(t, "1 PUBREL 11\n1 PUBLISH x 11 q2 id12 dup\n1 PUBLISH x 12 q2 id13\n"
                   "1 PUBLISH x 13 q1 id14\n1 PUBLISH x 14 q1 id15\n");
    PUBLISH(t, 1, "y", "again", .qos = 2, .id = 33, .dup = true); /* taken over before */
    talk_ack(t, 1, MQTT_PUBREL, 33, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 11, 0);
    TALK_EXPECT(t, "1 PUBREC 33\n1 PUBCOMP 33\nstore INCOMING_DEL session7 id33\n"
                   "store QUEUE_DEL lazily session7 seq10\n");
    ck_assert_uint_eq(core_stats(t->core).queued, 0);
    CONNECT(t, 2, "b", .expiry_s = 9);
    TALK_EXPECT(t, "2 CONNACK 00\nstore SESSION_PUT session9 b here\n"); /* no number twice */
    talk_free(t);
}
END_TEST

/* Its last messages were sent and done with before the restart: their places are given anew. */
START_TEST(what_is_queued_after_a_restart_was_never_sent_before)
{
    struct talk *t = talk_with_store(&(struct core_config){ .queue_memory_bytes_max = 1 });

    restore_session(t, (struct durable_session){ .expires_ms = t->now_ms + 5000, .sent_seq = 13 });
    talk_restore(t, &(struct durable_op){ .kind = DURABLE_QUEUE_STATE,
                                          .session = 7,
                                          .seq = 10,
                                          .queue = { .end = 11, .count = 1, .bytes = 25 } });
    CONNECT(t, 9, "z");
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .receive_max = 1);
    talk_forget(t);
    talk_loaded(t, 7, 10, "M");
    TALK_EXPECT(t, "1 PUBLISH x 10 q2 id11 dup\n");
    PUBLISH(t, 9, "x", "m", .qos = 1, .id = 1); /* in memory; */
    PUBLISH(t, 9, "x", "n", .qos = 1, .id = 2); /* in the store */
    talk_forget(t);
    talk_loaded(t, 7, 12, "m");
    TALK_EXPECT(t, "");
    talk_ack(t, 1, MQTT_PUBREC, 11, 0);
    talk_ack(t, 1, MQTT_PUBCOMP, 11, 0);
    talk_ack(t, 1, MQTT_PUBACK, 12, 0);
    TALK_EXPECT(t, "1 PUBREL 11\nstore QUEUE_RECEIVED session7 seq10\n"
                   "1 PUBLISH x m q1 id12 sub=5\nstore QUEUE_DEL lazily session7 seq10\n"
                   "1 PUBLISH x 12 q1 id13\nstore QUEUE_DEL lazily session7 seq11 undoes2\n");
    talk_free(t);
}
END_TEST

START_TEST(time_went_on_while_the_broker_was_down)
{
    struct talk *t = talk_with_store(NULL);

    restore_session(t, (struct durable_session){ .expires_ms = t->now_ms - 1 });
    talk_wait(t, 1000);
    TALK_EXPECT(t, "store SESSION_DEL session7\n");
    talk_free(t);

    t = talk_with_store(NULL); /* who was connected is away since now, and that is noted */
    restore_session(t, (struct durable_session){ .connected = true });
    TALK_EXPECT(t, "store SESSION_PUT lazily session7 a away\n");
    talk_wait(t, 99 * 1000);
    TALK_EXPECT(t, "");
    talk_wait(t, 3 * 1000);
    TALK_EXPECT(t, "store SESSION_DEL session7\n");
    talk_free(t);
}
END_TEST

START_TEST(wills_fire_after_a_crash)
{
    struct talk *t = talk_with_store(NULL);
    struct message *will = message_new(STR("w"), (struct str){ NULL, 0 }, STR("gone"));
    struct durable_session about = { .client_id = STR("b"), .connected = true, .will = will };

    talk_restore(t, &(struct durable_op){
                        .kind = DURABLE_SESSION_PUT, .session = 8, .about = &about });
    restore_session(t, (struct durable_session){ .connected = true,
                                                 .will = will,
                                                 .will_delay_s = 5 });
    CONNECT(t, 9, "z");
    SUBSCRIBE(t, 9, "w");
    talk_forget(t);
    t->show = TALK_FACTS;
    talk_wait(t, 1000);
    TALK_EXPECT(t, "9 PUBLISH w gone\nfact session expired b 00 0\nfact will b 00 0\n");
    talk_wait(t, 3900);
    TALK_EXPECT(t, "");
    talk_wait(t, 1100);
    TALK_EXPECT(t, "9 PUBLISH w gone\nfact will a 00 0\n");
    talk_free(t);
    message_unref(will);
}
END_TEST

START_TEST(a_will_that_was_due_is_not_taken_back_by_who_returns_first)
{
    struct talk *t = talk_with_store(NULL);
    struct message *will = message_new(STR("x"), (struct str){ NULL, 0 }, STR("gone"));

    restore_session(t, (struct durable_session){ .connected = true, .will = will });
    CONNECT(t, 9, "z");
    SUBSCRIBE(t, 9, "x");
    talk_forget(t);
    t->show = 0;
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    TALK_EXPECT(t, "9 PUBLISH x gone\n1 CONNACK 00 present\n");
    talk_free(t);
    message_unref(will);
}
END_TEST

START_TEST(retained_messages_come_back)
{
    struct talk *t = talk_with_store(NULL);
    struct message *message = message_new(STR("r"), (struct str){ NULL, 0 }, STR("v"));

    message->qos = 1;
    message->retain = true;
    message->expires_ms = t->now_ms + 10000;
    talk_restore(t, &(struct durable_op){ .kind = DURABLE_RETAIN_PUT, .message = message });
    message_unref(message);
    CONNECT(t, 1, "a");
    talk_forget(t);
    SUBSCRIBE(t, 1, "r", .qos = 1);
    TALK_EXPECT(t, "1 SUBACK 1 01\n1 PUBLISH r v q1 id1 retain expiry=10\n");
    talk_wait(t, 11000);
    TALK_EXPECT(t, "store RETAIN_DEL lazily r\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/paging", a_queue_goes_on_in_the_store_and_comes_back,
          what_the_store_has_lost_is_passed_over,
          a_session_may_end_while_its_queue_is_on_its_way,
          a_queue_in_the_store_outlives_the_wish_to_keep_it, a_session_comes_back_with_all_it_had,
          what_is_queued_after_a_restart_was_never_sent_before, time_went_on_while_the_broker_was_down, wills_fire_after_a_crash,
          a_will_that_was_due_is_not_taken_back_by_who_returns_first,
          retained_messages_come_back)
