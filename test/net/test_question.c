/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about clients go out, and what a client says meanwhile waits for the answer. */
#include "rig.h"

#include "core/core.h"

#include <string.h>
#include <unistd.h>

/* Client "a" with user name "u" and password "p", and what such a client says at once. */
#define CONNECT_AS_U                                                                               \
    "\x10\x13\x00\x04MQTT\x04\xc2\x00\x00\x00\x01"                                                 \
    "a\x00\x01u\x00\x01p"
#define REFUSED               "\x20\x02\x00\x04"
#define PUBLISH_FAR_TOO_LARGE "\x30\x84\x08\x00\x01t"

/* Who decides here. */
struct judge {
    struct rig rig; /* the first member: the rig's callbacks take it for the rig */
    bool at_once;
    uint64_t ask;
    conn_id conn;
    unsigned asked, left;
    char texts[64];
};

static void answer(struct judge *judge, enum core_verdict verdict)
{
    struct core_answer said = { .ask = judge->ask,
                                .verdict = verdict,
                                .reason = REASON_BAD_USER_NAME_OR_PASSWORD };

    net_answer(judge->rig.net, judge->conn, &said);
}

static void on_ask(void *context, const struct core_ask *ask, const uint8_t *bytes)
{
    struct judge *judge = context;

    judge->ask = ask->ask;
    judge->conn = ask->conn;
    judge->asked++;
    snprintf(judge->texts, sizeof judge->texts, "%.*s %.*s %.*s", (int)ask->client_id.len,
             bytes + ask->client_id.at, (int)ask->username.len, bytes + ask->username.at,
             (int)ask->password.len, bytes + ask->password.at);
    if (judge->at_once)
        answer(judge, CORE_ALLOW);
}

static void on_left(void *context, uint32_t conn)
{
    struct judge *judge = context;

    judge->left += conn == judge->conn;
}

static void judge_start(struct judge *judge)
{
    *judge = (struct judge){ 0 };
    rig_init(&judge->rig);
    judge->rig.node_config.core.ask_passwords = true;
    judge->rig.config.ask = on_ask;
    judge->rig.config.left = on_left;
    judge->rig.config.connect_bytes_max = 512;
    rig_start(&judge->rig);
}

static int connect_to(struct judge *judge)
{
    return rig_connect(rig_port(&judge->rig, 0));
}

START_TEST(an_answer_at_once_lets_everything_through)
{
    struct judge judge;

    judge_start(&judge);
    judge.at_once = true;
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U SUBSCRIBE_T PUBLISH_T);
    rig_hear(&judge.rig, fd, CONNACK SUBACK_T PUBLISH_T);
    ck_assert_str_eq(judge.texts, "a u p");
    close(fd);
    rig_stop(&judge.rig);
}
END_TEST

START_TEST(what_comes_behind_a_connect_waits_for_the_answer)
{
    struct judge judge;

    judge_start(&judge);
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U SUBSCRIBE_T "\x30\x05\x00\x01");
    rig_until(&judge.rig, judge.asked == 1);
    rig_say(&judge.rig, fd, "thi" PUBLISH_T); /* still unread, in the socket */
    for (int i = 0; i < 5; i++)
        rig_turn(&judge.rig);
    ck_assert_uint_eq(core_stats(node_core(judge.rig.node)).clients, 0);
    answer(&judge, CORE_ALLOW);
    rig_hear(&judge.rig, fd, CONNACK SUBACK_T PUBLISH_T PUBLISH_T);
    close(fd);
    rig_stop(&judge.rig);
}
END_TEST

START_TEST(who_is_refused_has_said_the_rest_in_vain)
{
    struct judge judge;

    judge_start(&judge);
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U SUBSCRIBE_T);
    rig_until(&judge.rig, judge.asked == 1);
    answer(&judge, CORE_DENY);
    rig_hear(&judge.rig, fd, REFUSED);
    rig_expect_closed(&judge.rig, fd);
    ck_assert_uint_eq(core_stats(node_core(judge.rig.node)).subscriptions, 0);
    close(fd);
    rig_stop(&judge.rig);
}
END_TEST

START_TEST(large_packets_are_for_who_was_let_in)
{
    static const char fill[1024 + 4 - 3] = { 0 };
    struct judge judge;

    judge_start(&judge);
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U SUBSCRIBE_T PUBLISH_FAR_TOO_LARGE);
    rig_until(&judge.rig, judge.asked == 1);
    answer(&judge, CORE_ALLOW);
    rig_hear(&judge.rig, fd, CONNACK SUBACK_T);
    rig_send(&judge.rig, fd, fill, sizeof fill);
    rig_hear(&judge.rig, fd, PUBLISH_FAR_TOO_LARGE);
    rig_expect(&judge.rig, fd, fill, sizeof fill);
    close(fd);
    rig_stop(&judge.rig);
}
END_TEST

START_TEST(whoever_decides_hears_of_who_has_gone)
{
    struct judge judge;

    judge_start(&judge);
    judge.rig.node_config.core.connect_timeout_ms = 1;
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U);
    rig_until(&judge.rig, judge.asked == 1);
    struct core_config config = judge.rig.node_config.core;
    core_reconfigure(node_core(judge.rig.node), &config);
    close(fd);
    int other = connect_to(&judge); /* which gives up soon, as nothing is said on it */
    rig_expect_closed(&judge.rig, other);
    ck_assert_uint_eq(judge.left, 0);
    answer(&judge, CORE_ALLOW); /* whom nobody hears */
    rig_until(&judge.rig, judge.left == 1);
    answer(&judge, CORE_ALLOW); /* too late */
    rig_turn(&judge.rig);
    ck_assert_uint_eq(core_stats(node_core(judge.rig.node)).connections, 0);
    close(other);
    rig_stop(&judge.rig);
}
END_TEST

START_TEST(without_anybody_to_ask_nobody_comes_in)
{
    struct judge judge;

    rig_init(&judge.rig);
    judge.rig.node_config.core.ask_passwords = true;
    rig_start(&judge.rig);
    int fd = connect_to(&judge);
    rig_say(&judge.rig, fd, CONNECT_AS_U);
    rig_hear(&judge.rig, fd, "\x20\x02\x00\x05");
    rig_expect_closed(&judge.rig, fd);
    close(fd);
    rig_stop(&judge.rig);
}
END_TEST

UNIT_MAIN("net/question", an_answer_at_once_lets_everything_through,
          what_comes_behind_a_connect_waits_for_the_answer,
          who_is_refused_has_said_the_rest_in_vain, large_packets_are_for_who_was_let_in,
          whoever_decides_hears_of_who_has_gone, without_anybody_to_ask_nobody_comes_in)
