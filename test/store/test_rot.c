/* SPDX-License-Identifier: Apache-2.0 */
/* One wrong bit anywhere in the tables' file, heads of pages and branches of trees, too: it is
 * found and located, or changes nothing that can be read; no older row comes back; all other
 * rows are there. The file is looked at in memory. */
#include "rig.h"
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "store/salvage.h"

#include <stdio.h>
#include <string.h>

enum { SESSIONS = 6, MESSAGES = 400, PAGE = 4096, HEAD = 16 };

static char dir[64];
static struct buf content;    /* the file */
static struct tables *truth;  /* its rows */
static uint64_t long_pages;   /* that long values are in */

static const struct store_config small = { .dir = dir, .segment_bytes = 1 << 16,
                                           .journal_bytes_max = 1 << 17,
                                           .tables_bytes_max = 1 << 23 };

/* ---- a disk with one file ---- */

static int memory_read(const struct disk *disk, int file, void *bytes, size_t len, uint64_t at,
                       size_t *ret_read)
{
    size_t left = at < content.len ? content.len - at : 0;

    (void)disk;
    (void)file;
    *ret_read = len < left ? len : left;
    memcpy(bytes, content.data + (left ? at : 0), *ret_read);
    return ERR_OK;
}

static int memory_size(const struct disk *disk, int file, uint64_t *ret_size)
{
    (void)disk;
    (void)file;
    *ret_size = content.len;
    return ERR_OK;
}

static const struct disk memory_disk = { .read = memory_read, .size = memory_size };

/* ---- the file ---- */

/* Rows of all tables that come and go, so that there are free pages with old rows. */
static void fill(struct rig *rig)
{
    char payload[9000], topic[32];

    memset(payload, 'x', sizeof payload);
    for (uint64_t session = 1; session <= SESSIONS; session++) {
        rig_session(rig, session, "client");
        rig_sub(rig, session, "a/filter", 1);
        rig_incoming(rig, session, 9, true);
    }
    for (uint64_t i = 0; i < MESSAGES; i++) {
        payload[i % 80 == 0 ? 8999 - i : 100 + i % 50] = 0;
        struct message *message = rig_message("t", payload);
        payload[i % 80 == 0 ? 8999 - i : 100 + i % 50] = 'x';
        rig_queue(rig, 1 + i % SESSIONS, i, message_ref(message));
        rig_queue(rig, 1 + (i + 1) % SESSIONS, i, message);
        snprintf(topic, sizeof topic, "retained/%u", (unsigned)i / 20);
        if (i % 10 == 0)
            rig_retain(rig, rig_message(topic, "x"));
        if (i > 200)
            rig_done(rig, 1 + (i - 200) % SESSIONS, i - 200, 0);
        if (i % 10 == 0)
            rig_settle(rig);
    }
    rig_settle(rig);
}

static void content_read(void)
{
    char path[100];
    int c;

    snprintf(path, sizeof path, "%s/tables.mdb", dir);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    buf_clear(&content);
    while ((c = getc(file)) != EOF)
        buf_append_u8(&content, (uint8_t)c);
    fclose(file);
}

/* Call it with every table's rows of both, in order; a has them all. How many b has not. */
static uint64_t rows_missing(struct tables *a, struct tables *b)
{
    struct tables_txn *a_txn, *b_txn;
    uint64_t missing = 0;

    ck_assert_int_eq(a->kind->begin(a, false, &a_txn), ERR_OK);
    ck_assert_int_eq(b->kind->begin(b, false, &b_txn), ERR_OK);
    for (int table = 0; table < TABLE_COUNT; table++) {
        struct tables_cursor *x, *y;
        struct str a_key, a_value, b_key, b_value;
        ck_assert_int_eq(a->kind->cursor(a_txn, (enum table)table, &x), ERR_OK);
        ck_assert_int_eq(b->kind->cursor(b_txn, (enum table)table, &y), ERR_OK);
        int a_end = a->kind->seek(x, (struct str){ "", 0 }, &a_key, &a_value);
        int b_end = b->kind->seek(y, (struct str){ "", 0 }, &b_key, &b_value);
        for (; !a_end; a_end = a->kind->next(x, &a_key, &a_value)) {
            if (b_end || !str_equal(a_key, b_key)) {
                missing++;
                continue;
            }
            ck_assert(str_equal(a_value, b_value));
            b_end = b->kind->next(y, &b_key, &b_value);
        }
        ck_assert_int_eq(b_end, ERR_NOT_FOUND); /* else it has one that was never there */
        a->kind->cursor_free(x);
        b->kind->cursor_free(y);
    }
    a->kind->abort(a_txn);
    b->kind->abort(b_txn);
    return missing;
}

