/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../auth/sample.h"
#include "base/err.h"
#include "mqtt/reason.h"
#include "server/authority.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

/* An authority with the users "user" and "other", whose password is pencil, and what it
 * answered: a line each, "conn ask verdict reason [data]". */
struct desk {
    uv_loop_t loop;
    struct authority *authority;
    struct buf answers, bytes;
    const char *peer; /* from where is asked; NULL: 192.0.2.1 */
    uint64_t asks;
};

static void on_answer(void *context, conn_id conn, const struct core_answer *answer)
{
    static const char *const verdicts[] = { "allow", "deny", "continue" };
    struct desk *desk = context;

    buf_printf(&desk->answers, "%u %u %s %02x", conn, (unsigned)answer->ask,
               verdicts[answer->verdict], answer->reason);
    if (answer->data.len)
        buf_printf(&desk->answers, " [%.*s]", STR_ARG(answer->data));
    buf_append_u8(&desk->answers, '\n');
}

static struct users *users_of(const char *text)
{
    struct users *users = NULL;
    struct buf errors = { 0 };

    ck_assert_int_eq(users_parse(str_from_c(text), "f", &users, &errors), ERR_OK);
    return users;
}

static struct desk *desk_of(uint32_t checks_max, struct failures_config failures)
{
    struct desk *desk = calloc(1, sizeof *desk);

    uv_loop_init(&desk->loop);
    desk->authority = authority_new(&(struct authority_config){ .loop = &desk->loop,
                                                                .checks_max = checks_max,
                                                                .cache_max = 8,
                                                                .failures = failures,
                                                                .answer = on_answer,
                                                                .context = desk });
    ck_assert_ptr_nonnull(desk->authority);
    authority_set_users(desk->authority, users_of(USER_LINE "other:" PENCIL_RECORD "\n"));
    return desk;
}

static struct desk *desk_new(uint32_t checks_max)
{
    return desk_of(checks_max, (struct failures_config){ 0 });
}

static void desk_free(struct desk *desk)
{
    authority_free(desk->authority);
    uv_run(&desk->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&desk->loop), 0);
    buf_finish(&desk->answers);
    buf_finish(&desk->bytes);
    free(desk);
}

static struct core_text text(struct desk *desk, const char *words)
{
    struct core_text run = { (uint32_t)desk->bytes.len, words ? (uint32_t)strlen(words) : 0 };

    buf_append_str(&desk->bytes, str_from_c(words));
    return run;
}

static void ask(struct desk *desk, struct core_ask question)
{
    question.ask = ++desk->asks;
    authority_ask(desk->authority, &question, str_from_c(desk->peer ? desk->peer : "192.0.2.1:1"),
                  desk->bytes.data);
    buf_clear(&desk->bytes);
}

static void ask_password(struct desk *desk, conn_id conn, const char *name, const char *password)
{
    ask(desk, (struct core_ask){ .conn = conn,
                                 .username = text(desk, name),
                                 .password = text(desk, password),
                                 .has_username = name != NULL,
                                 .has_password = password != NULL });
}

static void ask_method(struct desk *desk, conn_id conn, enum core_ask_stage stage,
                       const char *method, const char *data)
{
    ask(desk,
        (struct core_ask){
            .conn = conn, .stage = stage, .method = text(desk, method), .data = text(desk, data) });
}

