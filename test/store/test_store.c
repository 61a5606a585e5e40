/* SPDX-License-Identifier: Apache-2.0 */
/* The store end to end on a real directory: what goes in comes back after a restart. */
#include "rig.h"
#include "unit.h"

#include "base/err.h"

static struct rig rig;
static char dir[64];

static void begin(void)
{
    rig_dir_make(dir);
    rig_init(&rig, &(struct store_config){ .dir = dir });
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

static void end(void)
{
    rig_finish(&rig);
    rig_dir_remove(dir);
}

static void reopen(void)
{
    rig_close(&rig);
    int err = rig_open(&rig);
    ck_assert_msg(err == ERR_OK, "%s: %.*s", err_text(err), STR_ARG(buf_str(&rig.report)));
}

static void expect_restore(const char *expected)
{
    struct buf out = { 0 };

    ck_assert_int_eq(rig_restore(&rig, &out, NULL), ERR_OK);
    ck_assert_str_eq((char *)out.data, expected);
    buf_finish(&out);
}

START_TEST(what_was_said_to_be_durable_is_there_after_a_restart)
{
    begin();
    rig_session(&rig, 7, "alice");
    rig_sub(&rig, 7, "plant/+/temp", 2);
    rig_sub(&rig, 7, "gone", 1);
    rig_submit(&rig);
    rig_sub_del(&rig, 7, "gone");
    rig_incoming(&rig, 7, 11, true);
    rig_incoming(&rig, 7, 12, true);
    rig_incoming(&rig, 7, 11, false);
    rig_session(&rig, 3, "bob");
    struct message *message = rig_message("plant/1/temp", "21");
    rig_queue(&rig, 7, 1, message_ref(message));
    rig_queue(&rig, 3, 9, message_ref(message));
    rig_retain(&rig, message);
    rig_settle(&rig);
    ck_assert_uint_eq(rig.durable, rig.token);
    reopen();
    expect_restore("session 3 bob\n"
                   "queue 3 9..10 1\n"
                   "session 7 alice\n"
                   "sub 7 plant/+/temp 2\n"
                   "incoming 7 12\n"
                   "queue 7 1..2 1\n"
                   "retain plant/1/temp=21\n");
    ck_assert_str_eq(rig_load(&rig, 7, 0, 10), "1:21");
    ck_assert_uint_eq(rig.loaded_end, UINT64_MAX);
    ck_assert_str_eq(rig_load(&rig, 3, 0, 10), "9:21");
    end();
}
END_TEST

START_TEST(threads_make_it_durable_too)
{
    begin();
    rig_start(&rig);
    rig_session(&rig, 1, "alice");
    rig_submit(&rig);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        rig_queue(&rig, 1, seq, rig_message("t", "payload"));
        rig_submit(&rig);
        store_flush(rig.store, rig.now_ms);
    }
    rig_await(&rig, rig.token);
    store_load(rig.store, 1, 500, 3, SIZE_MAX);
    rig_await_loads(&rig, 1);
    ck_assert_str_eq((char *)rig.loaded.data, "500:payload 501:payload 502:payload");
    ck_assert_uint_eq(rig.loaded_end, 503);
    reopen();
    expect_restore("session 1 alice\nqueue 1 1..1001 1000\n");
    end();
}
END_TEST

START_TEST(what_is_undone_in_time_never_needs_the_disk)
{
    begin();
    rig_session(&rig, 1, "alice");
    rig_settle(&rig);
    uint64_t groups = store_stats(rig.store).groups;
    uint64_t put = rig_queue(&rig, 1, 1, rig_message("t", "x"));
    rig_submit(&rig);
    rig_done(&rig, 1, 1, put);
    rig_submit(&rig);
    store_flush(rig.store, rig.now_ms);
    ck_assert_uint_eq(rig.durable, rig.token);
    ck_assert(!store_work(rig.store));
    ck_assert_uint_eq(store_stats(rig.store).groups, groups);
    ck_assert_uint_eq(store_stats(rig.store).ops_undone, 2);
    end();
}
END_TEST

UNIT_MAIN("store/store", what_was_said_to_be_durable_is_there_after_a_restart,
          threads_make_it_durable_too, what_is_undone_in_time_never_needs_the_disk)
