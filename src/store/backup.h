/* SPDX-License-Identifier: Apache-2.0 */
/* A backup copies a running store: what is durable when its turn comes goes into the tables,
 * and a snapshot of these is copied while everything goes on. One at a time. */
#pragma once

#include "store/work.h"
#include "store/worker.h"

struct backup {
    struct work work;
    char *dir;
    void (*done)(void *context, int err);
    void *context;
    struct tables *tables;
    uint64_t upto; /* this batch has to be in the tables */
    bool copying;
    int err;
};

/* A backup to be done, or NULL when out of memory. */
struct backup *backup_new(const char *dir, void (*done)(void *context, int err), void *context);

/* Free it. Accepts NULL. */
void backup_free(struct backup *backup);

/* Begin it: the worker keeps it. WORKER_KEPT, or WORKER_DONE: refused, with err set. */
enum worker_result backup_begin(struct backup *backup, struct worker *worker);

/* The worker's backup, if it is ready to be copied, once; else NULL. */
struct backup *backup_next(struct worker *worker);

/* Copy it. Takes long. From any thread. */
void backup_copy(struct backup *backup);

/* It was copied: take it from the worker. */
void backup_end(struct backup *backup, struct worker *worker);