static void begin(void)
{
    struct rig rig;
    struct survey survey;
    struct salvage salvage;
    struct buf report = { 0 };

    rig_dir_make(dir);
    rig_init(&rig, &small);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    fill(&rig);
    rig_finish(&rig);
    content_read();
    rig_dir_remove(dir);
    truth = tables_mem_new(false);
    ck_assert_int_eq(survey_run(&survey, &memory_disk, 0, "file", &report), ERR_OK);
    ck_assert_uint_eq(survey.damaged + survey.rows_damaged, 0);
    ck_assert_int_eq(salvage_run(&salvage, &survey, truth), ERR_OK);
    for (int table = 0; table < TABLE_COUNT; table++) {
        ck_assert_uint_gt(salvage.rows[table], 0);
        ck_assert_uint_eq(salvage.rows[table], survey.trees[table].rows);
    }
    ck_assert_uint_gt(survey.trees[TABLE_MESSAGES].branches, 0);
    ck_assert_uint_gt(survey.trees[TABLE_MESSAGES].overflows, 2);
    ck_assert_uint_gt(survey.head.unused.rows, 1);
    for (uint64_t page = 0; page < survey.pages && page < 64 * 64; page++)
        long_pages += survey_has(survey.values, page);
    survey_finish(&survey);
    ck_assert_uint_eq(report.len, 0);
    buf_finish(&report);
}

static void end(void)
{
    truth->kind->close(truth);
    buf_finish(&content);
}

/* ---- a wrong bit ---- */

enum { HARMLESS, FOUND, LOST };

/* What becomes of the file with this bit. */
static int flip(size_t byte, unsigned bit)
{
    struct survey survey;
    struct salvage salvage;
    struct buf report = { 0 };
    struct tables *saved = tables_mem_new(false);

    content.data[byte] ^= (uint8_t)(1u << bit);
    ck_assert_int_eq(survey_run(&survey, &memory_disk, 0, "file", &report), ERR_OK);
    bool found = survey.damaged + survey.rows_damaged > 0;
    ck_assert_int_eq(found, report.len > 0);
    int err = salvage_run(&salvage, &survey, saved);
    buf_append_u8(&report, 0);
    ck_assert_msg(err == ERR_OK, "byte %zu bit %u: %s\n%s", byte, bit, err_text(err), report.data);
    uint64_t missing = rows_missing(truth, saved);
    /* Only a long value is not put right: its page has no row that could be. */
    ck_assert_msg(missing == 0 || (missing == 1 && survey_has(survey.values, byte / PAGE)) ,
                  "byte %zu bit %u: %u rows are missing\n%s", byte, bit, (unsigned)missing,
                  report.data);
    ck_assert(found || missing == 0);
    survey_finish(&survey);
    saved->kind->close(saved);
    buf_finish(&report);
    content.data[byte] ^= (uint8_t)(1u << bit);
    return missing ? LOST : found ? FOUND : HARMLESS;
}

START_TEST(a_wrong_bit_in_the_head_of_any_page_costs_no_row)
{
    struct rand rand;
    unsigned count[3] = { 0 };

    begin();
    rand_init(&rand, 5);
    for (size_t page = 0; page < content.len; page += PAGE) {
        for (size_t byte = 0; byte < HEAD; byte++)
            count[flip(page + byte, (unsigned)rand_below(&rand, 8))]++;
    }
    ck_assert_uint_gt(count[FOUND], content.len / PAGE);
    end();
}
END_TEST

