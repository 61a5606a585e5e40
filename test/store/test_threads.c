/* SPDX-License-Identifier: Apache-2.0 */
/* The store with its threads on a real disk: under load, with checkpoints beside it; and
 * killed in the middle of it. */
#include "rig.h"
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct rig rig;
static char dir[64];

static const struct store_config small = { .dir = dir, .segment_bytes = 1 << 16,
                                           .journal_bytes_max = 1 << 19 };

/* A queue is filled at one end and worked off at the other, with loads, for a while. */
START_TEST(a_queue_is_served_while_it_grows_and_shrinks)
{
    enum { COUNT = 20000, AT_ONCE = 20 };
    uint64_t next = 1, done = 1, seq = 1;
    unsigned asked = 0;

    rig_dir_make(dir);
    rig_init(&rig, &small);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_start(&rig);
    rig_session(&rig, 1, "alice");
    while (done < COUNT) {
        for (int i = 0; i < AT_ONCE && seq <= COUNT; i++) {
            char payload[64];
            snprintf(payload, sizeof payload, "%u and more of it", (unsigned)seq);
            rig_queue(&rig, 1, seq++, rig_message("t", payload));
        }
        rig_submit(&rig);
        if (rig.loads == asked) {
            store_load(rig.store, 1, next, 30, SIZE_MAX);
            asked++;
        }
        store_flush(rig.store, ++rig.now_ms);
        rig_hear(&rig);
        if (rig.loads != asked)
            continue;
        vec_each (&rig.entries, entry) {
            ck_assert_uint_eq(entry->seq, next);
            ck_assert_uint_eq(entry->number, next++);
        }
        vec_clear(&rig.entries);
        for (; done < next; done++)
            rig_done(&rig, 1, done, 0);
        rig_submit(&rig);
    }
    rig_await(&rig, rig.token);
    ck_assert_uint_gt(store_stats(rig.store).checkpoints, 0);
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    struct buf out = { 0 };
    ck_assert_int_eq(rig_restore(&rig, &out, NULL), ERR_OK);
    ck_assert_str_eq((char *)out.data, "session 1 alice\n");
    buf_finish(&out);
    rig_finish(&rig);
    rig_dir_remove(dir);
}
END_TEST

/* In the child: put, say what is durable, take some off, until killed. */
static void child_run(int pipe, uint64_t next)
{
    uint64_t said = 0;

    rig_init(&rig, &small);
    if (rig_open(&rig) != ERR_OK)
        _exit(1);
    rig_start(&rig);
    rig_session(&rig, 1, "alice");
    uint64_t offset = next - 2; /* entry seq has token seq - offset */
    for (;; next++) {
        char payload[400];
        snprintf(payload, sizeof payload, "%u%*s", (unsigned)next, (int)(next % 300), "");
        rig_queue(&rig, 1, next, rig_message("t", payload));
        rig_submit(&rig);
        store_flush(rig.store, ++rig.now_ms);
        store_poll(rig.store, rig.now_ms);
        if (next % 64 == 0)
            rig_await(&rig, rig.token);
        if (rig.durable > said) {
            said = rig.durable;
            uint64_t seq = said + offset;
            if (write(pipe, &seq, sizeof seq) != sizeof seq)
                _exit(1);
        }
    }
}

/* The last entry that was said to be durable before the child was killed. */
static uint64_t child_kill(uint64_t next, unsigned after_ms)
{
    int ends[2];
    uint64_t said = 0, last = 0;

    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[0]);
        child_run(ends[1], next);
    }
    close(ends[1]);
    /* It has begun when it has said something; the rest is how long it lives. */
    if (read(ends[0], &last, sizeof last) == sizeof last)
        said = last;
    nanosleep(&(struct timespec){ .tv_nsec = (long)after_ms * 1000000 }, NULL);
    kill(child, SIGKILL);
    while (read(ends[0], &last, sizeof last) == sizeof last)
        said = last;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return said;
}

START_TEST(killed_in_the_middle_it_has_all_that_it_said)
{
    struct rand rand;
    uint64_t end = 0;

    rand_init(&rand, 1);
    rig_dir_make(dir);
    for (int round = 0; round < 10; round++) {
        uint64_t said = child_kill(end + 1, (unsigned)rand_below(&rand, 150));
        ck_assert_uint_gt(said, 0);
        rig_init(&rig, &small);
        int err = rig_open(&rig);
        ck_assert_msg(err == ERR_OK, "%.*s", STR_ARG(buf_str(&rig.report)));
        ck_assert_uint_eq(rig.report.len, 0);
        uint64_t from = 0, seq = 1;
        while (from != UINT64_MAX) {
            rig_load(&rig, 1, from, 500);
            vec_each (&rig.entries, entry) {
                ck_assert_uint_eq(entry->seq, seq);
                ck_assert_uint_eq(entry->number, seq++);
            }
            from = rig.loaded_end;
        }
        ck_assert_uint_ge(seq - 1, said);
        end = seq - 1;
        rig_finish(&rig);
    }
    rig_dir_remove(dir);
}
END_TEST

UNIT_MAIN("store/threads", a_queue_is_served_while_it_grows_and_shrinks,
          killed_in_the_middle_it_has_all_that_it_said)
