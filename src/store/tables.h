/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: sorted rows of bytes by a key of bytes, changed in transactions that are
 * atomic and durable. One transaction writes at a time; others read what was committed when
 * they began. What the rows mean is said in row.h.
 *
 * Two kinds: LMDB, and memory for tests.
 *
 * All functions return ERR_OK, ERR_NOT_FOUND, ERR_LIMIT (no room), ERR_NOMEM, ERR_IO, or
 * ERR_CHECKSUM where the file itself makes no sense. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The numbers are in files. */
enum table {
    TABLE_META,
    TABLE_SESSIONS,
    TABLE_SUBS,
    TABLE_INCOMING,
    TABLE_QUEUE,
    TABLE_MESSAGES,
    TABLE_REFS,
    TABLE_RETAINED,
    TABLE_COUNT
};

enum {
    TABLES_KEY_MAX = 500,
    TABLES_RESERVE = 4 * 1024 * 1024, /* of room, always kept: to remove rows takes some */
};

/* A table's name, in files and for people. Static. */
const char *table_name(enum table table);

struct tables;
struct tables_txn;
struct tables_cursor;

struct tables_kind {
    int (*begin)(struct tables *tables, bool write, struct tables_txn **ret_txn);
    /* Both end the transaction, whatever they return; its cursors are gone before. */
    int (*commit)(struct tables_txn *txn);
    void (*abort)(struct tables_txn *txn);
    /* Values stay borrowed until the transaction writes or ends. */
    int (*get)(struct tables_txn *txn, enum table table, struct str key, struct str *ret_value);
    /* Set a row. A table whose keys come in rising order takes less room. */
    int (*put)(struct tables_txn *txn, enum table table, struct str key, struct str value);
    int (*remove)(struct tables_txn *txn, enum table table, struct str key);
    int (*cursor)(struct tables_txn *txn, enum table table, struct tables_cursor **ret_cursor);
    /* The first row at or behind key; the next row; ERR_NOT_FOUND behind the last. */
    int (*seek)(struct tables_cursor *cursor, struct str key, struct str *ret_key,
                struct str *ret_value);
    int (*next)(struct tables_cursor *cursor, struct str *ret_key, struct str *ret_value);
    /* Remove the row that seek or next gave; next goes on behind it. */
    int (*remove_at)(struct tables_cursor *cursor);
    void (*cursor_free)(struct tables_cursor *cursor);
    /* Bytes that rows take; those of removed rows are used again. Not while a transaction
     * writes. */
    uint64_t (*bytes)(struct tables *tables);
    /* Have so much room on the disk for rows to come, whoever else writes there. NULL: needs none.
     * From any thread. */
    int (*reserve)(struct tables *tables, uint64_t bytes);
    /* Give memory back to the kernel that holds what was read; it can be read again. */
    void (*drop_resident)(struct tables *tables);
    /* Copy what is committed into a file of a directory, as a store would find it there;
     * ERR_INVALID: this kind can't. Blocks. From any thread. */
    int (*copy)(struct tables *tables, const char *dir);
    void (*close)(struct tables *tables);
};

/* What every kind of tables begins with. */
struct tables {
    const struct tables_kind *kind;
};

/* What every transaction and cursor begins with. */
struct tables_txn {
    const struct tables_kind *kind;
};
struct tables_cursor {
    const struct tables_kind *kind;
};

/* The file that LMDB's are in; LMDB itself makes another with "-lock" behind its name. */
#define TABLES_LMDB_FILE "tables.mdb"

/* Open, or make, the tables of a directory, for up to bytes_max bytes, and as much again to get
 * below that. A file with damage is not opened: what is whole of it is copied into a new one, and
 * it is kept beside that under a name that says so; where the directory is only looked at, into
 * one that goes with these tables. What fails and what is damaged has a line in report; damaged
 * counts that. ERR_OK, ERR_IO, ERR_LIMIT, ERR_NOMEM, ERR_CHECKSUM (the file is no such thing, or
 * what matters most of it is lost). */
int tables_lmdb_open(const char *dir, uint64_t bytes_max, bool look_only, struct buf *report,
                     uint64_t *damaged, struct tables **ret_tables);

/* The same for the file at path, as it is. Scratch: nothing is locked or synced before
 * tables_lmdb_sync. */
int tables_lmdb_open_file(const char *path, uint64_t bytes_max, bool scratch, struct buf *report,
                          struct tables **ret_tables);

/* Make what was committed survive a loss of power. */
int tables_lmdb_sync(struct tables *tables);

/* New tables in memory, or NULL when out of memory. close keeps them where keep is set: a
 * test that crashes its store opens the next one on them, and ends with tables_mem_free. */
struct tables *tables_mem_new(bool keep);

/* Let the next commits of tables in memory fail with err, as a full or broken disk would. */
void tables_mem_fail(struct tables *tables, unsigned commits, int err);

/* Let there be so much room for tables in memory to reserve, and no more; UINT64_MAX: any. */
void tables_mem_room(struct tables *tables, uint64_t bytes);

/* Free tables in memory that close has kept. Accepts NULL. */
void tables_mem_free(struct tables *tables);
