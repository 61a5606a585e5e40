/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about clients, and what becomes of the answers. [MQTT5 4.12] */
#include "unit.h"

#include "talk.h"

static struct talk *asking(void)
{
    return talk_new(&(struct core_config){ .ask_passwords = true, .ask_methods = true });
}

static void allow(struct talk *t, conn_id conn, uint64_t ask)
{
    talk_answer(t, conn, (struct core_answer){ .ask = ask, .verdict = CORE_ALLOW });
}

START_TEST(user_name_and_password_are_asked_about)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .username = "u", .password = "p", .will_topic = "w", .will_payload = "gone",
            .expiry_s = 3, .version = MQTT_5);
    TALK_EXPECT(t, "1 pause\n1 ask 1 connect [a] [u] [p] [] []\n");
    ck_assert_uint_eq(core_stats(t->core).clients, 0);
    allow(t, 1, 1);
    TALK_EXPECT(t, "1 CONNACK 00\n1 resume\n");
    CONNECT(t, 2, "b", .username = "u", .version = MQTT_311);
    TALK_EXPECT(t, "2 pause\n2 ask 2 connect [b] [u] [] [] []\n");
    talk_answer(t, 2,
                (struct core_answer){
                    .ask = 2, .verdict = CORE_DENY, .reason = REASON_BAD_USER_NAME_OR_PASSWORD });
    TALK_EXPECT(t, "2 CONNACK 86\n2 close\n");
    CONNECT(t, 3, "c"); /* whether nobody in particular may come in is not asked */
    SUBSCRIBE(t, 3, "w");
    talk_cut(t, 1);
    TALK_EXPECT(t, "3 CONNACK 00\n3 SUBACK 1 00\n3 PUBLISH w gone\n");
    talk_free(t);
}
END_TEST

START_TEST(what_is_not_awaited_any_more_is_ignored)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .username = "u");
    allow(t, 1, 99);
    TALK_EXPECT(t, "1 pause\n1 ask 1 connect [a] [u] [] [] []\n");
    talk_cut(t, 1);
    allow(t, 1, 1);
    CONNECT(t, 1, "a", .username = "u");
    allow(t, 1, 1);
    TALK_EXPECT(t, "1 pause\n1 ask 2 connect [a] [u] [] [] []\n");
    allow(t, 1, 2);
    allow(t, 1, 2);
    TALK_EXPECT(t, "1 CONNACK 00\n1 resume\n");
    talk_free(t);
}
END_TEST

