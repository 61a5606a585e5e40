/* SPDX-License-Identifier: Apache-2.0 */
/* One wrong bit in any row of the tables' file: the store opens or says why not, serves what
 * is left, in order, and goes on to work. (The journal's turn is in test_faults.c. The heads of
 * LMDB's pages have no checksums, and are left alone here.) */
#include "rig.h"
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"

#include <stdio.h>
#include <string.h>

enum { SESSIONS = 10, MESSAGES = 1500 };

static char dir[64];

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

/* Whatever is left of it: all of it is read, in order (the rig looks), and more is written. */
static unsigned live(void)
{
    struct rig rig;
    struct buf out = { 0 };
    struct store_recovery recovery = { 0 };

    rig_init(&rig, &small);
    if (rig_open(&rig) != ERR_OK) {
        ck_assert_uint_gt(rig.report.len, 0);
        rig_finish(&rig);
        return 1;
    }
    ck_assert_int_eq(rig_restore(&rig, &out, &recovery), ERR_OK);
    buf_finish(&out);
    for (uint64_t session = 1; session <= SESSIONS; session++)
        rig_load(&rig, session, 0, MESSAGES);
    rig_session_del(&rig, 1);
    for (uint64_t i = 0; i < 300; i++)
        rig_queue(&rig, 2, MESSAGES + i, rig_message("t", "y"));
    rig_settle(&rig);
    ck_assert(rig.durable == rig.token || rig.health == STORE_FAILED);
    unsigned found = recovery.damaged > 0 || store_stats(rig.store).damaged > 0;
    rig_finish(&rig);
    return found;
}

START_TEST(a_wrong_bit_in_any_row_is_got_around)
{
    enum { ROUNDS = 60 };
    struct rig rig;
    struct rand rand;
    struct buf content = { 0 };
    unsigned found = 0;

    rand_init(&rand, 1);
    rig_dir_make(dir);
    rig_init(&rig, &small);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    fill(&rig);
    rig_finish(&rig);
    content_move(&content, "rb");
    rig_dir_remove(dir);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *byte = row_byte(&content, &rand);
        uint8_t bit = (uint8_t)(1u << rand_below(&rand, 8));
        rig_dir_make(dir);
        *byte ^= bit;
        content_move(&content, "wb");
        *byte ^= bit;
        found += live();
        rig_dir_remove(dir);
    }
    ck_assert_uint_gt(found, ROUNDS / 4); /* the rest is free space, or was not needed */
    buf_finish(&content);
}
END_TEST

UNIT_MAIN("store/damage", a_wrong_bit_in_any_row_is_got_around)
