/* SPDX-License-Identifier: Apache-2.0 */
#include "store/survey.h"

#include "base/err.h"
#include "store/heads.h"
#include "store/row.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 50, AHEAD = 16 };

/* A tree that is being gone through. */
struct climb {
    struct survey *survey;
    const char *name;
    const struct page_tree *tree;
    bool numbers; /* its keys are */
    enum table table;
    struct page_tree found;
    uint64_t damaged;
    uint64_t said; /* 1 and the page that something was last said of; 0: none */
    void (*row)(struct climb *climb, uint64_t page, const struct page_node *node);
};

/* Where a page should be. */
struct spot {
    uint64_t page;
    uint64_t above; /* the page that says so; or 0 */
    unsigned level;
    struct str low, high; /* its keys; an empty high is none */
};

/* ---- bits, lines, pages ---- */

bool survey_has(const uint8_t *bits, uint64_t page)
{
    return bits[page / 8] & 1u << page % 8;
}

static void bit_set(uint8_t *bits, uint64_t page)
{
    bits[page / 8] |= (uint8_t)(1u << page % 8);
}

void survey_say(struct survey *s, uint64_t page, const char *format, ...)
{
    va_list args;
    char what[160];

    if (s->lines++ >= LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    buf_printf(s->report, "%s: page %" PRIu64 ": %s\n", s->name, page, what);
}

/* Damage in a tree; the first of a page is said. */
static void bad(struct climb *c, uint64_t page, const char *what)
{
    c->damaged++;
    c->survey->damaged++;
    if (c->said != page + 1)
        survey_say(c->survey, page, "%s: %s", c->name, what);
    c->said = page + 1;
}

int survey_page(const struct survey *s, uint64_t number, uint8_t *page)
{
    size_t got;
    int err = disk_read_all(s->disk, s->file, page, s->page_bytes, number * s->page_bytes, &got);

    return err ? err : got < s->page_bytes ? ERR_NOT_FOUND : ERR_OK;
}

const char *survey_page_get(const struct survey *s, uint64_t number, uint8_t *page)
{
    int err = survey_page(s, number, page);

    return !err ? NULL : err == ERR_NOT_FOUND ? "the file ends before it" : "can't be read";
}

/* The same for pages that mostly follow each other: one call to the kernel for many. */
static const char *leaf_get(struct survey *s, uint64_t number, uint8_t *page)
{
    size_t got = 0;

    if (number - s->ahead_at >= s->ahead_count) {
        bool follows = number - s->ahead_at <= 2 * AHEAD;
        s->ahead_at = number;
        s->ahead_count = 0;
        if (!follows)
            return survey_page_get(s, number, page);
        if (!s->ahead)
            s->ahead = malloc(AHEAD * s->page_bytes);
        if (!s->ahead || disk_read_all(s->disk, s->file, s->ahead, AHEAD * s->page_bytes,
                                       number * s->page_bytes, &got) != ERR_OK)
            return survey_page_get(s, number, page);
        s->ahead_count = got / s->page_bytes;
        if (s->ahead_count == 0)
            return survey_page_get(s, number, page);
    }
    memcpy(page, s->ahead + (number - s->ahead_at) * s->page_bytes, s->page_bytes);
    return NULL;
}

/* May the page that another one points to be there? Not, if there is none, or if it is elsewhere,
 * too. */
static bool page_may(struct climb *c, uint64_t page, uint64_t above)
{
    struct survey *s = c->survey;
    bool there = page >= PAGE_HEADS && page < s->pages;
    char what[80];

    if (there && !survey_has(s->reached, page))
        return true;
    snprintf(what, sizeof what, "points to page %" PRIu64 ", %s", page,
             there ? "as another one does" : "which is not there");
    bad(c, above, what);
    return false;
}

/* ---- rows ---- */

const char *survey_value(struct survey *s, const struct page_node *node, struct str *ret_value)
{
    uint64_t count = page_overflow_need(node->value_len, s->page_bytes);
    size_t want = (size_t)count * s->page_bytes, got = 0;

    if (node->page == 0) {
        *ret_value = node->value;
        return NULL;
    }
    if (node->page < PAGE_HEADS || node->page >= s->pages || count > s->pages - node->page)
        return "a value is where no pages are";
    buf_clear(&s->value);
    if (!buf_reserve(&s->value, want)) {
        s->err = ERR_NOMEM;
        return "out of memory";
    }
    if (disk_read_all(s->disk, s->file, s->value.data, want, node->page * s->page_bytes, &got) ||
        got < page_overflow_begin() + node->value_len)
        return "a value can't be read";
    *ret_value = (struct str){ (char *)s->value.data + page_overflow_begin(), node->value_len };
    return NULL;
}

/* What is wrong with the first page of a value, which survey_value has read, or NULL. */
static const char *value_check(const struct survey *s, const struct page_node *node)
{
    const uint8_t *page = s->value.data;
    uint64_t count = page_overflow_count(page);

    if (page_number(page) != node->page || page_kind(page) != PAGE_OVERFLOW)
        return "a value is where there is none";
    if (count < page_overflow_need(node->value_len, s->page_bytes) ||
        count > s->pages - node->page)
        return "a value has another number of pages";
    return NULL;
}

/* The value of a row, its pages taken if it has any; false: something is wrong with them. */
static bool value_take(struct climb *c, uint64_t page, const struct page_node *node,
                       struct str *ret_value)
{
    struct survey *s = c->survey;
    const char *wrong = survey_value(s, node, ret_value);
    uint64_t need = page_overflow_need(node->value_len, s->page_bytes);

    if (node->page == 0)
        return true;
    if (!wrong)
        wrong = value_check(s, node);
    if (wrong) {
        bad(c, page, wrong);
        return false;
    }
    for (uint64_t i = 0; i < need; i++) {
        if (!page_may(c, node->page + i, page))
            return false;
    }
    for (uint64_t i = 0; i < need; i++) {
        bit_set(s->reached, node->page + i);
        bit_set(s->values, node->page + i);
    }
    uint64_t count = page_overflow_count(s->value.data);
    c->found.overflows += count;
    struct survey_spare *spare = count > need ? vec_push(&s->spares) : NULL;
    if (spare)
        *spare = (struct survey_spare){ node->page + need, count - need, page };
    else if (count > need)
        s->err = ERR_NOMEM;
    return true;
}

static void table_row(struct climb *c, uint64_t page, const struct page_node *node)
{
    char key[2 * 24 + 1] = "";
    struct str value;

    if (!value_take(c, page, node, &value))
        return;
    if (row_open(node->key, value, &value) == ERR_OK)
        return;
    c->survey->rows_damaged++;
    c->survey->about_damaged |= c->table == TABLE_META;
    for (size_t i = 0; i < node->key.len && i < 24; i++)
        snprintf(key + 2 * i, 3, "%02x", (uint8_t)node->key.ptr[i]);
    survey_say(c->survey, page, "%s: row %s%s: checksum does not match", c->name, key,
               node->key.len > 24 ? "..." : "");
}

/* A row of the main tree: a table. */
static void tree_row(struct climb *c, uint64_t page, const struct page_node *node)
{
    struct survey *s = c->survey;
    struct page_tree tree;

    for (int table = 0; table < TABLE_COUNT; table++) {
        if (!node->is_tree || s->known[table] ||
            !str_equal(node->key, str_from_c(table_name((enum table)table))))
            continue;
        memcpy(&tree, node->value.ptr, sizeof tree);
        if (tree.flags != 0 || !page_tree_is_sane(&tree, s->pages))
            break;
        s->trees[table] = tree;
        s->known[table] = true;
        return;
    }
    bad(c, page, "what it says of a table makes no sense");
}

/* A row of the tree of free pages: those that a transaction freed, the last ones first. */
static void unused_row(struct climb *c, uint64_t page, const struct page_node *node)
{
    struct survey *s = c->survey;
    struct str value;
    size_t txn, count, number, before = SIZE_MAX;

    if (!value_take(c, page, node, &value))
        return;
    memcpy(&txn, node->key.ptr, sizeof txn);
    if (value.len < sizeof count || txn > s->head.txn) {
        bad(c, page, "a list of free pages makes no sense");
        return;
    }
    memcpy(&count, value.ptr, sizeof count);
    if (count > value.len / sizeof count - 1) {
        bad(c, page, "a list of free pages makes no sense");
        return;
    }
    for (size_t i = 1; i <= count; i++, before = number) {
        memcpy(&number, value.ptr + i * sizeof number, sizeof number);
        if (number < PAGE_HEADS || number >= s->pages || number >= before ||
            survey_has(s->unused, number)) {
            bad(c, page, "a list of free pages makes no sense");
            return;
        }
        bit_set(s->unused, number);
    }
}

/* ---- trees ---- */

static int key_compare(const struct climb *c, struct str a, struct str b)
{
    size_t x, y;

    if (!c->numbers)
        return str_compare(a, b);
    memcpy(&x, a.ptr, sizeof x);
    memcpy(&y, b.ptr, sizeof y);
    return (x > y) - (x < y);
}

/* What is wrong with the keys of a page, or NULL. A branch's first one means nothing. */
static const char *keys_check(const struct climb *c, const uint8_t *page, const struct spot *spot)
{
    size_t count = page_node_count(page), page_bytes = c->survey->page_bytes;
    struct str before = spot->low;
    struct page_node node;
    bool branch = page_kind(page) == PAGE_BRANCH;

    if (branch && count < 2 && !c->numbers)
        return "is a branch of one page";
    for (size_t i = branch; i < count; i++) {
        if (!page_node_read(page, page_bytes, i, &node) ||
            (c->numbers && node.key.len != sizeof(size_t)) || node.key.len == 0)
            return "has a key that can't be";
        int order = before.len ? key_compare(c, before, node.key) : -1;
        if (order > 0 || (order == 0 && i > branch))
            return "has keys out of order";
        before = node.key;
    }
    if (spot->high.len && before.len && key_compare(c, before, spot->high) >= 0)
        return "has keys of another page";
    return NULL;
}

static void page_visit(struct climb *c, const struct spot *spot);

static void branch_visit(struct climb *c, const uint8_t *page, const struct spot *spot)
{
    size_t count = page_node_count(page), page_bytes = c->survey->page_bytes;
    struct page_node node, next;

    c->found.branches++;
    page_node_read(page, page_bytes, 0, &node);
    for (size_t i = 0; i < count; i++, node = next) {
        struct spot below = { .page = node.page, .above = spot->page, .level = spot->level + 1,
                              .low = i ? node.key : spot->low, .high = spot->high };
        if (i + 1 < count) {
            page_node_read(page, page_bytes, i + 1, &next);
            below.high = next.key;
        }
        page_visit(c, &below);
    }
}

static void leaf_visit(struct climb *c, const uint8_t *page, const struct spot *spot)
{
    size_t count = page_node_count(page);
    struct page_node node;

    c->found.leaves++;
    c->found.rows += count;
    for (size_t i = 0; i < count; i++) {
        page_node_read(page, c->survey->page_bytes, i, &node);
        c->row(c, spot->page, &node);
    }
}

/* Room for a page of a level. */
static uint8_t *buffer_get(struct survey *s, unsigned level)
{
    if (!s->buffers[level])
        s->buffers[level] = malloc(s->page_bytes);
    if (!s->buffers[level])
        s->err = ERR_NOMEM;
    return s->buffers[level];
}

/* A leaf of a table should be there, whatever is. */
static void leaf_note(struct climb *c, const uint8_t *page, uint64_t number)
{
    struct survey *s = c->survey;

    if (!s->tables[number])
        s->leaves += page_kind(page) == PAGE_LEAF;
    s->tables[number] = (uint8_t)(1 + c->table);
}

static void page_visit(struct climb *c, const struct spot *spot)
{
    struct survey *s = c->survey;
    bool leaf = spot->level + 1 == c->tree->depth;
    uint8_t *page = buffer_get(s, spot->level);

    if (s->err || !page_may(c, spot->page, spot->above))
        return;
    const char *wrong = leaf ? leaf_get(s, spot->page, page) : survey_page_get(s, spot->page, page);
    if (wrong)
        memset(page, 0, s->page_bytes);
    if (leaf && c->row == table_row)
        leaf_note(c, page, spot->page);
    if (!wrong)
        wrong = page_check(page, s->page_bytes, spot->page, leaf ? PAGE_LEAF : PAGE_BRANCH);
    if (!wrong)
        wrong = keys_check(c, page, spot);
    bit_set(wrong ? s->suspect : s->reached, spot->page);
    if (wrong)
        bad(c, spot->page, wrong);
    else if (leaf)
        leaf_visit(c, page, spot);
    else
        branch_visit(c, page, spot);
}

/* Go through a tree; 0: it is what the file says of it. */
static uint64_t tree_climb(struct climb *c, uint64_t above)
{
    const struct page_tree *tree = c->tree;
    const struct spot root = { .page = tree->root, .above = above };

    if (tree->root != SIZE_MAX)
        page_visit(c, &root);
    if (c->damaged == 0 && (c->found.rows != tree->rows || c->found.leaves != tree->leaves ||
                            c->found.branches != tree->branches ||
                            c->found.overflows != tree->overflows))
        bad(c, above, "has other numbers of rows and pages than it says");
    return c->damaged;
}

/* The same for a tree of the head. */
static uint64_t head_climb(struct climb *c)
{
    uint64_t head = c->survey->head.txn % PAGE_HEADS;

    if (tree_climb(c, head) > 0 && c->said != head + 1)
        survey_say(c->survey, head, "%s: the tree it leads to is damaged", c->name);
    return c->damaged;
}

static void trees_climb(struct survey *s)
{
    struct climb unused = { .survey = s, .name = "free pages", .tree = &s->head.unused,
                            .numbers = true, .row = unused_row };
    struct climb main = { .survey = s, .name = "tables", .tree = &s->head.main, .row = tree_row };
    uint64_t damaged;

    s->unused_whole = head_climb(&unused) == 0;
    damaged = head_climb(&main);
    for (int table = 0; table < TABLE_COUNT && !s->err; table++) {
        struct climb rows = { .survey = s, .name = table_name((enum table)table),
                              .tree = &s->trees[table], .table = (enum table)table,
                              .row = table_row };
        if (s->known[table])
            damaged += tree_climb(&rows, s->head.main.root);
    }
    s->trees_whole = damaged == 0;
}

/* No other page leads to those that are spare. */
static void spares_check(struct survey *s)
{
    vec_each (&s->spares, spare) {
        for (uint64_t i = 0; i < spare->count; i++) {
            if (!survey_has(s->reached, spare->page + i)) {
                bit_set(s->reached, spare->page + i);
                bit_set(s->values, spare->page + i);
                continue;
            }
            s->damaged++;
            survey_say(s, spare->above, "a value has pages that are elsewhere, too");
            break;
        }
    }
}

/* Every page is in a tree or free, and not both. */
static void pages_check(struct survey *s)
{
    uint64_t both = 0, neither = 0, first = 0, behind = 0;

    for (uint64_t page = PAGE_HEADS; page < s->pages; page++) {
        bool reached = survey_has(s->reached, page) || survey_has(s->suspect, page);
        bool unused = survey_has(s->unused, page), there = page <= s->head.last;
        behind += !there && (reached || unused);
        if (reached != unused || !there)
            continue;
        first = both + neither == 0 ? page : first;
        both += reached;
        neither += !reached;
        if (reached)
            survey_say(s, page, "is in use, and is listed as free");
    }
    s->damaged += both + (behind > 0);
    if (behind > 0)
        survey_say(s, s->head.txn % PAGE_HEADS, "says that there are less pages than are in use");
    if (neither == 0)
        return;
    if (s->damaged == 0)
        s->damaged++;
    survey_say(s, first, "is the first of %" PRIu64 " that no other page leads to", neither);
}

/* ---- all of it ---- */

static int bits_make(struct survey *s)
{
    uint8_t **const maps[] = { &s->reached, &s->suspect, &s->values, &s->unused };
    uint64_t size = 0;
    int err = s->disk->size(s->disk, s->file, &size);

    if (err)
        return err;
    /* Pages behind the end were never written, and are free. There can't be many. */
    if (s->pages / 2 > size / s->page_bytes) {
        s->damaged++;
        survey_say(s, s->head.txn % PAGE_HEADS, "tells of more pages than the file has");
        s->pages = 0;
    }
    if (s->pages < size / s->page_bytes)
        s->pages = size / s->page_bytes;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0] && !err; i++) {
        *maps[i] = calloc(1, (size_t)(s->pages / 8 + 1));
        err = *maps[i] ? ERR_OK : ERR_NOMEM;
    }
    if (!err)
        s->tables = calloc(1, (size_t)s->pages);
    return err || s->tables ? err : ERR_NOMEM;
}

