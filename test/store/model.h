/* SPDX-License-Identifier: Apache-2.0 */
/* What a store should hold, the simple way: lists. A random step changes it and becomes
 * operations of a rig; its text can be compared with what a store gives back. */
#pragma once

#include "rig.h"

#include "base/rand.h"

enum { MODEL_SESSIONS = 4, MODEL_SUBS = 4, MODEL_INCOMING = 6, MODEL_TOPICS = 4, MODEL_QUEUE = 40 };

struct model_entry {
    uint64_t seq;
    uint32_t payload; /* a number */
    bool received;
    uint64_t put_token; /* of this run, or 0 */
};

struct model_session {
    bool there;
    uint32_t about; /* a number in its client id */
    int subs[MODEL_SUBS];       /* options, or -1 */
    bool incoming[MODEL_INCOMING];
    struct model_entry queue[MODEL_QUEUE];
    size_t count;
    uint64_t next_seq;
};

struct model {
    struct model_session sessions[MODEL_SESSIONS];
    uint32_t retained[MODEL_TOPICS]; /* payload, or 0 */
    uint32_t payload; /* the last one used */
};

/* Nothing is there. */
void model_init(struct model *model);

/* Change it and add the operations of the change to the rig's step. */
void model_step(struct model *model, struct rig *rig, struct rand *rand);

/* Forget the tokens: the process has ended. */
void model_restart(struct model *model);

/* Append what the store should give back: the restore, then the loads. */
void model_print(const struct model *model, struct buf *out);

/* Append what it does give back; its error. */
int model_print_store(struct rig *rig, struct buf *out);
