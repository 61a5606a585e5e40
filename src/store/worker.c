/* SPDX-License-Identifier: Apache-2.0 */
#include "store/worker.h"

#include "base/err.h"
#include "base/os.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BATCH_KEEP_BYTES = 4 * 1024 * 1024, FAILURES_MAX = 2, JOB_FAILURES_MAX = 8 };

__attribute__((format(printf, 3, 4))) static void
health_set(struct worker *w, enum store_health health, const char *format, ...)
{
    va_list args;

    if (w->health == STORE_FAILED || (w->health == health && health != STORE_WELL))
        return;
    va_start(args, format);
    vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    w->health = health;
    w->why_news = true;
}

/* Damage met while running: the health stays what it is, but somebody should know. */
static void damage_report(struct worker *w, uint64_t count, const char *where)
{
    if (count == 0)
        return;
    w->stats.damaged += count;
    snprintf(w->why, sizeof w->why, "%" PRIu64 " damaged in the %s, and skipped", count, where);
    w->why_news = true;
}

struct layers worker_layers(const struct worker *worker)
{
    return (struct layers){ .disk = worker->disk,
                            .deltas = { worker->active, worker->frozen },
                            .tables = worker->tables };
}

/* ---- groups ---- */

/* Is there a delta on its way to the tables, and the next one full meanwhile? */
static bool is_too_far_ahead(const struct worker *w)
{
    return w->frozen && (w->active->marks > DELTA_AHEAD * (size_t)DELTA_MARKS_MAX ||
                         w->active->removals > DELTA_AHEAD * (size_t)DELTA_REMOVALS_MAX ||
                         w->active->live_bytes > DELTA_AHEAD * (uint64_t)DELTA_LIVE_BYTES_MAX);
}

static enum worker_result no_room(struct worker *w, const char *why)
{
    if (w->frozen && !w->job_waits)
        return WORKER_JOB; /* which makes room */
    if (!w->frozen && w->active->last_group > 0 && !w->job_waits) {
        w->freeze_now = true;
        w->journal.sealed = true; /* so that its last segment can go, too */
        return WORKER_JOB;
    }
    health_set(w, STORE_FULL, "%s", why);
    return WORKER_WAIT;
}

static enum worker_result append_failed(struct worker *w, int err)
{
    if (err == ERR_NOMEM)
        return no_room(w, "out of memory");
    if (err == ERR_LIMIT)
        return no_room(w, journal_bytes(&w->journal) + w->batch.bytes.len >
                                  w->journal.bytes_max
                              ? "the journal is at its limit"
                              : "no space left on the disk for the journal");
    if (++w->failures < FAILURES_MAX)
        return WORKER_WAIT; /* the caller tries again at once, in a new segment */
    health_set(w, STORE_FAILED, "the journal can't be written: input/output error");
    return WORKER_DEAD;
}

/* What is getting short, or NULL. It is said before there is nothing left, so that those who
 * take something out still can. */
static const char *room_short(const struct worker *w)
{
    uint64_t journal = journal_bytes(&w->journal), tables = w->stats.table_bytes;
    bool was = w->health == STORE_FULL; /* then less is needed to be well again */

    if (w->no_spare)
        return "no space left on the disk for the journal";
    if (w->no_reserve)
        return "no space left on the disk for the tables";
    if (journal > w->journal.bytes_max / 4 * (was ? 2 : 3) && w->job_waits)
        return "the journal is near its limit";
    if (tables > w->config.tables_bytes_max / 16 * (was ? 15 : 16))
        return "the tables are at their limit";
    return NULL;
}

static void room_check(struct worker *w)
{
    w->no_spare = w->no_spare && journal_wants_spare(&w->journal);
    const char *why = room_short(w);
    if (why)
        health_set(w, STORE_FULL, "%s", why);
    else if (w->health == STORE_FULL)
        health_set(w, STORE_WELL, "there is room again");
}

static void latency_count(struct store_stats *stats, uint64_t us)
{
    size_t bucket = 0;

    while (bucket + 1 < STORE_LATENCY_BUCKETS && us > (uint64_t)64 << bucket)
        bucket++;
    stats->commit_us[bucket]++;
    stats->commit_us_sum += us;
}

