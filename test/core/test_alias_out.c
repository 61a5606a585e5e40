/* SPDX-License-Identifier: Apache-2.0 */
/* Topic aliases that the broker uses. [MQTT5 3.1.2.11.5] */
#include "unit.h"

#include "talk.h"

/* A publisher on connection 9, a subscriber to everything on 1. */
static struct talk *pair(struct hello hello, uint8_t qos)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "publisher");
    talk_connect(t, 1, "a", hello);
    SUBSCRIBE(t, 1, "#", .qos = qos);
    talk_forget(t);
    return t;
}

/* [MQTT5 3.3.2.3.4]: while one is free, the first message brings it. */
START_TEST(a_topic_that_comes_again_is_named_by_an_alias)
{
    struct talk *t = pair((struct hello){ .alias_max = 10 }, 0);

    for (int i = 0; i < 4; i++)
        PUBLISH(t, 9, "plant/1", "m");
    TALK_EXPECT(t, "1 PUBLISH plant/1 m alias=1\n1 PUBLISH  m alias=1\n1 PUBLISH  m alias=1\n"
                   "1 PUBLISH  m alias=1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] */
START_TEST(no_alias_is_above_what_the_client_allows_and_none_if_it_allows_none)
{
    static const char *const topics[] = { "topic/1", "topic/2", "topic/3" };
    struct talk *t = pair((struct hello){ .alias_max = 2 }, 0);

    CONNECT(t, 2, "b");
    CONNECT(t, 3, "c", .version = MQTT_311);
    SUBSCRIBE(t, 2, "#");
    SUBSCRIBE(t, 3, "#");
    for (int i = 0; i < 6; i++)
        PUBLISH(t, 9, topics[i / 2], "m");
    const char *said = talk_said(t);
    ck_assert_ptr_nonnull(strstr(said, "1 PUBLISH topic/2 m alias=2\n"));
    ck_assert_ptr_nonnull(strstr(said, "1 PUBLISH topic/3 m alias=1\n"));
    ck_assert_ptr_null(strstr(said, "alias=3"));
    ck_assert_ptr_null(strstr(said, "2 PUBLISH  m"));
    ck_assert_ptr_null(strstr(said, "3 PUBLISH  m"));
    talk_free(t);
}
END_TEST

START_TEST(the_alias_that_was_not_used_for_longest_is_given_anew)
{
    struct talk *t = pair((struct hello){ .alias_max = 2 }, 0);

    PUBLISH(t, 9, "topic/1", "m");
    PUBLISH(t, 9, "topic/1", "m");
    PUBLISH(t, 9, "topic/2", "m");
    PUBLISH(t, 9, "topic/2", "m");
    PUBLISH(t, 9, "topic/1", "m");
    talk_forget(t);
    PUBLISH(t, 9, "topic/3", "m");
    PUBLISH(t, 9, "topic/3", "m");
    PUBLISH(t, 9, "topic/1", "m");
    PUBLISH(t, 9, "topic/2", "m");
    TALK_EXPECT(t, "1 PUBLISH topic/3 m\n1 PUBLISH topic/3 m alias=2\n1 PUBLISH  m alias=1\n"
                   "1 PUBLISH topic/2 m\n");
    talk_free(t);
}
END_TEST

START_TEST(short_topics_get_no_alias)
{
    struct talk *t = pair((struct hello){ .alias_max = 2 }, 0);

    PUBLISH(t, 9, "abcd", "m");
    PUBLISH(t, 9, "abcd", "m");
    TALK_EXPECT(t, "1 PUBLISH abcd m\n1 PUBLISH abcd m\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.3.2-7]: an alias holds for one connection. */
START_TEST(aliases_end_with_the_connection)
{
    struct talk *t = pair((struct hello){ .alias_max = 2, .expiry_s = 9 }, 1);

    PUBLISH(t, 9, "topic/1", "m", .qos = 1, .id = 1);
    PUBLISH(t, 9, "topic/1", "m", .qos = 1, .id = 2);
    PUBLISH(t, 9, "topic/1", "m", .qos = 1, .id = 3);
    TALK_EXPECT(t, "1 PUBLISH topic/1 m q1 id1 alias=1\n9 PUBACK 1\n"
                   "1 PUBLISH  m q1 id2 alias=1\n9 PUBACK 2\n"
                   "1 PUBLISH  m q1 id3 alias=1\n9 PUBACK 3\n");
    talk_cut(t, 1);
    CONNECT(t, 1, "a", .keep = true);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH topic/1 m q1 id1 dup\n"
                   "1 PUBLISH topic/1 m q1 id2 dup\n1 PUBLISH topic/1 m q1 id3 dup\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-24] */
START_TEST(a_new_alias_never_makes_a_packet_too_large)
{
    static const char payload[] = "forty-eight bytes make this packet sixty of them";
    struct talk *t = pair((struct hello){ .alias_max = 2, .packet_max = 60 }, 0);

    for (int i = 0; i < 3; i++)
        PUBLISH(t, 9, "topic/1", payload);
    const char *said = talk_said(t);
    ck_assert_ptr_nonnull(strstr(said, "1 PUBLISH topic/1 forty"));
    ck_assert_ptr_null(strstr(said, "alias"));
    talk_free(t);
}
END_TEST

START_TEST(aliases_go_with_identifiers_and_properties)
{
    struct talk *t = pair((struct hello){ .alias_max = 2 }, 0);

    SUBSCRIBE(t, 1, "topic/+", .sub_id = 7);
    talk_forget(t);
    for (int i = 0; i < 3; i++)
        PUBLISH(t, 9, "topic/1", "m", .user = "v", .expiry_s = 9);
    TALK_EXPECT(t, "1 PUBLISH topic/1 m expiry=9 sub=7 alias=1 u=v\n"
                   "1 PUBLISH  m expiry=9 sub=7 alias=1 u=v\n"
                   "1 PUBLISH  m expiry=9 sub=7 alias=1 u=v\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/alias_out", a_topic_that_comes_again_is_named_by_an_alias,
          no_alias_is_above_what_the_client_allows_and_none_if_it_allows_none,
          the_alias_that_was_not_used_for_longest_is_given_anew, short_topics_get_no_alias,
          aliases_end_with_the_connection, a_new_alias_never_makes_a_packet_too_large,
          aliases_go_with_identifiers_and_properties)
