/* SPDX-License-Identifier: Apache-2.0 */
/* One wrong bit in the tables' file: the store opens, serves what is left, in order, and goes on
 * to work. (The journal's turn is in test_faults.c, that of every byte of a page's head in
 * test_rot.c.) */
#include "rig.h"
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS = 10, MESSAGES = 1500 };

static char dir[64];
static uint64_t queued; /* in the file as it was written; 0: not counted yet */

static const struct store_config small = { .dir = dir, .segment_bytes = 1 << 16,
                                           .journal_bytes_max = 1 << 17,
                                           .tables_bytes_max = 1 << 23 };

/* Sessions with queues, retained messages; most of it in the tables. */
static void fill(struct rig *rig)
{
    char payload[200], topic[32];

    memset(payload, 'x', sizeof payload);
    payload[sizeof payload - 1] = 0;
    for (uint64_t session = 1; session <= SESSIONS; session++) {
        rig_session(rig, session, "client");
        rig_sub(rig, session, "a/filter", 1);
        rig_incoming(rig, session, 9, true);
    }
    for (uint64_t i = 0; i < MESSAGES; i++) {
        rig_queue(rig, 1 + i % SESSIONS, i, rig_message("t", payload));
        snprintf(topic, sizeof topic, "retained/%u", (unsigned)i);
        if (i % 20 == 0)
            rig_retain(rig, rig_message(topic, "x"));
        if (i % 50 == 0)
            rig_settle(rig);
    }
    rig_settle(rig);
}

/* Read the file, or write it. */
static void content_move(struct buf *content, const char *mode)
{
    char path[100];
    int c;

    snprintf(path, sizeof path, "%s/tables.mdb", dir);
    FILE *file = fopen(path, mode);
    ck_assert_ptr_nonnull(file);
    if (mode[0] == 'w')
        ck_assert_uint_eq(fwrite(content->data, 1, content->len, file), content->len);
    while (mode[0] == 'r' && (c = getc(file)) != EOF)
        buf_append_u8(content, (uint8_t)c);
    fclose(file);
}

/* Some byte of a row: behind the offset "upper" of a page that is a leaf of LMDB's. */
static uint8_t *row_byte(const struct buf *content, struct rand *rand)
{
    enum { PAGE = 4096, FLAGS = 10, UPPER = 14, LEAF = 0x02 };

    for (;;) {
        uint8_t *page = content->data + PAGE * rand_below(rand, content->len / PAGE);
        uint16_t flags, upper;
        memcpy(&flags, page + FLAGS, sizeof flags);
        memcpy(&upper, page + UPPER, sizeof upper);
        if (flags == LEAF && upper >= 16 && upper < PAGE)
            return page + upper + rand_below(rand, PAGE - upper);
    }
}

/* Any byte that means something: the head of a page, or of one of its rows. */
static uint8_t *page_byte(const struct buf *content, struct rand *rand)
{
    enum { PAGE = 4096, MEANT = 160 };
    uint8_t *page = content->data + PAGE * rand_below(rand, content->len / PAGE);

    return page + rand_below(rand, rand_below(rand, 2) ? MEANT : PAGE);
}

/* Whatever is left of it: all of it is read, in order (the rig looks), and more is written. */
static unsigned live(void)
{
    struct rig rig;
    struct buf out = { 0 };
    struct store_recovery recovery = { 0 };

    rig_init(&rig, &small);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_int_eq(rig_restore(&rig, &out, &recovery), ERR_OK);
    ck_assert_int_eq(recovery.damaged > 0, rig.report.len > 0);
    ck_assert_uint_eq(recovery.sessions, SESSIONS);
    ck_assert_uint_ge(recovery.queued + 1, queued);
    queued = queued ? queued : recovery.queued;
    ck_assert_uint_eq(store_stats(rig.store).damaged, recovery.damaged);
    buf_finish(&out);
    for (uint64_t session = 1; session <= SESSIONS; session++)
        rig_load(&rig, session, 0, MESSAGES);
    rig_session_del(&rig, 1);
    for (uint64_t i = 0; i < 300; i++)
        rig_queue(&rig, 2, MESSAGES + i, rig_message("t", "y"));
    rig_settle(&rig);
    ck_assert_uint_eq(rig.durable, rig.token);
    rig_finish(&rig);
    return recovery.damaged > 0;
}

/* Is there a damaged file that was kept? */
static bool kept(void)
{
    char path[100];

    snprintf(path, sizeof path, "%s/tables-damaged-1.mdb", dir);
    return access(path, F_OK) == 0;
}

/* Change a bit of the file in any way, and see that all that is looked at says so. */
static unsigned bit_round(struct buf *content, struct rand *rand,
                          uint8_t *(*pick)(const struct buf *content, struct rand *rand))
{
    uint8_t *byte = pick(content, rand), bit = (uint8_t)(1u << rand_below(rand, 8));
    struct buf out = { 0 };

    rig_dir_make(dir);
    *byte ^= bit;
    content_move(content, "wb");
    *byte ^= bit;
    int checked = store_check(dir, &out);
    ck_assert_int_eq(checked, out.len > 0 ? ERR_CHECKSUM : ERR_OK);
    ck_assert_int_eq(store_dump(dir, false, &out), ERR_OK);
    ck_assert(!kept()); /* who only looks changes nothing */
    unsigned found = live();
    ck_assert_int_eq(found, checked == ERR_CHECKSUM);
    ck_assert_int_eq(found, kept());
    buf_clear(&out);
    ck_assert_int_eq(store_check(dir, &out), ERR_OK); /* once is enough */
    rig_dir_remove(dir);
    buf_finish(&out);
    return found;
}

static unsigned bits_change(uint64_t seed, unsigned rounds,
                            uint8_t *(*pick)(const struct buf *content, struct rand *rand))
{
    struct rig rig;
    struct rand rand;
    struct buf content = { 0 };
    unsigned found = 0;

    rand_init(&rand, seed);
    rig_dir_make(dir);
    rig_init(&rig, &small);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    fill(&rig);
    rig_finish(&rig);
    content_move(&content, "rb");
    queued = 0;
    rig_dir_remove(dir);
    rig_dir_make(dir);
    content_move(&content, "wb");
    ck_assert_uint_eq(live(), 0);
    ck_assert_uint_gt(queued, MESSAGES / 2);
    rig_dir_remove(dir);
    for (unsigned round = 0; round < rounds; round++)
        found += bit_round(&content, &rand, pick);
    buf_finish(&content);
    return found;
}

START_TEST(a_wrong_bit_in_any_row_is_got_around)
{
    enum { ROUNDS = 30 };

    ck_assert_uint_gt(bits_change(1, ROUNDS, row_byte), ROUNDS / 4); /* the rest is free space */
}
END_TEST

START_TEST(a_wrong_bit_in_any_page_is_got_around)
{
    enum { ROUNDS = 50 };

    ck_assert_uint_gt(bits_change(2, ROUNDS, page_byte), ROUNDS / 4);
}
END_TEST

UNIT_MAIN("store/damage", a_wrong_bit_in_any_row_is_got_around,
          a_wrong_bit_in_any_page_is_got_around)