START_TEST(who_gets_no_answer_does_not_wait_for_ever)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .username = "u");
    talk_forget(t);
    talk_wait(t, 10000);
    TALK_EXPECT(t, "1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] */
START_TEST(an_exchange_ends_with_connack)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .method = "M", .auth_data = "one");
    TALK_EXPECT(t, "1 pause\n1 ask 1 connect [a] [] [] [M] [one]\n");
    talk_answer(t, 1,
                (struct core_answer){ .ask = 1, .verdict = CORE_CONTINUE, .data = STR("two") });
    TALK_EXPECT(t, "1 AUTH 18 M <two>\n1 resume\n");
    talk_auth(t, 1, REASON_CONTINUE_AUTHENTICATION, "M", "three");
    TALK_EXPECT(t, "1 pause\n1 ask 2 continue [a] [] [] [M] [three]\n");
    talk_answer(t, 1, (struct core_answer){ .ask = 2, .verdict = CORE_ALLOW, .data = STR("four") });
    TALK_EXPECT(t, "1 CONNACK 00 M <four>\n1 resume\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.12.0-1] [MQTT-4.12.0-4] */
START_TEST(a_method_that_nobody_knows_is_refused)
{
    struct talk *t = talk_new(NULL), *u = asking();

    CONNECT(t, 1, "a", .method = "M");
    TALK_EXPECT(t, "1 CONNACK 8c\n1 close\n");
    CONNECT(u, 2, "b", .method = "");
    TALK_EXPECT(u, "2 CONNACK 8c\n2 close\n");
    CONNECT(u, 1, "a", .method = "M");
    talk_forget(u);
    talk_answer(u, 1,
                (struct core_answer){
                    .ask = 1, .verdict = CORE_DENY, .reason = REASON_BAD_AUTHENTICATION_METHOD });
    TALK_EXPECT(u, "1 CONNACK 8c\n1 close\n");
    talk_free(t);
    talk_free(u);
}
END_TEST

/* [MQTT-4.12.1-1] [MQTT-4.12.1-2] */
START_TEST(a_connected_client_authenticates_again)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .method = "M");
    allow(t, 1, 1);
    talk_forget(t);
    talk_auth(t, 1, REASON_REAUTHENTICATE, "M", "one");
    TALK_EXPECT(t, "1 ask 2 again [a] [] [] [M] [one]\n");
    SUBSCRIBE(t, 1, "x"); /* goes on meanwhile */
    TALK_EXPECT(t, "1 SUBACK 1 00\n");
    talk_answer(t, 1,
                (struct core_answer){ .ask = 2, .verdict = CORE_CONTINUE, .data = STR("two") });
    talk_auth(t, 1, REASON_CONTINUE_AUTHENTICATION, "M", "three");
    talk_answer(t, 1, (struct core_answer){ .ask = 3, .verdict = CORE_ALLOW, .data = STR("four") });
    TALK_EXPECT(t, "1 AUTH 18 M <two>\n1 ask 3 continue [a] [] [] [M] [three]\n"
                   "1 AUTH 00 M <four>\n");
    talk_auth(t, 1, REASON_REAUTHENTICATE, "M", "one");
    talk_answer(t, 1, (struct core_answer){ .ask = 4, .verdict = CORE_DENY });
    TALK_EXPECT(t, "1 ask 4 again [a] [] [] [M] [one]\n1 DISCONNECT 87\n1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.12.0-7] [MQTT-4.12.1-1] */
START_TEST(an_exchange_out_of_turn_ends_the_connection)
{
    static const struct {
        uint8_t reason;
        const char *method;
    } wrong[] = { { REASON_REAUTHENTICATE, "N" },
                  { REASON_CONTINUE_AUTHENTICATION, "M" },
                  { REASON_SUCCESS, "M" } };
    struct talk *t = asking();

    for (conn_id conn = 1; conn <= 3; conn++) {
        CONNECT(t, conn, "a", .method = "M");
        allow(t, conn, conn);
        talk_forget(t);
        talk_auth(t, conn, wrong[conn - 1].reason, wrong[conn - 1].method, "");
        ck_assert_ptr_nonnull(strstr(talk_said(t), "DISCONNECT 82"));
    }
    CONNECT(t, 4, "plain");
    talk_forget(t);
    talk_auth(t, 4, REASON_REAUTHENTICATE, "M", "");
    TALK_EXPECT(t, "4 DISCONNECT 82\n4 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-30] */
START_TEST(nothing_but_auth_and_disconnect_comes_before_connack)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .method = "M");
    CONNECT(t, 2, "b", .method = "M");
    CONNECT(t, 3, "c", .method = "M");
    talk_forget(t);
    SUBSCRIBE(t, 1, "x");
    talk_goodbye(t, 2, 0, -1);
    talk_auth(t, 3, REASON_CONTINUE_AUTHENTICATION, "M", "not asked");
    TALK_EXPECT(t, "1 CONNACK 82\n1 close\n2 close\n3 CONNACK 82\n3 close\n");
    ck_assert_uint_eq(core_stats(t->core).sessions, 0);
    talk_free(t);
}
END_TEST

START_TEST(a_takeover_waits_for_the_answer)
{
    struct talk *t = asking();

    CONNECT(t, 1, "a", .username = "u");
    allow(t, 1, 1);
    talk_forget(t);
    CONNECT(t, 2, "a", .username = "thief");
    TALK_EXPECT(t, "2 pause\n2 ask 2 connect [a] [thief] [] [] []\n");
    talk_answer(t, 2, (struct core_answer){ .ask = 2, .verdict = CORE_DENY });
    TALK_EXPECT(t, "2 CONNACK 87\n2 close\n");
    CONNECT(t, 2, "a", .username = "u");
    allow(t, 2, 3);
    TALK_EXPECT(t, "2 pause\n2 ask 3 connect [a] [u] [] [] []\n"
                   "1 DISCONNECT 8e\n1 close\n2 CONNACK 00\n2 resume\n");
    talk_free(t);
}
END_TEST

START_TEST(who_brings_a_method_is_not_nobody)
{
    struct talk *t = talk_new(&(struct core_config){ .deny_anonymous = true, .ask_methods = true });

    CONNECT(t, 1, "a", .method = "M");
    TALK_EXPECT(t, "1 pause\n1 ask 1 connect [a] [] [] [M] []\n");
    CONNECT(t, 2, "b", .username = "u"); /* of passwords nobody is asked here */
    CONNECT(t, 3, "c");
    TALK_EXPECT(t, "2 CONNACK 00\n3 CONNACK 87\n3 close\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/auth", user_name_and_password_are_asked_about,
          what_is_not_awaited_any_more_is_ignored, who_gets_no_answer_does_not_wait_for_ever,
          an_exchange_ends_with_connack, a_method_that_nobody_knows_is_refused,
          a_connected_client_authenticates_again, an_exchange_out_of_turn_ends_the_connection,
          nothing_but_auth_and_disconnect_comes_before_connack, a_takeover_waits_for_the_answer,
          who_brings_a_method_is_not_nobody)
