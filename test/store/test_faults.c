/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are full, that fail, and that change what they hold. */
#include "schedule.h"
#include "unit.h"

#include "base/err.h"
#include "store/segment.h"
#include "store/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct schedule s;

static void begin(uint64_t seed)
{
    schedule_begin(&s, seed);
    int err = rig_open(&s.rig);
    ck_assert_int_eq(err, ERR_OK);
}

/* Let time pass until everything is durable and the store is well; false: it never is. */
static bool settle(void)
{
    for (int i = 0; i < 20 && (s.rig.durable < s.rig.token || s.rig.health != STORE_WELL); i++) {
        s.rig.now_ms += 300;
        store_poll(s.rig.store, s.rig.now_ms);
        rig_settle(&s.rig);
    }
    return s.rig.durable == s.rig.token && s.rig.health == STORE_WELL;
}

/* Every operation of these kinds fails times in a row: the store comes through, and nothing
 * that it said is lost. */
static void come_through(unsigned kinds, uint64_t times, int err)
{
    for (uint64_t n = 0; n < 60; n++) {
        begin(n + 1);
        vdisk_fail(&s.disk, kinds, n, times, err);
        schedule_run(&s, 120);
        ck_assert_msg(settle(), "fault %" PRIu64 ": %s", n, s.rig.why);
        ck_assert_int_eq(s.rig.health, STORE_WELL);
        schedule_recover(&s, "after faults");
        schedule_run(&s, 50);
        schedule_recover(&s, "after faults and a crash");
        schedule_end(&s);
    }
}

START_TEST(a_full_disk_delays_and_loses_nothing)
{
    come_through(VDISK_ALLOCATE, 8, ERR_LIMIT);
    come_through(VDISK_WRITE, 5, ERR_LIMIT);
    come_through(VDISK_CREATE, 5, ERR_LIMIT);
}
END_TEST

START_TEST(a_failed_sync_is_written_again_elsewhere)
{
    come_through(VDISK_SYNC, 1, ERR_IO);
    come_through(VDISK_WRITE, 1, ERR_IO);
}
END_TEST

START_TEST(files_that_can_not_be_removed_do_no_harm)
{
    come_through(VDISK_REMOVE, 5, ERR_IO);
}
END_TEST

START_TEST(a_full_disk_is_told_and_so_is_the_room_that_comes_back)
{
    begin(1);
    schedule_run(&s, 50);
    s.disk.room = 1;
    schedule_run(&s, 400);
    for (int i = 0; i < 10; i++) {
        s.rig.now_ms += 300;
        store_poll(s.rig.store, s.rig.now_ms);
        rig_settle(&s.rig);
    }
    ck_assert_int_eq(s.rig.health, STORE_FULL);
    ck_assert_ptr_nonnull(strstr(s.rig.why, "no space"));
    ck_assert_uint_lt(s.rig.durable, s.rig.token);
    ck_assert_uint_eq(store_deadline(s.rig.store), s.rig.now_ms + 250);
    s.disk.room = 0;
    ck_assert(settle());
    ck_assert_int_eq(s.rig.health, STORE_WELL);
    schedule_recover(&s, "after a full disk");
    schedule_end(&s);
}
END_TEST

START_TEST(a_disk_that_fails_twice_is_not_trusted_any_more)
{
    begin(1);
    schedule_run(&s, 30);
    vdisk_fail(&s.disk, VDISK_SYNC, 0, 100, ERR_IO);
    uint64_t durable = s.rig.durable;
    schedule_run(&s, 100);
    ck_assert(!settle());
    ck_assert_int_eq(s.rig.health, STORE_FAILED);
    ck_assert_uint_lt(s.rig.durable, s.rig.token);
    ck_assert_uint_ge(s.rig.durable, durable);
    vdisk_fail(&s.disk, 0, 0, 0, ERR_OK);
    schedule_recover(&s, "after the disk was given up");
    schedule_end(&s);
}
END_TEST

