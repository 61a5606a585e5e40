/* SPDX-License-Identifier: Apache-2.0 */
/* The worker is the store thread's side: it owns journal, deltas and tables, and does one
 * piece of work after the other. It knows of no threads itself: without one the same
 * functions are called from store_work. */
#pragma once

#include "store/group.h"
#include "store/job.h"
#include "store/load.h"
#include "store/store.h"

struct backup;

enum {
    /* A delta of this size goes to the tables. */
    DELTA_MARKS_MAX = 32 * 1024,
    DELTA_REMOVALS_MAX = 256 * 1024,
    DELTA_LIVE_BYTES_MAX = 16 * 1024 * 1024,
    DELTA_JOURNAL_BYTES_MAX = 64 * 1024 * 1024,
    /* While one is on its way there, the next may grow to so many times as much. */
    DELTA_AHEAD = 2,
    /* So much read from the tables, and the memory it takes is given back. */
    WORKER_READ_BYTES_MAX = 8 * 1024 * 1024,
    WORKER_RETRY_MS = 250,
};

struct worker {
    struct store_config config;
    const struct disk *disk;
    int lock_file; /* -1: not held */
    bool look_only;
    struct tables *tables;
    struct journal journal;
    struct delta *active;
    struct delta *frozen; /* on its way to the tables, or NULL */
    uint64_t mark;
    uint64_t applied;
    uint64_t next_batch;
    uint64_t next_message;
    struct batch batch;
    bool batch_built;  /* of the group that waits */
    bool freeze_now;   /* room is needed */
    uint64_t read_bytes; /* by loads, since memory was given back */
    unsigned failures; /* in a row, of writes or syncs */
    unsigned job_failures;
    bool no_spare;     /* there was no room for it */
    uint64_t reserved; /* bytes that the tables surely may grow by */
    bool no_reserve;   /* there was no room for what they should have */
    bool job_waits;    /* it failed: not again before worker_retry */
    struct job job;
    struct backup *backup; /* that is under way, or NULL */
    struct {
        VEC(struct segment *);
    } dead; /* not needed any more, to be removed */
    enum store_health health;
    char why[200];
    bool why_news; /* health or why has changed */
    struct store_stats stats;
    struct store_recovery recovery;
};

/* What became of a piece of work. */
enum worker_result {
    WORKER_DONE,
    WORKER_KEPT, /* it is done later, beside other work */
    WORKER_WAIT, /* no room; try again after worker_retry */
    WORKER_JOB,  /* try again when the job is done */
    WORKER_DEAD, /* never */
};

/* Lock the directory, open the tables, read the journal. As store_open. */
int worker_open(const struct store_config *config, struct buf *report,
                struct worker **ret_worker);

/* The same for a directory that is only looked at: nothing in it changes. ERR_NOT_FOUND: there
 * is no store in it. */
int worker_look(const char *dir, struct buf *report, struct worker **ret_worker);

/* Close everything. Accepts NULL. No job may be running. */
void worker_free(struct worker *worker);

/* Make a group durable; or do a load; both stay the caller's. */
enum worker_result worker_group(struct worker *worker, const struct group *group);
enum worker_result worker_load(struct worker *worker, struct load *load);

/* Is there a job to do? Then worker->job is ready for job_run, and worker_job_done must follow
 * before the next. */
bool worker_job_next(struct worker *worker);
void worker_job_done(struct worker *worker);

/* Time has passed: what had no room may be tried again. */
void worker_retry(struct worker *worker);

/* All that is durable. */
struct layers worker_layers(const struct worker *worker);
