/* SPDX-License-Identifier: Apache-2.0 */
/* A backup copies a running store: everything durable goes into the tables, and a snapshot of
 * these is copied while the store goes on. */
#pragma once

#include "store/work.h"
#include "store/worker.h"

#include <pthread.h>

struct backup {
    struct work work;
    char *dir;
    void (*done)(void *context, int err);
    void *context;
    int err;
    bool frozen; /* the checkpoint that it needs was asked for */
    uint64_t upto;
};

/* A backup to be done, or NULL when out of memory. */
struct backup *backup_new(const char *dir, void (*done)(void *context, int err), void *context);

/* Free it. Accepts NULL. */
void backup_free(struct backup *backup);

/* Do it: first the checkpoint, then the copy. */
enum worker_result backup_run(struct backup *backup, struct worker *worker);
