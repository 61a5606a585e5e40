/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "talk.h"

#include <stdio.h>
#include <string.h>

/* [MQTT-3.2.0-1] [MQTT-3.1.4-5] [MQTT-3.2.0-2] */
START_TEST(each_version_is_let_in_and_told_what_it_must_know)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_CONNACK;
    CONNECT(t, 1, "a", .version = MQTT_31);
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c");
    TALK_EXPECT(t, "1 CONNACK 00\n"
                   "2 CONNACK 00\n"
                   "3 CONNACK 00 receive_max=1024 packet_max=16777216 alias_max=64 shared=1\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.3-6] [MQTT-3.2.2-16] [MQTT-3.1.3-8] */
START_TEST(an_empty_client_id_is_given_a_name_where_the_version_allows_it)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "", .version = MQTT_31);
    CONNECT(t, 2, "", .version = MQTT_311, .keep = true);
    CONNECT(t, 3, "", .version = MQTT_311);
    TALK_EXPECT(t, "1 CONNACK 85\n1 close\n"
                   "2 CONNACK 85\n2 close\n"
                   "3 CONNACK 00\n");
    CONNECT(t, 4, "");
    const char *said = talk_said(t);
    ck_assert(strncmp(said, "4 CONNACK 00 id=auto-", 21) == 0);
    char id[64];
    ck_assert_int_eq(sscanf(said, "4 CONNACK 00 id=%63s", id), 1);
    CONNECT(t, 5, id);
    TALK_EXPECT(t, "4 DISCONNECT 8e\n4 close\n5 CONNACK 00\n");
    talk_free(t);
}
END_TEST

/* Longer than 23 characters is tolerated in 3.1. */
START_TEST(a_long_client_id_of_the_oldest_version_is_tolerated)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "abcdefghijklmnopqrstuvwxyz0123456789", .version = MQTT_31);
    TALK_EXPECT(t, "1 CONNACK 00\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.4-3] */
START_TEST(a_client_that_comes_again_takes_over_from_itself)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_FACTS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "a", .version = MQTT_311);
    CONNECT(t, 3, "a");
    TALK_EXPECT(t, "1 CONNACK 00\n"
                   "fact connected a 00 0\n"
                   "1 DISCONNECT 8e\n1 close\n2 CONNACK 00\n"
                   "fact taken over a 8e 0\n"
                   "fact connected a 00 0\n"
                   "2 close\n3 CONNACK 00\n"
                   "fact taken over a 8e 0\n"
                   "fact connected a 00 0\n");
    ck_assert_uint_eq(core_stats(t->core).sessions, 1);
    ck_assert_uint_eq(core_stats(t->core).connections, 1);
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.0-2] */
START_TEST(a_second_connect_is_a_protocol_error)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 2, "b", .version = MQTT_311);
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 82\n1 close\n2 CONNACK 00\n2 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.0-1] */
START_TEST(anything_before_connect_closes)
{
    struct talk *t = talk_new(NULL);

    talk_open(t, 1);
    talk_hex(t, 1, "c0 00");
    TALK_EXPECT(t, "1 close\n");
    talk_open(t, 2);
    talk_hex(t, 2, "ff 00");
    TALK_EXPECT(t, "2 close\n");
    talk_free(t);
}
END_TEST

