/* SPDX-License-Identifier: Apache-2.0 */
#include "store/salvage.h"

#include "base/err.h"
#include "base/vec.h"
#include "mqtt/wire.h"
#include "store/about.h"
#include "store/body.h"
#include "store/checkpoint.h"
#include "store/mend.h"
#include "store/row.h"

#include <inttypes.h>
#include <stdlib.h>

/* So many pages with damage are tried to be mended; that takes up to a tenth of a second each. */
enum { MEND_MAX = 32, COMMIT_BYTES = 8 * 1024 * 1024 };

struct saving {
    struct salvage *salvage;
    struct survey *survey;
    struct tables *into;
    struct tables_txn *txn;
    uint8_t *page, *other;
    size_t bytes; /* put since the last commit */
    unsigned tried;
    enum table hint; /* the table whose tree the page is in; TABLE_COUNT: not known */
    struct {
        VEC(uint64_t);
    } damaged; /* leaves, for later */
    int err;
};

/* ---- which table is a row of? ---- */

static bool is_session(struct str content)
{
    struct durable_op op = { .kind = DURABLE_SESSION_PUT };

    if (about_read(content, &op.about) != ERR_OK)
        return false;
    durable_op_finish(&op);
    return true;
}

static bool is_sub(struct str key, struct str content)
{
    struct wire_reader r = wire_reader(content.ptr, content.len, 0);
    struct wire_reader k = wire_reader(key.ptr, key.len, 0);
    uint64_t session = wire_get_u64(&k);

    wire_get_u8(&r);
    wire_get_leb(&r);
    struct row_key filter = row_key_sub(session, wire_get_rest(&r));
    return !r.err && !k.err && str_equal(key, row_key_str(&filter));
}

static bool is_refs(struct str content)
{
    struct wire_reader r = wire_reader(content.ptr, content.len, 0);

    return wire_get_leb(&r) > 1 && wire_finish(&r) == ERR_OK;
}

static bool is_queue(struct str content)
{
    struct queue_row row;

    return queue_row_read(content, &row) == ERR_OK;
}

static bool is_meta(struct str key)
{
    static const char *const names[] = { META_VERSION, META_MARK, META_APPLIED,
                                         META_NEXT_MESSAGE };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_equal(key, str_from_c(names[i])))
            return true;
    }
    return false;
}

static bool is_body(struct str content)
{
    return body_topic(content).len > 0;
}

static bool is_retained(struct str key, struct str content)
{
    struct row_key topic = row_key_text(body_topic(content));

    return is_body(content) && str_equal(key, row_key_str(&topic));
}

/* Could the row be one of this table? */
static bool row_fits(enum table table, struct str key, struct str content)
{
    bool number = key.len == sizeof(uint64_t);

    switch (table) {
    case TABLE_META: return is_meta(key) && content.len == sizeof(uint64_t);
    case TABLE_SESSIONS: return number && is_session(content);
    case TABLE_SUBS: return is_sub(key, content);
    case TABLE_INCOMING: return key.len == 10 && content.len == 0;
    case TABLE_QUEUE: return key.len == 2 * sizeof(uint64_t) && is_queue(content);
    case TABLE_MESSAGES: return number && is_body(content);
    case TABLE_REFS: return number && is_refs(content);
    case TABLE_RETAINED: return is_retained(key, content);
    case TABLE_COUNT: break;
    }
    return false;
}

/* Pages do not say whose they are, but rows differ: those that are told most surely come first.
 * TABLE_COUNT: it is of none. */
static enum table table_of(struct str key, struct str content)
{
    static const enum table order[] = { TABLE_META,  TABLE_RETAINED, TABLE_SUBS,
                                        TABLE_INCOMING, TABLE_QUEUE, TABLE_REFS,
                                        TABLE_MESSAGES, TABLE_SESSIONS };

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (row_fits(order[i], key, content))
            return order[i];
    }
    return TABLE_COUNT;
}

/* ---- rows ---- */

/* What was put so far need not be held in memory until the end. */
static void commit_now_and_then(struct saving *v, size_t bytes)
{
    v->bytes += bytes;
    if (v->bytes < COMMIT_BYTES || v->err)
        return;
    v->bytes = 0;
    v->err = v->txn->kind->commit(v->txn);
    v->txn = NULL;
    if (!v->err)
        v->err = v->into->kind->begin(v->into, true, &v->txn);
}

