/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule: random steps of a model, work of a store on a virtual disk, crash, recovery,
 * again and again on the same disk, all from one seed. What it checks: what was said to be
 * durable is there, each step as a whole or not at all, in order; and loads answer what the
 * model has, whatever is under way. */
#pragma once

#include "model.h"
#include "vdisk.h"

/* The model behind a step. */
struct snapshot {
    uint64_t token; /* the last of the step */
    struct model model;
};

struct schedule {
    uint64_t seed;
    struct rand rand;
    struct vdisk disk;
    struct tables *tables;
    struct rig rig;
    struct model model;
    unsigned asked; /* loads */
    struct {
        VEC(struct snapshot);
    } snapshots; /* the first is what this run began with */
    struct {
        VEC(bool);
    } must; /* by token: has to be there once it is said */
};

/* A schedule from a seed, the store not open yet. */
void schedule_begin(struct schedule *schedule, uint64_t seed);

/* Free all of it. */
void schedule_end(struct schedule *schedule);

/* Steps until there were enough or the power is gone or the store has given up. */
void schedule_run(struct schedule *schedule, unsigned steps);

/* Let the power go, open what the crash left, and find the step up to which it remembers; the
 * model goes on from there. what: for the report. */
void schedule_recover(struct schedule *schedule, const char *what);

/* The state behind a step from token must on that has this text, or NULL; print: all of them,
 * too. */
const struct snapshot *schedule_find(const struct schedule *schedule, uint64_t must,
                                     struct str text, bool print);
