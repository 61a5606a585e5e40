/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in sorted arrays. A transaction that writes changes them at once and keeps what was
 * there, to put it back when it is aborted. */
#include "base/err.h"
#include "base/vec.h"
#include "store/tables.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct row {
    size_t key_len, value_len;
    char data[]; /* key, value */
};

struct rows {
    VEC(struct row *);
};

/* What a row was before a transaction changed it. */
struct undo {
    enum table table;
    struct row *row; /* or one with the key and no value */
    bool absent;
};

struct tables_mem {
    struct tables tables;
    bool keep;
    pthread_rwlock_t lock;
    struct rows rows[TABLE_COUNT];
    uint64_t bytes;
    unsigned failures; /* of commits that are to come, with fail_err */
    int fail_err;
    _Atomic uint64_t room; /* to reserve */
};

struct mem_txn {
    struct tables_txn txn;
    struct tables_mem *mem;
    bool write;
    uint64_t bytes; /* when it began */
    struct {
        VEC(struct undo);
    } undos;
};

struct mem_cursor {
    struct tables_cursor cursor;
    struct mem_txn *txn;
    enum table table;
    size_t key_len;
    char key[TABLES_KEY_MAX]; /* where it stands */
};

static struct str row_key(const struct row *row)
{
    return (struct str){ row->data, row->key_len };
}

static struct str row_value(const struct row *row)
{
    return (struct str){ row->data + row->key_len, row->value_len };
}

static struct row *row_new(struct str key, struct str value)
{
    struct row *row = malloc(sizeof *row + key.len + value.len);

    if (!row)
        return NULL;
    row->key_len = key.len;
    row->value_len = value.len;
    memcpy(row->data, key.ptr, key.len);
    if (value.len)
        memcpy(row->data + key.len, value.ptr, value.len);
    return row;
}