/* The batch is on the disk: the delta learns of it. */
static enum worker_result batch_done(struct worker *w, struct journal_place place)
{
    int err = delta_apply(w->active, &w->batch.header, batch_records(&w->batch), place);

    w->batch_built = false;
    w->next_batch++;
    w->next_message += w->batch.messages;
    w->failures = 0;
    w->stats.groups++;
    w->stats.ops += w->batch.header.records - w->batch.messages;
    batch_finish(&w->batch, BATCH_KEEP_BYTES);
    if (err) { /* the journal knows more than we do now */
        health_set(w, STORE_FAILED, "the journal's index: %s", err_text(err));
        return WORKER_DEAD;
    }
    room_check(w);
    return WORKER_DONE;
}

enum worker_result worker_group(struct worker *w, const struct group *group)
{
    struct journal_place place;
    struct batch_header next = { .mark = w->mark, .number = w->next_batch,
                                 .first_message = w->next_message };
    int err = ERR_OK;

    if (w->health == STORE_FAILED)
        return WORKER_DEAD;
    if (group->live == 0)
        return WORKER_DONE;
    if (is_too_far_ahead(w))
        return w->job_waits ? no_room(w, "the tables take no more") : WORKER_JOB;
    if (!w->batch_built)
        err = batch_build(&w->batch, group->ops.at, group->ops.len, &next);
    w->batch_built = !err;
    uint64_t start = os_monotonic_us();
    if (!err)
        err = journal_append(&w->journal, &w->batch, &place);
    if (err == ERR_IO && w->failures == 0) {
        w->failures++;
        err = journal_append(&w->journal, &w->batch, &place);
    }
    if (err)
        return append_failed(w, err);
    latency_count(&w->stats, os_monotonic_us() - start);
    return batch_done(w, place);
}

enum worker_result worker_load(struct worker *w, struct load *load)
{
    struct layers layers = worker_layers(w);

    if (w->health == STORE_FAILED)
        return WORKER_DEAD;
    load->damaged = 0;
    int err = load_run(load, &layers);
    damage_report(w, load->damaged, "queue of a session");
    if (err == ERR_NOMEM)
        return no_room(w, "out of memory");
    if (err) {
        health_set(w, STORE_FAILED, "the tables can't be read: %s", err_text(err));
        return WORKER_DEAD;
    }
    w->stats.loads++;
    w->read_bytes += load->bytes;
    if (w->read_bytes > WORKER_READ_BYTES_MAX) {
        w->read_bytes = 0;
        w->tables->kind->drop_resident(w->tables);
    }
    return WORKER_DONE;
}

/* ---- jobs ---- */

static bool is_full(const struct worker *w)
{
    uint64_t journal = w->journal.bytes_max / 2 < DELTA_JOURNAL_BYTES_MAX
                           ? w->journal.bytes_max / 2
                           : DELTA_JOURNAL_BYTES_MAX;

    return w->active->marks > DELTA_MARKS_MAX || w->active->live_bytes > DELTA_LIVE_BYTES_MAX ||
           w->active->batch_bytes > journal || w->active->removals > DELTA_REMOVALS_MAX ||
           w->freeze_now;
}

/* Let the active delta go its way to the tables, and begin a new one. */
static bool freeze(struct worker *w)
{
    struct delta *fresh = delta_new(w->next_message, w->mark);

    if (!fresh)
        return false; /* later */
    w->frozen = w->active;
    w->active = fresh;
    w->freeze_now = false;
    return true;
}

static void job_set(struct worker *w, enum job_kind kind)
{
    w->job.kind = kind;
    w->job.disk = w->disk;
    w->job.dir = w->config.dir;
    w->job.tables = w->tables;
    w->job.delta = w->frozen;
    w->job.spare_number = 0;
}

/* What the tables may grow by when the active delta is put into them: values are in pages that may
 * be half empty, and to remove rows takes pages first, but these are soon free again. A delta that
 * was drained never needs more than is always kept. */
static uint64_t room_needed(const struct worker *w)
{
    const struct delta *d = w->active;
    uint64_t removals = 2 * (uint64_t)d->removals;

    return TABLES_RESERVE / 4 + 2 * d->live_bytes + 64 * (uint64_t)d->marks +
           (removals < TABLES_RESERVE / 8 ? removals : TABLES_RESERVE / 8);
}

