/* SPDX-License-Identifier: Apache-2.0 */
/* The store makes the core's durable operations survive kill -9 and power loss, in their
 * order, and says how far it has come. Acknowledgements that promise something wait for that
 * word. docs/internals/store.md has the design.
 *
 * This is its face towards the node thread, which never waits for a disk: operations gather
 * in a group; when the store thread is free it takes the group, writes it to the journal
 * with one write and one fdatasync, and the next group gathers meanwhile. What is undone
 * while its group still gathers never gets to the disk.
 *
 * All functions are for the node thread, unless they say otherwise. The three callbacks come
 * on it, from inside store_poll, store_submit, store_flush or store_load. */
#pragma once

#include "base/buf.h"
#include "core/durable.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;
struct store;
struct tables;

enum store_health {
    STORE_WELL,
    STORE_FULL,   /* room is short, on the disk or below a limit: take in no more, so that there
                     is some for what takes out; with none left groups wait, nothing is lost,
                     and it tries again by itself. STORE_WELL comes when there is room again */
    STORE_FAILED, /* the disk can't be trusted any more: what was not said to be durable will
                     never be; the process should stop */
};

struct store_config {
    const char *dir;               /* exists; borrowed for the store's life */
    const struct disk *disk;       /* the file layer; NULL: the real one */
    bool tables_in_memory;         /* instead of LMDB, for tests: lost with the store */
    struct tables *memory_tables;  /* instead of LMDB, for tests: borrowed, from
                                      tables_mem_new(true), so that the next store finds what
                                      this one has committed */
    uint64_t segment_bytes;        /* of a file of the journal; 0: 16 MiB */
    uint64_t journal_bytes_max;    /* live journal, before groups wait; 0: 1 GiB */
    uint64_t tables_bytes_max;     /* 0: 16 GiB */
    uint64_t pending_bytes_max;    /* of a gathering group, before STORE_FULL; 0: 256 MiB */
    uint32_t lazy_ms;              /* how long operations that nobody waits for may; 0: 500 */
    /* Everything up to token is durable, but for lazy operations: nobody waits for them, and
     * they follow in order, within lazy_ms. */
    void (*durable)(void *context, uint64_t token);
    /* The answer to a store_load; borrowed, with its messages: who keeps one takes a reference. */
    void (*loaded)(void *context, const struct core_loaded *loaded);
    /* The health has changed, or is what it was and damage was met: why says where. */
    void (*health)(void *context, enum store_health health, const char *why);
    void *context;
};

/* What a restore found, for the log. */
struct store_recovery {
    uint64_t sessions, subscriptions, queued, retained;
    uint64_t batches;        /* replayed from the journal */
    uint64_t damaged;        /* records or runs of bytes that were not readable, and skipped */
    uint64_t torn_bytes;     /* of a last group that was never acknowledged */
    uint32_t took_ms;
};

/* Lock and read the directory: ERR_OK; ERR_DENIED: another process has it; ERR_VERSION: a
 * newer format; ERR_IO, ERR_NOMEM. What fails, and every damage that was found and got
 * around, has a line in report, with the file and the place. Blocks. */
int store_open(const struct store_config *config, struct store **ret_store, struct buf *report);

/* Give back what survived, once, before store_start: sessions in order of their numbers, each
 * followed by what belongs to it, then retained messages. Operations are borrowed for the
 * call. fn returns ERR_OK to go on. */
int store_restore(struct store *store, int (*fn)(void *context, const struct durable_op *op),
                  void *context, struct store_recovery *ret_recovery);

/* Start the store thread. wake is called on it whenever store_poll has something to do: it
 * may only wake the node thread. */
int store_start(struct store *store, void (*wake)(void *context), void *context);

/* Or work without a thread, for tests from a seed: do the oldest piece of work that waits.
 * False: there was none. */
bool store_work(struct store *store);

/* Take over operations with all they own; a step's operations come in one call. */
void store_submit(struct store *store, const struct durable_op *ops, size_t count);

/* Read a session's queue from a place on, everything submitted so far considered: up to
 * entries_max entries or about bytes_max bytes, at least one if there is one. The answer's end
 * is UINT64_MAX where nothing was behind it when this was called. */
void store_load(struct store *store, uint64_t session, uint64_t from, size_t entries_max,
                size_t bytes_max);

/* The turn ends: a group that somebody waits for goes out if the store thread is free. */
void store_flush(struct store *store, uint64_t now_ms);

/* When to call store_flush at the latest; UINT64_MAX: no need. */
uint64_t store_deadline(const struct store *store);

/* Hear what the store thread has done. */
void store_poll(struct store *store, uint64_t now_ms);

/* Copy the store into a directory, consistent as of now or a little later, while it runs. The
 * directory exists and has no store in it; the copy is one file, and opens as a store. done
 * comes on the node thread, from store_poll, or from store_close with ERR_CLOSED; with
 * ERR_EXISTS where another backup is under way. ERR_OK: begun. */
int store_backup(struct store *store, const char *dir, void (*done)(void *context, int err),
                 void *context);

enum { STORE_LATENCY_BUCKETS = 16 }; /* bucket i: up to 64 << i microseconds */

struct store_stats {
    uint64_t groups, ops, ops_undone; /* written; undone before they were */
    uint64_t journal_bytes, table_bytes, written_bytes;
    uint64_t commit_us[STORE_LATENCY_BUCKETS]; /* write and sync of a group */
    uint64_t commit_us_sum;
    uint64_t pending_ops, oldest_pending_ms;   /* not durable yet; how long the oldest waits */
    uint64_t checkpoints, loads;
    uint64_t damaged; /* what was not readable, and skipped, at the start and since */
    enum store_health health;
};
struct store_stats store_stats(const struct store *store);

/* Make everything that was submitted durable, stop the thread, unlock and free. Accepts
 * NULL. */
void store_close(struct store *store);

/* ---- for people; without a running broker ---- */

/* Read a directory through and report damage, a line each. ERR_OK: none. ERR_CHECKSUM: some.
 * Takes the lock. */
int store_check(const char *dir, struct buf *report);

/* What is in it: sessions, counts, sizes; text, or one JSON object. */
int store_dump(const char *dir, bool json, struct buf *out);