/* All that is answered once every password is verified. */
static void expect(struct desk *desk, const char *answers)
{
    while (authority_stats(desk->authority).checks_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    ck_assert_msg(str_equal(buf_str(&desk->answers), str_from_c(answers)), "%.*s",
                  STR_ARG(buf_str(&desk->answers)));
    buf_clear(&desk->answers);
}

START_TEST(a_password_is_verified_off_the_loop_and_known_the_next_time)
{
    struct desk *desk = desk_new(10);

    ask_password(desk, 1, "user", "pencil");
    ck_assert_uint_eq(desk->answers.len, 0);
    expect(desk, "1 1 allow 00\n");
    ask_password(desk, 2, "user", "pencil"); /* no turn of the loop is needed */
    ck_assert_uint_eq(authority_stats(desk->authority).checks_waiting, 0);
    expect(desk, "2 2 allow 00\n");
    ask_password(desk, 2, "user", "Pencil");
    expect(desk, "2 3 deny 86\n");
    ck_assert_uint_eq(authority_stats(desk->authority).checks_done, 2);
    ck_assert_uint_eq(authority_stats(desk->authority).remembered, 1);
    desk_free(desk);
}
END_TEST

START_TEST(a_name_that_nobody_has_costs_the_same_work)
{
    struct desk *desk = desk_new(10);

    ask_password(desk, 1, "ghost", "pencil");
    expect(desk, "1 1 deny 86\n");
    ask_password(desk, 1, "ghost", "pencil");
    expect(desk, "1 2 deny 86\n");
    ck_assert_uint_eq(authority_stats(desk->authority).checks_done, 2);
    ask_password(desk, 1, "user", NULL);
    ask_password(desk, 1, NULL, "pencil");
    expect(desk, "1 3 deny 86\n1 4 deny 86\n");
    desk_free(desk);
}
END_TEST

START_TEST(so_many_wait_and_the_others_are_told_that_it_is_busy)
{
    struct desk *desk = desk_new(3);

    for (conn_id conn = 1; conn <= 5; conn++)
        ask_password(desk, conn, "user", "wrong");
    ck_assert(str_equal(buf_str(&desk->answers), STR("4 4 deny 89\n5 5 deny 89\n")));
    ck_assert_uint_eq(authority_stats(desk->authority).refused_busy, 2);
    buf_clear(&desk->answers);
    while (authority_stats(desk->authority).checks_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    ck_assert_uint_eq(desk->answers.len, 3 * strlen("1 1 deny 86\n"));
    buf_clear(&desk->answers);
    ask_password(desk, 1, "user", "pencil");
    expect(desk, "1 6 allow 00\n");
    desk_free(desk);
}
END_TEST

START_TEST(who_has_gone_is_not_answered)
{
    struct desk *desk = desk_new(10);

    for (conn_id conn = 1; conn <= 4; conn++)
        ask_password(desk, conn, "user", "wrong");
    authority_left(desk->authority, 1); /* runs */
    authority_left(desk->authority, 4); /* waits */
    authority_left(desk->authority, 9);
    ck_assert_uint_eq(authority_stats(desk->authority).checks_waiting, 3);
    authority_left(desk->authority, 3);
    expect(desk, "2 2 deny 86\n");
    ask_password(desk, 1, "user", "pencil"); /* somebody else with the same number */
    expect(desk, "1 5 allow 00\n");
    desk_free(desk);
}
END_TEST

/* Refusals wait for ever, as far as a test is concerned. */
static struct desk *slow_desk(void)
{
    return desk_of(100, (struct failures_config){ .delay_ms = 1000000,
                                                  .delay_max_ms = 1000000,
                                                  .forget_ms = 10000000,
                                                  .addresses_max = 10 });
}

START_TEST(a_refusal_waits_and_who_is_right_does_not)
{
    struct desk *desk = slow_desk();

    ask_password(desk, 1, "user", "pencil");
    expect(desk, "1 1 allow 00\n");
    for (conn_id conn = 2; conn < 2 + 3 * FAILURES_PARALLEL; conn++)
        ask_password(desk, conn, "other", "wrong");
    desk->peer = "192.0.2.2:1";
    ask_password(desk, 91, "other", "pencil"); /* from elsewhere */
    desk->peer = NULL;
    while (authority_stats(desk->authority).checks_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    struct authority_stats stats = authority_stats(desk->authority);
    ck_assert_uint_eq(stats.addresses, 1);
    ck_assert_uint_ge(stats.refusals_waiting, FAILURES_PARALLEL);
    /* One ran beside the last, and time did not stand still. */
    ck_assert_uint_le(stats.refusals_waiting, FAILURES_PARALLEL + 2);
    ck_assert_uint_eq(stats.failures, stats.refusals_waiting);
    ck_assert_uint_eq(stats.refused_early, 3 * FAILURES_PARALLEL - stats.failures);
    buf_append_u8(&desk->answers, '\0');
    ck_assert_ptr_nonnull(strstr((char *)desk->answers.data, "91 32 allow 00\n"));
    ck_assert_ptr_null(strstr((char *)desk->answers.data, "86"));
    buf_clear(&desk->answers);
    ask_password(desk, 92, "user", "pencil"); /* which is known */
    ask_password(desk, 93, "other", "Pencil");
    ask_method(desk, 94, CORE_ASK_CONNECT, "SCRAM-SHA-256", "n,,n=user,r=x");
    expect(desk, "92 33 allow 00\n93 34 deny 89\n94 35 deny 89\n");
    desk_free(desk); /* with refusals that wait */
}
END_TEST

START_TEST(a_refusal_comes_when_its_time_is_over)
{
    struct desk *desk = desk_of(
        100, (struct failures_config){
                 .delay_ms = 10, .delay_max_ms = 40, .forget_ms = 10000000, .addresses_max = 10 });

    for (conn_id conn = 1; conn <= 5; conn++)
        ask_password(desk, conn, "user", "wrong");
    authority_left(desk->authority, 5);
    while (authority_stats(desk->authority).checks_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    authority_left(desk->authority, 4); /* while it waits, or after it was told */
    while (authority_stats(desk->authority).refusals_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    buf_append_u8(&desk->answers, '\0');
    ck_assert_ptr_nonnull(strstr((char *)desk->answers.data, "1 1 deny 86\n"));
    ck_assert_ptr_nonnull(strstr((char *)desk->answers.data, "2 2 deny 86\n"));
    ck_assert_ptr_nonnull(strstr((char *)desk->answers.data, "3 3 deny 86\n"));
    ck_assert_uint_eq(authority_stats(desk->authority).failures, 4);
    desk_free(desk);
}
END_TEST

START_TEST(who_leaves_before_it_is_refused_has_failed_all_the_same)
{
    struct desk *desk = slow_desk();

    for (conn_id conn = 1; conn <= 3 * FAILURES_PARALLEL; conn++) {
        ask_password(desk, conn, "user", "wrong");
        authority_left(desk->authority, conn); /* it runs: nothing was ahead of it */
        while (authority_stats(desk->authority).checks_waiting > 0)
            uv_run(&desk->loop, UV_RUN_ONCE);
    }
    struct authority_stats stats = authority_stats(desk->authority);
    ck_assert_uint_ge(stats.failures, FAILURES_PARALLEL);
    ck_assert_uint_le(stats.failures, FAILURES_PARALLEL + 1); /* time did not stand still */
    ck_assert_uint_eq(stats.checks_done, stats.failures);
    ck_assert_uint_eq(authority_stats(desk->authority).refusals_waiting, 0);
    desk_free(desk);
}
END_TEST

START_TEST(it_ends_in_the_middle_of_its_work)
{
    struct desk *desk = desk_new(10);

    for (conn_id conn = 1; conn <= 6; conn++)
        ask_password(desk, conn, "user", "pencil");
    ask_method(desk, 7, CORE_ASK_CONNECT, "SCRAM-SHA-256", "n,,n=user,r=x");
    desk_free(desk);
}
END_TEST

START_TEST(other_users_are_other_users)
{
    struct desk *desk = desk_new(10);

    ask_password(desk, 1, "user", "pencil");
    ask_password(desk, 2, "other", "pencil");
    while (authority_stats(desk->authority).checks_waiting > 0)
        uv_run(&desk->loop, UV_RUN_ONCE);
    buf_clear(&desk->answers);
    authority_set_users(desk->authority, users_of(USER_LINE));
    ask_password(desk, 1, "other", "pencil");
    expect(desk, "1 3 deny 86\n");
    ask_password(desk, 1, "user", "pencil");
    expect(desk, "1 4 allow 00\n");
    authority_set_users(desk->authority, NULL);
    ask_password(desk, 1, "user", "pencil");
    ask_method(desk, 2, CORE_ASK_CONNECT, "SCRAM-SHA-256", "n,,n=user,r=x");
    buf_append_u8(&desk->answers, '\0');
    ck_assert_ptr_nonnull(strstr((char *)desk->answers.data, "1 5 deny 86\n2 6 continue 00 [r=x"));
    desk_free(desk);
}
END_TEST

START_TEST(an_unknown_method_and_what_is_no_scram_are_refused)
{
    struct desk *desk = desk_new(10);

    ask_method(desk, 1, CORE_ASK_CONNECT, "PLAIN", "");
    ask_method(desk, 2, CORE_ASK_CONNECT, "SCRAM-SHA-256", "hello");
    ask_method(desk, 2, CORE_ASK_CONTINUE, "SCRAM-SHA-256", "n,,n=user,r=x");
    expect(desk, "1 1 deny 8c\n2 2 deny 87\n2 3 deny 89\n");
    desk_free(desk);
}
END_TEST

UNIT_MAIN("server/authority", a_password_is_verified_off_the_loop_and_known_the_next_time,
          a_name_that_nobody_has_costs_the_same_work,
          so_many_wait_and_the_others_are_told_that_it_is_busy, who_has_gone_is_not_answered,
          a_refusal_waits_and_who_is_right_does_not, a_refusal_comes_when_its_time_is_over,
          who_leaves_before_it_is_refused_has_failed_all_the_same,
          it_ends_in_the_middle_of_its_work, other_users_are_other_users,
          an_unknown_method_and_what_is_no_scram_are_refused)
