/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/os.h"
#include "store/checkpoint.h"
#include "store/migrate.h"
#include "store/replay.h"
#include "store/row.h"
#include "store/worker.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static int lock(struct worker *w, struct buf *report)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/lock", w->config.dir);
    int err = w->disk->lock(w->disk, path, &w->lock_file);
    if (err) {
        w->lock_file = -1;
        buf_printf(report, "%s: %s\n", w->config.dir,
                   err == ERR_DENIED ? "another process is using this directory"
                                     : "the lock file can't be made");
    }
    return err;
}

static int tables_open(struct worker *w, struct buf *report)
{
    if (w->config.memory_tables) {
        w->tables = w->config.memory_tables;
        return ERR_OK;
    }
    if (w->config.tables_in_memory) {
        w->tables = tables_mem_new(false);
        return w->tables ? ERR_OK : ERR_NOMEM;
    }
    return tables_lmdb_open(w->config.dir, w->config.tables_bytes_max, w->look_only, report,
                            &w->recovery.damaged, &w->tables);
}

static int meta_read_or(struct tables_txn *txn, const char *name, uint64_t otherwise,
                        uint64_t *ret_value)
{
    int err = meta_get(txn, name, ret_value);

    if (err == ERR_NOT_FOUND)
        *ret_value = otherwise;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Tables that were just made get what is fixed for the directory's life. */
static int meta_create(struct tables_txn *txn)
{
    uint64_t mark;
    int err = os_random(&mark, sizeof mark);

    if (!err)
        err = meta_put(txn, META_MARK, mark);
    return err ? err : meta_put(txn, META_VERSION, MIGRATE_VERSION);
}

static int meta_load(struct worker *w, struct tables_txn *txn, struct buf *report)
{
    uint64_t version;
    int err = meta_get(txn, META_VERSION, &version);

    if (err == ERR_NOT_FOUND) {
        err = meta_create(txn);
        version = MIGRATE_VERSION;
    }
    if (!err)
        err = migrate_tables(txn, version, report);
    if (!err)
        err = meta_get(txn, META_MARK, &w->mark);
    if (!err)
        err = meta_read_or(txn, META_APPLIED, 0, &w->applied);
    if (!err)
        err = meta_read_or(txn, META_NEXT_MESSAGE, 1, &w->next_message);
    if (err && err != ERR_VERSION)
        buf_printf(report, "tables: what they say of themselves: %s\n", err_text(err));
    return err;
}

static int meta_open(struct worker *w, struct buf *report)
{
    struct tables_txn *txn;
    int err = w->tables->kind->begin(w->tables, true, &txn);

    if (err)
        return err;
    err = meta_load(w, txn, report);
    if (err) {
        txn->kind->abort(txn);
        return err;
    }
    return txn->kind->commit(txn);
}

struct opening {
    struct worker *worker;
    struct buf *report;
    uint64_t damaged;
};

static int batch_replay(void *context, const struct batch_header *header, struct str records,
                        struct journal_place place)
{
    struct opening *o = context;
    struct worker *w = o->worker;
    int err = delta_apply(w->active, header, records, place);

    if (err != ERR_MALFORMED)
        return err;
    buf_printf(o->report, "journal: batch %" PRIu64 " is whole and makes no sense\n",
               header->number);
    o->damaged++;
    return ERR_OK;
}

static int journal_open(struct worker *w, struct buf *report)
{
    struct opening opening = { .worker = w, .report = report };
    struct replay replay = { .mark = w->mark,
                             .applied = w->applied,
                             .batch = batch_replay,
                             .context = &opening,
                             .report = report,
                             .look_only = w->look_only };

    journal_init(&w->journal, w->disk, w->config.dir, w->config.journal_bytes_max);
    if (w->config.segment_bytes)
        w->journal.segment_bytes = w->config.segment_bytes;
    w->active = delta_new(w->next_message, w->mark);
    if (!w->active)
        return ERR_NOMEM;
    int err = replay_run(&replay, &w->journal);
    if (err) {
        buf_printf(report, "journal: %s\n", err_text(err));
        return err;
    }
    if (w->active->messages.len > 0)
        w->next_message = w->active->first_message + w->active->messages.len;
    w->next_batch = replay.last + 1;
    w->recovery.batches = replay.batches;
    w->recovery.damaged += replay.damaged + opening.damaged;
    w->recovery.torn_bytes = replay.torn_bytes;
    return ERR_OK;
}

static int open_all(struct worker *w, struct buf *report)
{
    w->disk = w->config.disk ? w->config.disk : &disk_os;
    w->lock_file = -1;
    if (!w->config.journal_bytes_max)
        w->config.journal_bytes_max = GIB;
    if (!w->config.tables_bytes_max)
        w->config.tables_bytes_max = 16 * GIB;
    int err = lock(w, report);
    if (!err)
        err = tables_open(w, report);
    if (!err)
        err = meta_open(w, report);
    if (!err)
        err = journal_open(w, report);
    if (!err)
        w->stats.table_bytes = w->tables->kind->bytes(w->tables);
    return err;
}

int worker_open(const struct store_config *config, struct buf *report, struct worker **ret_worker)
{
    uint64_t start = os_monotonic_ms();
    struct worker *w = calloc(1, sizeof *w);

    if (!w)
        return ERR_NOMEM;
    w->config = *config;
    int err = open_all(w, report);
    if (err) {
        worker_free(w);
        return err;
    }
    w->recovery.took_ms = (uint32_t)(os_monotonic_ms() - start);
    *ret_worker = w;
    return ERR_OK;
}

int worker_look(const char *dir, struct buf *report, struct worker **ret_worker)
{
    char path[PATH_MAX];
    int file;
    struct worker *w;

    snprintf(path, sizeof path, "%s/" TABLES_LMDB_FILE, dir);
    int err = disk_os.open(&disk_os, path, false, &file);
    if (err) {
        buf_printf(report, "%s: %s\n", path,
                   err == ERR_NOT_FOUND ? "there is no store here" : err_text(err));
        return err;
    }
    disk_os.close(&disk_os, file);
    w = calloc(1, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    w->config.dir = dir;
    w->look_only = true;
    err = open_all(w, report);
    if (err) {
        worker_free(w);
        return err;
    }
    *ret_worker = w;
    return ERR_OK;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    vec_each (&w->dead, segment)
        segment_free(w->disk, w->config.dir, *segment, true);
    vec_finish(&w->dead);
    if (w->job.kind == JOB_FILES) { /* prepared, and never done */
        vec_each (&w->job.dead, segment)
            segment_free(w->disk, w->config.dir, *segment, true);
        vec_finish(&w->job.dead);
    }
    journal_finish(&w->journal);
    delta_free(w->active);
    delta_free(w->frozen);
    batch_finish(&w->batch, 0);
    if (w->tables)
        w->tables->kind->close(w->tables);
    if (w->lock_file >= 0)
        w->disk->close(w->disk, w->lock_file);
    free(w);
}