START_TEST(a_wrong_bit_in_what_the_file_says_of_itself_costs_no_row)
{
    enum { BYTES = HEAD + sizeof(struct page_head), TIMES = 1 };
    struct rand rand;
    unsigned count[3] = { 0 };

    begin();
    rand_init(&rand, 7);
    for (size_t i = 0; i < (size_t)2 * BYTES * TIMES; i++)
        count[flip(i / BYTES % 2 * PAGE + i % BYTES, (unsigned)rand_below(&rand, 8))]++;
    ck_assert_uint_gt(count[FOUND], BYTES * TIMES);
    ck_assert_uint_eq(count[LOST], 0);
    end();
}
END_TEST

START_TEST(a_wrong_bit_anywhere_costs_a_row_at_most)
{
    enum { ROUNDS = 150 };
    struct rand rand;
    unsigned count[3] = { 0 };

    begin();
    rand_init(&rand, 6);
    for (int round = 0; round < ROUNDS; round++)
        count[flip(rand_below(&rand, content.len), (unsigned)rand_below(&rand, 8))]++;
    ck_assert_uint_gt(count[FOUND], ROUNDS / 5);
    ck_assert_uint_gt(count[LOST], 0);
    end();
}
END_TEST

/* Put the file as it is now to the test; how many rows are gone, or UINT64_MAX: it is given up. */
static uint64_t saved_missing(struct buf *report)
{
    struct survey survey;
    struct salvage salvage;
    struct tables *saved = tables_mem_new(false);
    uint64_t missing = UINT64_MAX;
    int err = survey_run(&survey, &memory_disk, 0, "file", report);

    if (!err)
        err = salvage_run(&salvage, &survey, saved);
    if (!err)
        missing = rows_missing(truth, saved);
    else
        ck_assert_int_eq(err, ERR_CHECKSUM);
    ck_assert(missing == 0 || report->len > 0);
    survey_finish(&survey);
    saved->kind->close(saved);
    return missing;
}

START_TEST(a_lost_sector_costs_the_rows_of_its_page)
{
    enum { ROUNDS = 50, SECTOR = 512, SECTORS = PAGE / SECTOR };
    uint8_t before[SECTOR];
    struct rand rand;
    struct buf report = { 0 };
    unsigned given_up = 0;

    begin();
    rand_init(&rand, 8);
    for (int round = 0; round < ROUNDS; round++) {
        size_t sector = 2 * SECTORS + rand_below(&rand, content.len / SECTOR - 2 * SECTORS);
        uint8_t *at = content.data + sector * SECTOR;
        memcpy(before, at, SECTOR);
        for (size_t i = 0; i < SECTOR; i++)
            at[i] = round % 2 ? (uint8_t)rand_below(&rand, 256) : 0;
        uint64_t missing = saved_missing(&report);
        given_up += missing == UINT64_MAX; /* all that tells where the journal goes on was there */
        ck_assert(missing < PAGE / 16 || missing == UINT64_MAX);
        memcpy(at, before, SECTOR);
        buf_clear(&report);
    }
    ck_assert_uint_lt(given_up, ROUNDS / 10);
    buf_finish(&report);
    end();
}
END_TEST

START_TEST(much_damage_ends_nothing_and_brings_back_nothing)
{
    enum { ROUNDS = 20, BITS = 60 };
    struct rand rand;
    struct buf report = { 0 }, whole = { 0 };

    begin();
    rand_init(&rand, 9);
    buf_append(&whole, content.data, content.len);
    for (int round = 0; round < ROUNDS; round++) {
        for (int bit = 0; bit < BITS; bit++) {
            size_t page = 2 + rand_below(&rand, content.len / PAGE - 2);
            size_t byte = rand_below(&rand, rand_below(&rand, 2) ? 64 : PAGE);
            content.data[page * PAGE + byte] ^= (uint8_t)(1u << rand_below(&rand, 8));
        }
        ck_assert_uint_gt(saved_missing(&report), 0);
        memcpy(content.data, whole.data, whole.len);
        buf_clear(&report);
    }
    buf_finish(&whole);
    buf_finish(&report);
    end();
}
END_TEST

UNIT_MAIN("store/rot", a_wrong_bit_in_the_head_of_any_page_costs_no_row,
          a_wrong_bit_in_what_the_file_says_of_itself_costs_no_row,
          a_wrong_bit_anywhere_costs_a_row_at_most, a_lost_sector_costs_the_rows_of_its_page,
          much_damage_ends_nothing_and_brings_back_nothing)
