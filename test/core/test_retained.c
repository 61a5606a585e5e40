/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/rand.h"
#include "core/retained.h"
#include "talk.h"

#include <string.h>

/* [MQTT-3.3.1-5] [MQTT-3.3.1-8] [MQTT-3.3.1-12] */
START_TEST(the_last_retained_message_greets_a_new_subscription)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x/+");
    talk_forget(t);
    PUBLISH(t, 1, "x/1", "old", .retain = true);
    PUBLISH(t, 1, "x/1", "new", .retain = true, .qos = 1, .id = 1);
    TALK_EXPECT(t, "1 PUBLISH x/1 old\n1 PUBLISH x/1 new\n1 PUBACK 1\n");
    CONNECT(t, 2, "b", .version = MQTT_311);
    SUBSCRIBE(t, 2, "x/#", .qos = 2);
    TALK_EXPECT(t, "2 CONNACK 00\n2 SUBACK 1 02\n2 PUBLISH x/1 new q1 id1 retain\n");
    ck_assert_uint_eq(core_stats(t->core).retained, 1);
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.1-6] [MQTT-3.3.1-7] */
START_TEST(an_empty_message_deletes_what_was_retained_and_is_delivered)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x");
    PUBLISH(t, 1, "x", "m", .retain = true);
    talk_forget(t);
    PUBLISH(t, 1, "x", "", .retain = true);
    TALK_EXPECT(t, "1 PUBLISH x \n");
    ck_assert_uint_eq(core_stats(t->core).retained, 0);
    ck_assert_uint_eq(core_stats(t->core).retained_bytes, 0);
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "#");
    TALK_EXPECT(t, "2 CONNACK 00\n2 SUBACK 1 00\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.3.1-13] */
START_TEST(retain_handling_and_retain_as_published_are_obeyed)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "x", "m", .retain = true);
    talk_forget(t);
    SUBSCRIBE(t, 1, "x", .handling = 2);
    TALK_EXPECT(t, "1 SUBACK 1 00\n");
    SUBSCRIBE(t, 1, "x", .handling = 1);
    TALK_EXPECT(t, "1 SUBACK 1 00\n");
    SUBSCRIBE(t, 1, "x", .handling = 0, .sub_id = 4);
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH x m retain sub=4\n");
    talk_unsubscribe(t, 1, "x");
    talk_forget(t);
    SUBSCRIBE(t, 1, "x", .handling = 1, .as_published = true);
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH x m retain\n");
    PUBLISH(t, 1, "x", "n", .retain = true);
    TALK_EXPECT(t, "1 PUBLISH x n retain\n");
    talk_free(t);
}
END_TEST

START_TEST(naming_a_filter_without_end_does_not_multiply_what_is_retained)
{
    enum { ENTRIES = 30000 };
    struct talk *t = talk_new(NULL);
    struct buf list = { 0 };

    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "x", "m", .retain = true);
    for (int i = 0; i < ENTRIES; i++)
        mqtt_subscribe_add(&list, MQTT_5, STR("x"), &(struct mqtt_sub_options){ 0 });
    talk_packet(t, 1,
                &(struct mqtt_packet){ .kind = MQTT_SUBSCRIBE,
                                       .subscribe = { .packet_id = 1, .list = buf_str(&list) } });
    ck_assert_uint_gt(core_stats(t->core).publishes_out[0], 4);
    ck_assert_uint_lt(core_stats(t->core).publishes_out[0], ENTRIES / 2);
    buf_finish(&list);
    talk_free(t);
}
END_TEST

START_TEST(a_retained_message_leaves_when_its_time_is_over)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "x", "m", .retain = true, .expiry_s = 10);
    PUBLISH(t, 1, "y", "m", .retain = true, .expiry_s = 10);
    PUBLISH(t, 1, "y", "n", .retain = true);
    talk_wait(t, 4000);
    talk_forget(t);
    SUBSCRIBE(t, 1, "x");
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH x m retain expiry=6\n");
    talk_wait(t, 6000);
    ck_assert_uint_eq(core_stats(t->core).retained, 1);
    SUBSCRIBE(t, 1, "#");
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH y n retain\n");
    talk_free(t);
}
END_TEST

