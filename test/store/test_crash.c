/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes at every operation of the disk. */
#include "schedule.h"
#include "unit.h"

#include "base/err.h"
#include "store/tables.h"

/* Seeds to try; more by hand: STORE_SEEDS=10000. */
static uint64_t seeds(uint64_t usual)
{
    const char *text = getenv("STORE_SEEDS");

    return text ? strtoull(text, NULL, 10) : usual;
}

START_TEST(a_crash_at_every_operation_loses_nothing_that_was_said)
{
    uint64_t ops = 1;

    for (uint64_t at = 1; at <= ops; at++) {
        struct schedule s;
        schedule_begin(&s, 1);
        s.disk.crash_at = at;
        if (rig_open(&s.rig) == ERR_OK) {
            schedule_run(&s, 250);
            ops = s.disk.dead ? ops + 1 : at - 1; /* the one at which it no longer came */
            schedule_recover(&s, "every operation");
        }
        schedule_end(&s);
    }
    ck_assert_uint_gt(ops, 100);
}
END_TEST

START_TEST(crash_after_crash_loses_nothing_that_was_said)
{
    for (uint64_t seed = 1; seed <= seeds(200); seed++) {
        struct schedule s;
        schedule_begin(&s, seed);
        s.disk.short_writes = seed % 2;
        int err = rig_open(&s.rig);
        ck_assert_int_eq(err, ERR_OK);
        for (int round = 0; round < 5; round++) {
            s.disk.crash_at = s.disk.ops + 1 + rand_below(&s.rand, 120);
            schedule_run(&s, 150);
            schedule_recover(&s, "crash after crash");
        }
        schedule_end(&s);
    }
}
END_TEST

START_TEST(crashes_among_faults_lose_nothing_that_was_said)
{
    static const unsigned kinds[] = { VDISK_SYNC, VDISK_WRITE, VDISK_ALLOCATE, VDISK_CREATE,
                                      VDISK_REMOVE, VDISK_SYNC_DIR };

    for (uint64_t seed = 1; seed <= seeds(100); seed++) {
        struct schedule s;
        schedule_begin(&s, seed);
        s.disk.short_writes = seed % 2;
        int err = rig_open(&s.rig);
        ck_assert_int_eq(err, ERR_OK);
        for (int round = 0; round < 5; round++) {
            vdisk_fail(&s.disk, kinds[rand_below(&s.rand, 6)], rand_below(&s.rand, 30),
                       1 + rand_below(&s.rand, 3), rand_below(&s.rand, 2) ? ERR_IO : ERR_LIMIT);
            if (rand_below(&s.rand, 4) == 0)
                tables_mem_fail(s.tables, 1 + (unsigned)rand_below(&s.rand, 3), ERR_LIMIT);
            s.disk.crash_at = s.disk.ops + 1 + rand_below(&s.rand, 150);
            schedule_run(&s, 150);
            schedule_recover(&s, "crash among faults");
        }
        schedule_end(&s);
    }
}
END_TEST

UNIT_MAIN("store/crash", a_crash_at_every_operation_loses_nothing_that_was_said,
          crash_after_crash_loses_nothing_that_was_said,
          crashes_among_faults_lose_nothing_that_was_said)
