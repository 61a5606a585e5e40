/* SPDX-License-Identifier: Apache-2.0 */
/* A survey reads the file of the tables through, as it is on the disk and without LMDB, before
 * LMDB may open it: all trees of the last transaction, all pages that these say are free. LMDB
 * never writes over a page that the last transaction needs, so in a file that is whole every
 * page is in exactly one tree, once, or is free. A wrong bit that hides or adds rows breaks that,
 * or a bound, or the order of keys, or a count; one in a row breaks its checksum. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "store/disk.h"
#include "store/page.h"
#include "store/tables.h"

/* Pages behind a long value that came after a longer one: they are in use, and nothing is in
 * them. */
struct survey_spare {
    uint64_t page, count, above;
};

struct survey {
    const char *name; /* of the file, in the report */
    const struct disk *disk;
    int file;
    struct buf *report;
    size_t page_bytes;
    uint64_t pages; /* numbers are below it */
    bool empty;     /* nothing was ever committed */
    struct page_head head;
    struct page_tree trees[TABLE_COUNT];
    bool known[TABLE_COUNT]; /* the file says of it what makes sense */
    /* What was found. */
    uint64_t damaged;      /* places that LMDB must not meet */
    uint64_t rows_damaged; /* rows whose checksum is wrong, in pages that are whole */
    bool about_damaged;    /* one of these is in the table meta */
    bool unused_whole;     /* what is free is known, in full */
    bool trees_whole;      /* all tables have all their rows */
    uint64_t leaves;       /* of the tables, found from the roots */
    uint64_t lines;        /* in the report */
    uint8_t *tables;       /* a byte a page: 1 and the table of which it should be a leaf, or 0 */
    /* A bit a page. */
    uint8_t *reached;      /* whole, and a root leads to it through others that are */
    uint8_t *suspect;      /* the same, but that it is not what it should be there */
    uint8_t *values;       /* long values are in there */
    uint8_t *unused;
    /* While it runs. */
    uint8_t *buffers[PAGE_DEPTH_MAX];
    uint8_t *ahead; /* pages that were read with another one */
    uint64_t ahead_at, ahead_count;
    struct {
        VEC(struct survey_spare);
    } spares;
    struct buf value;
    int err;
};

/* Read the file through. What is damaged has a line in report, with the file's name and the
 * page. ERR_OK, whatever was found; ERR_CHECKSUM: not even its heads make sense; ERR_VERSION: it
 * is of another LMDB; ERR_IO, ERR_NOMEM. survey_finish in any case. */
int survey_run(struct survey *survey, const struct disk *disk, int file, const char *name,
               struct buf *report);

/* Free what it holds. The file stays open. */
void survey_finish(struct survey *survey);

/* Read a page. ERR_OK; ERR_NOT_FOUND: the file ends before; ERR_IO. */
int survey_page(const struct survey *survey, uint64_t number, uint8_t *page);

/* The same, and what is wrong, or NULL. */
const char *survey_page_get(const struct survey *survey, uint64_t number, uint8_t *page);

/* Read the value that is in pages of its own, borrowed until the next; NULL: it can't be. Marks
 * nothing. */
const char *survey_value(struct survey *survey, const struct page_node *node,
                         struct str *ret_value);

/* A line about a page in the report; after a while only the first of many. */
__attribute__((format(printf, 3, 4))) void survey_say(struct survey *survey, uint64_t page,
                                                      const char *format, ...);

/* Is the page's bit set? */
bool survey_has(const uint8_t *bits, uint64_t page);

/* Rows that the table should have, by what the file says; UINT64_MAX: it does not say. */
uint64_t survey_rows(const struct survey *survey, enum table table);