START_TEST(there_is_room_for_so_many_and_who_can_be_told_is)
{
    struct talk *t =
        talk_new(&(struct core_config){ .retained_max = 1, .retained_bytes_max = 200 });

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    SUBSCRIBE(t, 2, "y");
    PUBLISH(t, 1, "x", "m", .retain = true);
    talk_forget(t);
    PUBLISH(t, 1, "y", "m", .retain = true, .qos = 1, .id = 1);
    PUBLISH(t, 1, "y", "0", .retain = true);
    PUBLISH(t, 2, "y", "1", .retain = true, .qos = 1, .id = 2);
    PUBLISH(t, 1, "x", "n", .retain = true, .qos = 1, .id = 3);
    TALK_EXPECT(t, "1 PUBACK 1 97 \"quota exceeded\"\n2 PUBLISH y 0\n2 PUBACK 2\n2 PUBLISH y 1\n"
                   "1 PUBACK 3\n");
    char large[201];
    memset(large, 'x', 200);
    large[200] = 0;
    PUBLISH(t, 1, "x", large, .retain = true, .qos = 2, .id = 4);
    TALK_EXPECT(t, "1 PUBREC 4 97 \"quota exceeded\"\n");
    ck_assert_uint_eq(core_stats(t->core).retained, 1);
    talk_free(t);
}
END_TEST

START_TEST(topics_of_the_broker_are_hidden_from_leading_wildcards)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "$x/1", "m", .retain = true);
    talk_forget(t);
    SUBSCRIBE(t, 1, "#");
    SUBSCRIBE(t, 1, "+/1");
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 SUBACK 1 00\n");
    SUBSCRIBE(t, 1, "$x/+");
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH $x/1 m retain\n");
    talk_free(t);
}
END_TEST

static struct str random_topic(struct rand *rand, char *out, bool wild)
{
    static const char *const levels[] = { "a", "b", "", "$c", "+", "#" };
    size_t n = 0, depth = 1 + rand_below(rand, 4);

    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, wild ? 6 : 4)];
        if (i)
            out[n++] = '/';
        n += strlen(strcpy(out + n, level));
        if (*level == '#')
            break;
    }
    if (n == 0)
        out[n++] = 'a';
    return (struct str){ out, n };
}

/* The tree against the plain rule, over puts and removals. */
START_TEST(the_tree_finds_what_the_rule_matches)
{
    enum { TOPICS = 300 };
    static struct message *model[TOPICS];
    struct retained retained;
    struct retained_walk walk;
    struct rand rand;
    char text[64];

    rand_init(&rand, 5);
    ck_assert_int_eq(retained_init(&retained, 1, 0), 0);
    for (int i = 0; i < 5000; i++) {
        struct str topic = random_topic(&rand, text, false);
        size_t at = TOPICS;
        for (size_t j = 0; j < TOPICS; j++) {
            if (model[j] ? str_equal(message_topic(model[j]), topic) : at == TOPICS)
                at = j;
        }
        ck_assert(retained_find(&retained, topic) == model[at]);
        if (model[at]) {
            ck_assert(retained_remove(&retained, topic));
            message_unref(model[at]);
            model[at] = NULL;
        } else {
            model[at] = message_new(topic, STR(""), STR("m"));
            ck_assert_int_eq(retained_put(&retained, model[at]), 0);
        }
        struct str filter = random_topic(&rand, text, true);
        size_t found = 0, expected = 0;
        retained_walk(&walk, &retained, filter);
        for (struct message *m; (m = retained_walk_next(&walk)); found++)
            ck_assert(topic_filter_matches(filter, message_topic(m)));
        for (size_t j = 0; j < TOPICS; j++)
            expected += model[j] && topic_filter_matches(filter, message_topic(model[j]));
        ck_assert_uint_eq(found, expected);
    }
    for (size_t j = 0; j < TOPICS; j++)
        message_unref(model[j]);
    retained_finish(&retained);
}
END_TEST

UNIT_MAIN("core/retained", naming_a_filter_without_end_does_not_multiply_what_is_retained,
          the_last_retained_message_greets_a_new_subscription,
          an_empty_message_deletes_what_was_retained_and_is_delivered,
          retain_handling_and_retain_as_published_are_obeyed,
          a_retained_message_leaves_when_its_time_is_over,
          there_is_room_for_so_many_and_who_can_be_told_is,
          topics_of_the_broker_are_hidden_from_leading_wildcards,
          the_tree_finds_what_the_rule_matches)
