/* SPDX-License-Identifier: Apache-2.0 */
/* A job is what takes long and nobody waits for: a checkpoint, files to remove, the next
 * segment to make, room to have for the tables. The store thread prepares it, another thread does it meanwhile, the store
 * thread goes on with its outcome. There is one at a time. */
#pragma once

#include "base/vec.h"
#include "store/delta.h"
#include "store/tables.h"

enum job_kind { JOB_NONE, JOB_CHECKPOINT, JOB_FILES, JOB_RESERVE };

struct job {
    enum job_kind kind;
    const struct disk *disk;
    const char *dir;
    struct tables *tables;
    const struct delta *delta; /* CHECKPOINT: borrowed */
    struct {
        VEC(struct segment *);
    } dead;                /* FILES: to be removed, owned */
    uint64_t spare_number; /* FILES: make a segment with this number; 0: none */
    uint64_t spare_bytes;
    uint64_t reserve_bytes; /* RESERVE: room for the tables; what there is */
    uint64_t reserve_least;
    /* The outcome. */
    int err;
    uint64_t damaged;
    struct segment *spare;
};

/* Do it. From any thread. */
void job_run(struct job *job);