int survey_run(struct survey *s, const struct disk *disk, int file, const char *name,
               struct buf *report)
{
    *s = (struct survey){ .name = name, .disk = disk, .file = file, .report = report };
    uint64_t size = 0;
    int err = disk->size(disk, file, &size);

    if (!err && size == 0) {
        s->empty = true;
        return ERR_OK;
    }
    if (!err)
        err = heads_read(s);
    if (err == ERR_CHECKSUM)
        buf_printf(report, "%s: this is no file of tables\n", name);
    if (err || s->empty)
        return err;
    err = bits_make(s);
    if (err)
        return err;
    trees_climb(s);
    spares_check(s);
    if (!s->err)
        pages_check(s);
    if (s->lines > LINES_MAX)
        buf_printf(report, "%s: and %" PRIu64 " more\n", name, s->lines - LINES_MAX);
    return s->err;
}

void survey_finish(struct survey *s)
{
    for (unsigned i = 0; i < PAGE_DEPTH_MAX; i++)
        free(s->buffers[i]);
    free(s->ahead);
    free(s->reached);
    free(s->suspect);
    free(s->tables);
    free(s->values);
    free(s->unused);
    vec_finish(&s->spares);
    buf_finish(&s->value);
    *s = (struct survey){ .file = -1 };
}

uint64_t survey_rows(const struct survey *s, enum table table)
{
    return s->known[table] ? s->trees[table].rows : UINT64_MAX;
}