/* Index of the first row at or behind key. */
static size_t row_at(const struct rows *rows, struct str key)
{
    size_t low = 0, high = rows->len;

    if (high > 0 && str_compare(row_key(rows->at[high - 1]), key) < 0)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(row_key(rows->at[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool row_is(const struct rows *rows, size_t at, struct str key)
{
    return at < rows->len && str_equal(row_key(rows->at[at]), key);
}

static void row_take(struct rows *rows, size_t at)
{
    rows->len--;
    memmove(&rows->at[at], &rows->at[at + 1], (rows->len - at) * sizeof *rows->at);
}

static int row_insert(struct rows *rows, size_t at, struct row *row)
{
    size_t len = rows->len;

    if (!vec_push(rows))
        return ERR_NOMEM;
    memmove(&rows->at[at + 1], &rows->at[at], (len - at) * sizeof *rows->at);
    rows->at[at] = row;
    return ERR_OK;
}

static int mem_begin(struct tables *tables, bool write, struct tables_txn **ret_txn)
{
    struct tables_mem *mem = (struct tables_mem *)tables;
    struct mem_txn *txn = calloc(1, sizeof *txn);

    if (!txn)
        return ERR_NOMEM;
    if (write)
        pthread_rwlock_wrlock(&mem->lock);
    else
        pthread_rwlock_rdlock(&mem->lock);
    txn->txn.kind = tables->kind;
    txn->mem = mem;
    txn->write = write;
    txn->bytes = mem->bytes;
    *ret_txn = &txn->txn;
    return ERR_OK;
}

static void txn_end(struct mem_txn *txn)
{
    vec_each (&txn->undos, undo)
        free(undo->row);
    vec_finish(&txn->undos);
    pthread_rwlock_unlock(&txn->mem->lock);
    free(txn);
}

static void mem_abort(struct tables_txn *tables_txn)
{
    struct mem_txn *txn = (struct mem_txn *)tables_txn;

    while (txn->undos.len > 0) {
        struct undo *undo = &txn->undos.at[--txn->undos.len];
        struct rows *rows = &txn->mem->rows[undo->table];
        size_t at = row_at(rows, row_key(undo->row));
        bool there = row_is(rows, at, row_key(undo->row));
        if (undo->absent) {
            assert(there);
            free(rows->at[at]);
            row_take(rows, at);
            free(undo->row);
        } else if (there) {
            free(rows->at[at]);
            rows->at[at] = undo->row;
        } else {
            int err = row_insert(rows, at, undo->row); /* there was room for it before */
            assert(!err);
        }
    }
    txn->mem->bytes = txn->bytes;
    txn_end(txn);
}

static int mem_commit(struct tables_txn *tables_txn)
{
    struct mem_txn *txn = (struct mem_txn *)tables_txn;
    struct tables_mem *mem = txn->mem;

    if (txn->write && mem->failures > 0) {
        mem->failures--;
        mem_abort(tables_txn);
        return mem->fail_err;
    }
    txn_end(txn);
    return ERR_OK;
}

static int mem_get(struct tables_txn *txn, enum table table, struct str key, struct str *ret_value)
{
    const struct rows *rows = &((struct mem_txn *)txn)->mem->rows[table];
    size_t at = row_at(rows, key);

    if (!row_is(rows, at, key))
        return ERR_NOT_FOUND;
    *ret_value = row_value(rows->at[at]);
    return ERR_OK;
}

static int mem_put(struct tables_txn *tables_txn, enum table table, struct str key,
                   struct str value)
{
    struct mem_txn *txn = (struct mem_txn *)tables_txn;
    struct rows *rows = &txn->mem->rows[table];
    size_t at = row_at(rows, key);
    bool there = row_is(rows, at, key);
    struct row *row = row_new(key, value);
    struct undo *undo = vec_push(&txn->undos);

    assert(txn->write);
    struct row *mark = there ? rows->at[at] : row_new(key, (struct str){ NULL, 0 });
    if (!row || !undo || !mark || (!there && row_insert(rows, at, row) != ERR_OK)) {
        free(row);
        if (!there)
            free(mark);
        if (undo)
            txn->undos.len--;
        return ERR_NOMEM;
    }
    *undo = (struct undo){ table, mark, !there };
    rows->at[at] = row;
    txn->mem->bytes += there ? 0 : key.len + value.len;
    return ERR_OK;
}

static int mem_remove(struct tables_txn *tables_txn, enum table table, struct str key)
{
    struct mem_txn *txn = (struct mem_txn *)tables_txn;
    struct rows *rows = &txn->mem->rows[table];
    size_t at = row_at(rows, key);

    assert(txn->write);
    if (!row_is(rows, at, key))
        return ERR_NOT_FOUND;
    struct undo *undo = vec_push(&txn->undos);
    if (!undo)
        return ERR_NOMEM;
    *undo = (struct undo){ table, rows->at[at], false };
    txn->mem->bytes -= rows->at[at]->key_len + rows->at[at]->value_len;
    row_take(rows, at);
    return ERR_OK;
}

static int mem_cursor(struct tables_txn *txn, enum table table, struct tables_cursor **ret_cursor)
{
    struct mem_cursor *cursor = calloc(1, sizeof *cursor);

    if (!cursor)
        return ERR_NOMEM;
    cursor->cursor.kind = txn->kind;
    cursor->txn = (struct mem_txn *)txn;
    cursor->table = table;
    *ret_cursor = &cursor->cursor;
    return ERR_OK;
}

static int cursor_give(struct mem_cursor *cursor, size_t at, struct str *ret_key,
                       struct str *ret_value)
{
    const struct rows *rows = &cursor->txn->mem->rows[cursor->table];

    if (at >= rows->len)
        return ERR_NOT_FOUND;
    *ret_key = row_key(rows->at[at]);
    *ret_value = row_value(rows->at[at]);
    cursor->key_len = ret_key->len;
    memcpy(cursor->key, ret_key->ptr, ret_key->len);
    return ERR_OK;
}

static int mem_seek(struct tables_cursor *cursor, struct str key, struct str *ret_key,
                    struct str *ret_value)
{
    struct mem_cursor *c = (struct mem_cursor *)cursor;

    return cursor_give(c, row_at(&c->txn->mem->rows[c->table], key), ret_key, ret_value);
}

static int mem_next(struct tables_cursor *cursor, struct str *ret_key, struct str *ret_value)
{
    struct mem_cursor *c = (struct mem_cursor *)cursor;
    const struct rows *rows = &c->txn->mem->rows[c->table];
    struct str key = { c->key, c->key_len };
    size_t at = row_at(rows, key);

    return cursor_give(c, at + (row_is(rows, at, key) ? 1 : 0), ret_key, ret_value);
}

static int mem_remove_at(struct tables_cursor *cursor)
{
    struct mem_cursor *c = (struct mem_cursor *)cursor;

    return mem_remove(&c->txn->txn, c->table, (struct str){ c->key, c->key_len });
}

static void mem_cursor_free(struct tables_cursor *cursor)
{
    free(cursor);
}

static uint64_t mem_bytes(struct tables *tables)
{
    struct tables_mem *mem = (struct tables_mem *)tables;

    pthread_rwlock_rdlock(&mem->lock);
    uint64_t bytes = mem->bytes;
    pthread_rwlock_unlock(&mem->lock);
    return bytes;
}

static void mem_drop_resident(struct tables *tables)
{
    (void)tables;
}

static int mem_copy(struct tables *tables, const char *dir)
{
    (void)tables;
    (void)dir;
    return ERR_INVALID;
}

void tables_mem_fail(struct tables *tables, unsigned commits, int err)
{
    struct tables_mem *mem = (struct tables_mem *)tables;

    mem->failures = commits;
    mem->fail_err = err;
}

void tables_mem_free(struct tables *tables)
{
    struct tables_mem *mem = (struct tables_mem *)tables;

    if (!mem)
        return;
    for (int table = 0; table < TABLE_COUNT; table++) {
        vec_each (&mem->rows[table], row)
            free(*row);
        vec_finish(&mem->rows[table]);
    }
    pthread_rwlock_destroy(&mem->lock);
    free(mem);
}

void tables_mem_room(struct tables *tables, uint64_t bytes)
{
    ((struct tables_mem *)tables)->room = bytes;
}

static int mem_reserve(struct tables *tables, uint64_t bytes)
{
    return bytes <= ((struct tables_mem *)tables)->room ? ERR_OK : ERR_LIMIT;
}

static void mem_close(struct tables *tables)
{
    if (!((struct tables_mem *)tables)->keep)
        tables_mem_free(tables);
}

static const struct tables_kind mem_kind = {
    .begin = mem_begin,
    .commit = mem_commit,
    .abort = mem_abort,
    .get = mem_get,
    .put = mem_put,
    .remove = mem_remove,
    .cursor = mem_cursor,
    .seek = mem_seek,
    .next = mem_next,
    .remove_at = mem_remove_at,
    .cursor_free = mem_cursor_free,
    .bytes = mem_bytes,
    .reserve = mem_reserve,
    .drop_resident = mem_drop_resident,
    .copy = mem_copy,
    .close = mem_close,
};

struct tables *tables_mem_new(bool keep)
{
    struct tables_mem *mem = calloc(1, sizeof *mem);

    if (!mem)
        return NULL;
    if (pthread_rwlock_init(&mem->lock, NULL) != 0) {
        free(mem);
        return NULL;
    }
    mem->tables.kind = &mem_kind;
    mem->keep = keep;
    mem->room = UINT64_MAX;
    return &mem->tables;
}