START_TEST(tables_that_are_full_fill_the_journal_and_then_delay)
{
    begin(3);
    tables_mem_fail(s.tables, 1000000, ERR_LIMIT);
    schedule_run(&s, 400);
    for (int i = 0; i < 10; i++) {
        s.rig.now_ms += 300;
        store_poll(s.rig.store, s.rig.now_ms);
        rig_settle(&s.rig);
    }
    ck_assert_int_eq(s.rig.health, STORE_FULL);
    tables_mem_fail(s.tables, 0, ERR_OK);
    ck_assert(settle());
    ck_assert_int_eq(s.rig.health, STORE_WELL);
    schedule_recover(&s, "after full tables");
    schedule_end(&s);
}
END_TEST

START_TEST(without_room_for_the_tables_queues_still_drain)
{
    enum { COUNT = 300 };
    static char payload[64 * 1024];
    struct rig rig;
    char path[64];
    struct tables *tables = tables_mem_new(true);

    rig_dir_make(path);
    rig_init(&rig, &(struct store_config){ .dir = path, .memory_tables = tables });
    memset(payload, 'x', sizeof payload - 1);
    tables_mem_room(tables, TABLES_RESERVE / 2); /* what was had before the disk was full */
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_session(&rig, 1, "client");
    for (uint64_t i = 0; i < COUNT; i++) {
        rig_queue(&rig, 1, i, rig_message("t", payload));
        rig_settle(&rig);
    }
    ck_assert_int_eq(rig.health, STORE_FULL);
    ck_assert_str_eq(rig.why, "no space left on the disk for the tables");
    ck_assert_uint_eq(store_stats(rig.store).checkpoints, 0);
    for (uint64_t i = 0; i < COUNT; i++) {
        rig_done(&rig, 1, i, 0);
        rig_settle(&rig);
        ck_assert_uint_eq(rig.durable, rig.token);
    }
    for (int i = 0; i < 5; i++) {
        rig.now_ms += 300;
        store_poll(rig.store, rig.now_ms);
        rig_settle(&rig);
    }
    ck_assert_int_eq(rig.health, STORE_WELL);
    rig_finish(&rig);
    tables_mem_free(tables);
    rig_dir_remove(path);
}
END_TEST

START_TEST(tables_that_fail_now_and_then_are_tried_again)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        begin(seed);
        for (int i = 0; i < 3; i++) {
            tables_mem_fail(s.tables, 2, ERR_IO);
            schedule_run(&s, 40);
            ck_assert(settle());
        }
        ck_assert_int_eq(s.rig.health, STORE_WELL);
        schedule_recover(&s, "after failed checkpoints");
        schedule_end(&s);
    }
}
END_TEST

/* Some bit in the part of the journal that is used, or nothing is. */
static bool flip(struct rand *rand)
{
    struct vdisk_file *file = s.disk.files.at[rand_below(rand, s.disk.files.len)];
    uint64_t used = file->size;

    while (used > 0 && file->now[used - 1] == 0)
        used--;
    if (!file->there || used == 0)
        return false;
    vdisk_flip(&s.disk, file, rand_below(rand, used), (unsigned)rand_below(rand, 8));
    return true;
}

START_TEST(flipped_bits_are_found_and_the_rest_is_served)
{
    unsigned found = 0, flips = 0;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct buf text = { 0 };
        struct store_recovery recovery;
        struct rand rand;
        rand_init(&rand, seed);
        begin(seed);
        schedule_run(&s, 60);
        ck_assert(settle());
        rig_close(&s.rig);
        vdisk_crash(&s.disk);
        bool flipped = flip(&rand);
        int err = rig_open(&s.rig);
        ck_assert_int_eq(err, ERR_OK);
        err = rig_restore(&s.rig, &text, &recovery);
        ck_assert_int_eq(err, ERR_OK);
        flips += flipped;
        found += recovery.damaged > 0 || recovery.torn_bytes > 0;
        ck_assert((recovery.damaged > 0) == (s.rig.report.len > 0));
        for (uint64_t session = 1; session <= MODEL_SESSIONS; session++)
            rig_load(&s.rig, session, 0, 100);
        buf_finish(&text);
        schedule_end(&s);
    }
    /* What is not found: a header of a segment says nothing that is needed, batches that are in
     * the tables are not looked at again. */
    ck_assert_uint_gt(flips, 150);
    ck_assert_uint_gt(found, flips * 7 / 10);
}
END_TEST