/* Put the row, unless a page that is surer had one with its key. */
static void row_save(struct saving *v, const struct page_node *node, bool sure)
{
    struct str value, content;

    if (v->err || node->is_tree || survey_value(v->survey, node, &value) ||
        row_open(node->key, value, &content) != ERR_OK)
        return;
    bool hinted = v->hint != TABLE_COUNT && row_fits(v->hint, node->key, content);
    enum table table = hinted ? v->hint : table_of(node->key, content);
    if (table == TABLE_COUNT || node->key.len > TABLES_KEY_MAX)
        return;
    if (!sure && v->txn->kind->get(v->txn, table, node->key, &content) == ERR_OK)
        return;
    v->err = v->txn->kind->put(v->txn, table, node->key, value);
    v->salvage->rows[table] += !v->err;
    commit_now_and_then(v, node->key.len + value.len);
}

/* All rows of the page in v->page that can be read. */
static void leaf_save(struct saving *v, bool sure)
{
    struct survey *s = v->survey;
    size_t count = page_node_count(v->page);
    struct page_node node;

    for (size_t i = 0; i < count && i < s->page_bytes / 2; i++) {
        if (page_node_read(v->page, s->page_bytes, i, &node))
            row_save(v, &node, sure);
    }
}

/* ---- pages ---- */

/* Does nothing lead to the page, and is it not free, either? */
static bool is_stray(const struct survey *s, uint64_t page)
{
    return !survey_has(s->reached, page) && !survey_has(s->suspect, page) &&
           !survey_has(s->unused, page);
}

/* A wrong bit in a list of free pages, and one in the number of a page below, look the same where
 * both pages have the same keys: which one is of today, nobody can tell. */
static bool is_doubtful(struct saving *v, uint64_t number)
{
    struct survey *s = v->survey;
    struct page_node mine, its;

    for (unsigned bit = 0; bit < 40; bit++) {
        uint64_t other = number ^ (uint64_t)1 << bit;
        if (other < PAGE_HEADS || other >= s->pages || !is_stray(s, other))
            continue;
        if (survey_page(s, other, v->other) == ERR_OK && page_kind(v->other) == PAGE_LEAF &&
            page_node_read(v->other, s->page_bytes, 0, &its) &&
            page_node_read(v->page, s->page_bytes, 0, &mine) && str_equal(its.key, mine.key))
            return true;
    }
    return false;
}

/* May the page in v->page, which a root leads to, speak? */
static bool may_speak(struct saving *v, uint64_t number)
{
    struct survey *s = v->survey;

    if (!survey_has(s->unused, number) || !s->unused_whole)
        return true;
    return s->trees_whole && !is_doubtful(v, number);
}

/* How many leaves of the tables are missing? What is not known of a table may be many. */
static uint64_t leaves_missing(struct saving *v)
{
    struct survey *s = v->survey;
    uint64_t leaves = 0, found = s->leaves;

    for (int table = 0; table < TABLE_COUNT; table++) {
        if (!s->known[table])
            return UINT64_MAX;
        leaves += s->trees[table].leaves;
    }
    for (uint64_t page = PAGE_HEADS; page < s->pages; page++) {
        if (s->tables[page] && survey_has(s->unused, page) && found > 0)
            found--;
    }
    return leaves > found ? leaves - found : 0;
}

/* Go through the leaves that nothing leads to, in the order of the file; count them, or save
 * their rows, too. */
static uint64_t strays_each(struct saving *v, bool save)
{
    struct survey *s = v->survey;
    uint64_t count = 0;

    for (uint64_t page = PAGE_HEADS; page < s->pages && !v->err; page++) {
        if (!is_stray(s, page) || survey_page(s, page, v->page) != ERR_OK)
            continue;
        if (page_kind(v->page) == PAGE_OVERFLOW && page_number(v->page) == page)
            page += page_overflow_count(v->page) ? page_overflow_count(v->page) - 1 : 0;
        else if (!page_check(v->page, s->page_bytes, page, PAGE_LEAF)) {
            count++;
            if (save)
                leaf_save(v, false);
        }
    }
    return count;
}