/* Should the active delta go its way now? With no room for another segment it is worth it to get
 * rid of one, or of the only one, where nothing in it is needed. */
static bool wants_freeze(const struct worker *w)
{
    if (w->frozen || w->active->last_group == 0)
        return false;
    return is_full(w) ||
           (w->no_spare && (w->journal.segments.len > 1 || w->active->live_bytes == 0));
}

/* Get more room for the tables? A delta is frozen only when there is: one that is not frozen still
 * takes what drains queues, and needs less room then. */
static bool reserve_next(struct worker *w)
{
    uint64_t needed = wants_freeze(w) ? room_needed(w) : TABLES_RESERVE / 2;

    if (!w->tables->kind->reserve || w->frozen || w->reserved >= needed)
        return false;
    job_set(w, JOB_RESERVE);
    w->job.reserve_bytes = needed > TABLES_RESERVE ? needed : TABLES_RESERVE;
    w->job.reserve_least = needed;
    return true;
}

static bool files_next(struct worker *w)
{
    bool spare = journal_wants_spare(&w->journal);

    if (w->dead.len == 0 && !spare)
        return false;
    job_set(w, JOB_FILES);
    memcpy(&w->job.dead, &w->dead, sizeof w->dead);
    memset(&w->dead, 0, sizeof w->dead);
    w->job.spare_bytes = w->journal.segment_bytes;
    w->job.spare_number = spare ? w->journal.next_number++ : 0;
    return true;
}

bool worker_job_next(struct worker *w)
{
    assert(w->job.kind == JOB_NONE);
    if (w->job_waits || w->health == STORE_FAILED)
        return false;
    if (w->dead.len > 0 && (w->no_reserve || w->no_spare))
        return files_next(w); /* which makes room */
    if (reserve_next(w))
        return true;
    if (wants_freeze(w))
        freeze(w);
    if (!w->frozen)
        return files_next(w);
    job_set(w, JOB_CHECKPOINT);
    return true;
}

/* The frozen delta is in the tables: the journal is not needed up to its end. */
static void checkpoint_done(struct worker *w)
{
    struct segment *segment;

    w->reserved = 0;
    w->applied = w->frozen->last_group;
    delta_free(w->frozen);
    w->frozen = NULL;
    w->stats.checkpoints++;
    w->stats.table_bytes = w->tables->kind->bytes(w->tables);
    if (w->no_spare && w->active->last_group == 0)
        w->journal.sealed = true; /* all of it is in the tables: its last segment makes room, too */
    while ((segment = journal_release(&w->journal, w->applied))) {
        struct segment **slot = vec_push(&w->dead);
        if (slot)
            *slot = segment;
        else
            segment_free(w->disk, w->config.dir, segment, true);
    }
}

static void job_failed(struct worker *w)
{
    w->job_waits = true;
    if (w->job.kind == JOB_RESERVE) {
        w->no_reserve = w->job.err == ERR_LIMIT;
        w->reserved = w->no_reserve ? 0 : w->job.reserve_bytes; /* it can't be had here */
        return;
    }
    if (w->job.kind == JOB_FILES) { /* the spare is not needed yet */
        w->no_spare = w->job.err == ERR_LIMIT;
        return;
    }
    if (w->job.err == ERR_LIMIT || w->job.err == ERR_NOMEM)
        return; /* the journal still takes batches; when it can't either, that is said */
    if (++w->job_failures >= JOB_FAILURES_MAX)
        health_set(w, STORE_FAILED, "the tables can't be written: %s", err_text(w->job.err));
}

void worker_job_done(struct worker *w)
{
    damage_report(w, w->job.damaged, "tables");
    if (w->job.err) {
        job_failed(w);
    } else if (w->job.kind == JOB_CHECKPOINT) {
        w->job_failures = 0;
        checkpoint_done(w);
    } else if (w->job.kind == JOB_RESERVE) {
        w->reserved = w->job.reserve_bytes;
        w->no_reserve = false;
    } else if (w->job.spare) {
        journal_spare_put(&w->journal, w->job.spare);
        w->no_spare = false;
    }
    w->job.kind = JOB_NONE;
    if (!w->batch_built) /* else the group that waits will say it */
        room_check(w);
}

void worker_retry(struct worker *w)
{
    w->job_waits = false;
}