START_TEST(a_damaged_batch_is_located_and_its_neighbours_are_there)
{
    struct buf text = { 0 };
    struct store_recovery recovery;

    begin(1);
    rig_session(&s.rig, 1, "alice");
    rig_settle(&s.rig);
    rig_queue(&s.rig, 1, 1, rig_message("t", "one"));
    rig_settle(&s.rig);
    rig_queue(&s.rig, 1, 2, rig_message("t", "two"));
    rig_settle(&s.rig);
    rig_queue(&s.rig, 1, 3, rig_message("t", "three"));
    rig_settle(&s.rig);
    rig_close(&s.rig);
    struct vdisk_file *file = vdisk_find(&s.disk, "journal-0000000000000001.log");
    ck_assert_ptr_nonnull(file);
    for (uint64_t at = 0; at < file->size; at++) {
        if (memcmp(file->now + at, "two", 3) == 0) {
            vdisk_flip(&s.disk, file, at, 3);
            break;
        }
    }
    ck_assert_int_eq(rig_open(&s.rig), ERR_OK);
    ck_assert_int_eq(rig_restore(&s.rig, &text, &recovery), ERR_OK);
    ck_assert_uint_eq(recovery.damaged, 1);
    buf_append_u8(&s.rig.report, 0);
    ck_assert_str_eq((char *)s.rig.report.data,
                     "journal-0000000000000001.log: bytes 192 to 256 are damaged, and skipped\n");
    ck_assert_str_eq((char *)text.data, "session 1 alice\nqueue 1 1..4 2\n");
    ck_assert_str_eq(rig_load(&s.rig, 1, 0, 10), "1:one 3:three");
    buf_finish(&text);
    schedule_end(&s);
}
END_TEST

START_TEST(a_directory_in_use_is_refused)
{
    struct store *other;
    struct buf report = { 0 };

    begin(1);
    ck_assert_int_eq(store_open(&s.rig.config, &other, &report), ERR_DENIED);
    buf_append_u8(&report, 0);
    ck_assert_str_eq((char *)report.data, "v: another process is using this directory\n");
    buf_finish(&report);
    schedule_end(&s);
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
    struct segment_header header = { .version = SEGMENT_VERSION + 1, .number = 1 };
    uint8_t bytes[SEGMENT_HEADER_LEN];
    size_t written;

    begin(1);
    rig_session(&s.rig, 1, "alice");
    rig_settle(&s.rig);
    rig_close(&s.rig);
    int file = 0;
    segment_header_write(bytes, &header);
    ck_assert_int_eq(s.disk.disk.open(&s.disk.disk, "v/journal-0000000000000001.log", false, &file),
                     ERR_OK);
    ck_assert_int_eq(s.disk.disk.write(&s.disk.disk, file, bytes, sizeof bytes, 0, &written),
                     ERR_OK);
    ck_assert_int_eq(rig_open(&s.rig), ERR_VERSION);
    ck_assert_msg(memcmp(s.rig.report.data, "journal-0000000000000001.log: made by a newer", 45) ==
                      0,
                  "%.*s", STR_ARG(buf_str(&s.rig.report)));
    schedule_end(&s);
}
END_TEST

UNIT_MAIN("store/faults", a_full_disk_delays_and_loses_nothing,
          a_failed_sync_is_written_again_elsewhere, files_that_can_not_be_removed_do_no_harm,
          a_full_disk_is_told_and_so_is_the_room_that_comes_back,
          a_disk_that_fails_twice_is_not_trusted_any_more,
          tables_that_are_full_fill_the_journal_and_then_delay,
          without_room_for_the_tables_queues_still_drain,
          tables_that_fail_now_and_then_are_tried_again,
          flipped_bits_are_found_and_the_rest_is_served,
          a_damaged_batch_is_located_and_its_neighbours_are_there, a_directory_in_use_is_refused,
          a_newer_format_is_refused)