START_TEST(who_does_not_say_connect_in_time_is_closed)
{
    struct talk *t = talk_new(&(struct core_config){ .connect_timeout_ms = 500 });

    talk_open(t, 1);
    talk_wait(t, 499);
    TALK_EXPECT(t, "");
    talk_wait(t, 1);
    TALK_EXPECT(t, "1 close\n");
    ck_assert_uint_eq(core_deadline(t->core), UINT64_MAX);
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-2] */
START_TEST(an_unknown_version_is_told_so_in_the_oldest_words)
{
    struct talk *t = talk_new(NULL);

    talk_open(t, 1);
    talk_hex(t, 1, "10 0d 00 04 4d 51 54 54 09 02 00 00 00 01 61");
    TALK_EXPECT(t, "1 CONNACK 84\n1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.4-1] [MQTT311-3.1.4-1] [MQTT5 4.13.1]: only version 5 is told why. */
START_TEST(a_connect_that_cannot_be_read_is_refused_with_its_reason)
{
    static const struct {
        const char *hex, *said;
    } cases[] = {
        /* the reserved flag; a property twice; one of another packet; no UTF-8 */
        { "10 0e 00 04 4d 51 54 54 05 03 00 00 00 00 01 61", "1 CONNACK 81\n1 close\n" },
        { "10 14 00 04 4d 51 54 54 05 02 00 00 06 21 00 01 21 00 01 00 01 61",
          "1 CONNACK 82\n1 close\n" },
        { "10 10 00 04 4d 51 54 54 05 02 00 00 02 24 01 00 01 61", "1 CONNACK 81\n1 close\n" },
        { "10 0e 00 04 4d 51 54 54 05 02 00 00 00 00 01 ff", "1 CONNACK 81\n1 close\n" },
        /* a will whose topic has a wildcard */
        { "10 15 00 04 4d 51 54 54 05 06 00 00 00 00 01 61 00 00 01 23 00 01 78",
          "1 CONNACK 90\n1 close\n" },
        { "10 0d 00 04 4d 51 54 54 04 03 00 00 00 01 61", "1 close\n" },
        { "10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 ff", "1 close\n" },
        { "10 0f 00 06 4d 51 49 73 64 70 03 02 00 00 00 01 ff", "1 close\n" },
        { "10 0d 00 04 6d 71 74 74 05 02 00 00 00 01 61", "1 close\n" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk *t = talk_new(NULL);
        talk_open(t, 1);
        talk_hex(t, 1, cases[i].hex);
        TALK_EXPECT(t, cases[i].said);
        talk_free(t);
    }
}
END_TEST

/* 3.1 has bits that "are not used", and a server that reads its CONNECT ignores them. */
START_TEST(bits_without_a_use_in_the_oldest_version_are_ignored)
{
    struct talk *t = talk_new(NULL);

    talk_open(t, 1);
    talk_hex(t, 1, "1b 0f 00 06 4d 51 49 73 64 70 03 03 00 00 00 01 61");
    talk_hex(t, 1, "c5 00");
    TALK_EXPECT(t, "1 CONNACK 00\n1 PINGRESP\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] */
START_TEST(without_credentials_only_the_open_house_lets_in)
{
    struct talk *t = talk_new(&(struct core_config){ .deny_anonymous = true });

    t->show = TALK_FACTS;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c", .username = "me");
    TALK_EXPECT(t, "1 CONNACK 87\n1 close\nfact refused a 87 0\n"
                   "2 CONNACK 87\n2 close\nfact refused b 87 0\n"
                   "3 CONNACK 00\nfact connected c 00 0\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.12.0-1] [MQTT-4.12.0-7] */
START_TEST(methods_of_authentication_are_refused)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_CONNACK;
    CONNECT(t, 1, "a", .method = "SCRAM-SHA-1");
    TALK_EXPECT(t, "1 CONNACK 8c \"bad authentication method\"\n1 close\n");
    CONNECT(t, 2, "b");
    talk_forget(t);
    talk_hex(t, 2, "f0 00");
    TALK_EXPECT(t, "2 DISCONNECT 82\n2 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.2.2-21] [MQTT-3.1.2-22] */
START_TEST(a_silent_client_is_closed_after_one_and_a_half_keep_alives)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .keep_alive = 10);
    CONNECT(t, 2, "b", .keep_alive = 10, .version = MQTT_311);
    CONNECT(t, 3, "c");
    talk_forget(t);
    talk_wait(t, 10000);
    talk_hex(t, 2, "c0 00");
    TALK_EXPECT(t, "2 PINGRESP\n"); /* [MQTT-3.12.4-1] */
    talk_wait(t, 4999);
    TALK_EXPECT(t, "");
    talk_wait(t, 1);
    TALK_EXPECT(t, "1 DISCONNECT 8d\n1 close\n");
    talk_wait(t, 9999);
    TALK_EXPECT(t, "");
    talk_wait(t, 1);
    TALK_EXPECT(t, "2 close\n");
    talk_wait(t, 1000000);
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-22] */
START_TEST(a_packet_that_takes_long_to_arrive_is_no_silence)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .keep_alive = 10);
    talk_forget(t);
    for (int i = 0; i < 10; i++) {
        talk_wait(t, 10000);
        talk_event(t, 1, CORE_HEARD);
    }
    talk_wait(t, 14999);
    TALK_EXPECT(t, "");
    talk_wait(t, 1);
    TALK_EXPECT(t, "1 DISCONNECT 8d\n1 close\n");
    talk_free(t);
}
END_TEST

START_TEST(a_keep_alive_that_is_too_long_is_shortened_where_the_client_can_be_told)
{
    struct talk *t = talk_new(&(struct core_config){ .keep_alive_max_s = 5 });

    CONNECT(t, 1, "a", .keep_alive = 10);
    CONNECT(t, 2, "b");
    CONNECT(t, 3, "c", .version = MQTT_311);
    TALK_EXPECT(t, "1 CONNACK 00 keep_alive=5\n2 CONNACK 00 keep_alive=5\n3 CONNACK 00\n");
    talk_wait(t, 7500);
    TALK_EXPECT(t, "1 DISCONNECT 8d\n1 close\n2 DISCONNECT 8d\n2 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.13.1-1] [MQTT-3.1.4-1] */
START_TEST(errors_are_answered_as_the_version_can)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    talk_forget(t);
    talk_hex(t, 1, "36 05 00 01 61 00 01"); /* QoS 3 [MQTT-3.3.1-4] */
    talk_hex(t, 2, "36 05 00 01 61 00 01");
    TALK_EXPECT(t, "1 DISCONNECT 81\n1 close\n2 close\n");
    CONNECT(t, 3, "c");
    talk_forget(t);
    talk_hex(t, 3, "30 06 00 03 61 2f 23 00");
    TALK_EXPECT(t, "3 DISCONNECT 90\n3 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.2.2-19] [MQTT-3.14.2-3] */
START_TEST(a_client_without_room_for_words_gets_the_code_alone)
{
    struct talk *t = talk_new(NULL);

    t->show = TALK_CONNACK;
    CONNECT(t, 1, "a", .packet_max = 127, .method = "x");
    TALK_EXPECT(t, "1 CONNACK 8c\n1 close\n");
    CONNECT(t, 2, "b", .packet_max = 127);
    t->wire.len = 0;
    talk_forget(t);
    talk_hex(t, 2, "f0 00");
    TALK_EXPECT(t, "2 DISCONNECT 82\n2 close\n");
    ck_assert_uint_le(t->wire.len, 1 + 4);
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-24] */
START_TEST(an_answer_that_the_client_cannot_take_is_not_sent)
{
    struct talk *t = talk_new(NULL);
    struct buf list = { 0 };

    CONNECT(t, 1, "a", .packet_max = 17);
    TALK_EXPECT(t, "1 close\n");
    CONNECT(t, 2, "a", .packet_max = 20);
    talk_forget(t);
    for (int i = 0; i < 15; i++)
        mqtt_subscribe_add(&list, MQTT_5, STR("x"), &(struct mqtt_sub_options){ 0 });
    talk_packet(t, 2,
                &(struct mqtt_packet){ .kind = MQTT_SUBSCRIBE,
                                       .subscribe = { .packet_id = 1, .list = buf_str(&list) } });
    TALK_EXPECT(t, "2 SUBACK 1 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
    mqtt_subscribe_add(&list, MQTT_5, STR("x"), &(struct mqtt_sub_options){ 0 });
    talk_packet(t, 2,
                &(struct mqtt_packet){ .kind = MQTT_SUBSCRIBE,
                                       .subscribe = { .packet_id = 2, .list = buf_str(&list) } });
    TALK_EXPECT(t, "2 DISCONNECT 95\n2 close\n");
    buf_finish(&list);
    talk_free(t);
}
END_TEST

START_TEST(packets_after_the_close_are_ignored)
{
    struct talk *t = talk_new(NULL);
    struct core_out out = { 0 };
    struct mqtt_packet ping = { .kind = MQTT_PINGREQ };
    struct core_event event = { .kind = CORE_OPEN, .now_ms = t->now_ms, .conn = 9 };

    core_step(t->core, &event, &out);
    event.kind = CORE_PACKET;
    event.packet = &ping;
    core_step(t->core, &event, &out);
    ck_assert_uint_eq(out.sends.len, 1);
    core_step(t->core, &event, &out);
    event.kind = CORE_BAD;
    event.err = ERR_MALFORMED;
    core_step(t->core, &event, &out);
    ck_assert_uint_eq(out.sends.len, 1);
    event.kind = CORE_CLOSED;
    core_step(t->core, &event, &out);
    core_step(t->core, &event, &out);
    ck_assert_uint_eq(out.sends.len, 1);
    core_out_finish(&out);
    talk_free(t);
}
END_TEST

START_TEST(at_shutdown_everyone_is_told)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    talk_open(t, 3);
    talk_forget(t);
    talk_event(t, 0, CORE_SHUTDOWN);
    TALK_EXPECT(t, "1 DISCONNECT 8b\n1 close\n2 close\n3 close\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/connect", each_version_is_let_in_and_told_what_it_must_know,
          an_empty_client_id_is_given_a_name_where_the_version_allows_it,
          a_long_client_id_of_the_oldest_version_is_tolerated,
          a_client_that_comes_again_takes_over_from_itself, a_second_connect_is_a_protocol_error,
          anything_before_connect_closes, who_does_not_say_connect_in_time_is_closed,
          an_unknown_version_is_told_so_in_the_oldest_words,
          a_connect_that_cannot_be_read_is_refused_with_its_reason,
          bits_without_a_use_in_the_oldest_version_are_ignored,
          without_credentials_only_the_open_house_lets_in, methods_of_authentication_are_refused,
          a_silent_client_is_closed_after_one_and_a_half_keep_alives,
          a_packet_that_takes_long_to_arrive_is_no_silence,
          a_keep_alive_that_is_too_long_is_shortened_where_the_client_can_be_told,
          errors_are_answered_as_the_version_can, an_answer_that_the_client_cannot_take_is_not_sent,
          a_client_without_room_for_words_gets_the_code_alone, packets_after_the_close_are_ignored,
          at_shutdown_everyone_is_told)