/* The table whose tree led to the page. */
static enum table hint_of(const struct survey *s, uint64_t page)
{
    return s->tables[page] ? (enum table)(s->tables[page] - 1) : TABLE_COUNT;
}

/* A page that a root leads to: save its rows, if it is a leaf of rows and whole. */
static void reached_save(struct saving *v, uint64_t page)
{
    struct survey *s = v->survey;

    v->hint = hint_of(s, page);
    if (survey_page(s, page, v->page) != ERR_OK || !may_speak(v, page))
        return;
    if (mend_is_whole(s, v->page, page)) {
        leaf_save(v, true);
    } else if (v->hint != TABLE_COUNT) {
        uint64_t *slot = vec_push(&v->damaged);
        if (slot)
            *slot = page;
        else
            v->err = ERR_NOMEM;
    }
}

/* A leaf that is not whole: what is left of it, or all of it. */
static void damaged_save(struct saving *v, uint64_t page)
{
    v->hint = hint_of(v->survey, page);
    if (survey_page(v->survey, page, v->page) != ERR_OK)
        return;
    if (v->tried++ < MEND_MAX && mend_leaf(v->survey, v->page, page)) {
        v->salvage->mended++;
        survey_say(v->survey, page, "had one wrong bit, which is put right");
    }
    leaf_save(v, false);
}

static void everything_save(struct saving *v)
{
    struct survey *s = v->survey;

    for (uint64_t page = PAGE_HEADS; page < s->pages && !v->err; page++) {
        if ((survey_has(s->reached, page) || survey_has(s->suspect, page)) &&
            !survey_has(s->values, page))
            reached_save(v, page);
    }
    vec_each (&v->damaged, page) {
        if (!v->err)
            damaged_save(v, *page);
    }
    v->hint = TABLE_COUNT;
    uint64_t strays = s->unused_whole && !s->trees_whole && !v->err ? strays_each(v, false) : 0;
    if (strays > 0 && strays <= leaves_missing(v))
        strays_each(v, true);
}

/* ---- the end ---- */

static void losses_say(struct saving *v)
{
    struct survey *s = v->survey;

    for (int table = 0; table < TABLE_COUNT; table++) {
        uint64_t rows = survey_rows(s, (enum table)table), saved = v->salvage->rows[table];
        const char *name = table_name((enum table)table);
        if (rows == UINT64_MAX)
            buf_printf(s->report, "%s: %s: %" PRIu64 " rows were found, maybe not all\n", s->name,
                       name, saved);
        else if (saved < rows)
            buf_printf(s->report, "%s: %s: %" PRIu64 " of %" PRIu64 " rows are lost\n", s->name,
                       name, rows - saved, rows);
    }
}

/* Without these rows nothing of the journal can be told. */
static int about_check(struct saving *v)
{
    static const char *const names[] = { META_VERSION, META_MARK, META_APPLIED,
                                         META_NEXT_MESSAGE };
    uint64_t rows = survey_rows(v->survey, TABLE_META), value;
    bool used = v->salvage->rows[TABLE_SESSIONS] > 0 || v->salvage->rows[TABLE_RETAINED] > 0;

    for (size_t i = 0; i < (used ? 3 : 2); i++) {
        if (meta_get(v->txn, names[i], &value) != ERR_OK)
            return ERR_CHECKSUM;
    }
    return rows != UINT64_MAX && v->salvage->rows[TABLE_META] < rows ? ERR_CHECKSUM : ERR_OK;
}

int salvage_run(struct salvage *salvage, struct survey *survey, struct tables *into)
{
    struct saving v = { .salvage = salvage, .survey = survey, .into = into };

    *salvage = (struct salvage){ 0 };
    v.page = malloc(survey->page_bytes);
    v.other = malloc(survey->page_bytes);
    v.err = v.page && v.other ? into->kind->begin(into, true, &v.txn) : ERR_NOMEM;
    if (!v.err)
        everything_save(&v);
    if (!v.err)
        v.err = about_check(&v);
    if (!v.err || v.err == ERR_CHECKSUM)
        losses_say(&v);
    free(v.page);
    free(v.other);
    vec_finish(&v.damaged);
    if (v.err && v.txn)
        into->kind->abort(v.txn);
    else if (v.txn)
        v.err = into->kind->commit(v.txn);
    return v.err ? v.err : survey->err;
}
