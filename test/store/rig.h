/* SPDX-License-Identifier: Apache-2.0 */
/* A store under test with what it said: tokens, loads, health. Operations are numbered by it
 * and made in a line each. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "store/store.h"

#include <pthread.h>

/* An entry of a load. */
struct rig_entry {
    uint64_t seq;
    uint64_t number; /* that the payload begins with */
    bool received;
};

struct rig {
    struct store_config config;
    struct store *store;
    struct buf report;
    uint64_t token;   /* the last one that was submitted */
    uint64_t durable; /* what was said to be durable */
    uint64_t now_ms;
    enum store_health health;
    char why[200];
    unsigned healths; /* how often it was told */
    /* The last load, as text: "seq:payload ..." */
    struct buf loaded;
    uint64_t loaded_end;
    struct {
        VEC(struct rig_entry);
    } entries;
    unsigned loads;
    /* Operations of the step that is being put together. */
    struct {
        VEC(struct durable_op);
    } step;
    /* With threads: wakes. */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool awake;
};

/* A rig whose store is not open yet; config is copied, its callbacks are the rig's. */
void rig_init(struct rig *rig, const struct store_config *config);

/* Close the store, if it is open, and free. */
void rig_finish(struct rig *rig);

/* Open the store; what it returned. */
int rig_open(struct rig *rig);

/* Close it. */
void rig_close(struct rig *rig);

/* Add an operation to the step; each returns its token. */
uint64_t rig_session(struct rig *rig, uint64_t session, const char *client_id);
uint64_t rig_session_del(struct rig *rig, uint64_t session);
uint64_t rig_sub(struct rig *rig, uint64_t session, const char *filter, uint8_t options);
uint64_t rig_sub_del(struct rig *rig, uint64_t session, const char *filter);
uint64_t rig_queue(struct rig *rig, uint64_t session, uint64_t seq, struct message *message);
uint64_t rig_received(struct rig *rig, uint64_t session, uint64_t seq);
uint64_t rig_done(struct rig *rig, uint64_t session, uint64_t seq, uint64_t undoes);
uint64_t rig_incoming(struct rig *rig, uint64_t session, uint16_t packet_id, bool there);
uint64_t rig_retain(struct rig *rig, struct message *message);
uint64_t rig_retain_del(struct rig *rig, const char *topic);

/* The last operation of the step, to change it. */
struct durable_op *rig_last(struct rig *rig);

/* Submit the step. */
void rig_submit(struct rig *rig);

/* Submit, flush, and let the store work until nothing is left to do. */
void rig_settle(struct rig *rig);

/* A message with this topic and payload. */
struct message *rig_message(const char *topic, const char *payload);

/* Load and settle; the answer as text. */
const char *rig_load(struct rig *rig, uint64_t session, uint64_t from, size_t max);

/* What store_restore gives back, a line an operation, into out; its error. */
int rig_restore(struct rig *rig, struct buf *out, struct store_recovery *ret_recovery);

/* Start the threads; wait until tokens are durable. */
void rig_start(struct rig *rig);
void rig_await(struct rig *rig, uint64_t token);
void rig_hear(struct rig *rig); /* whatever it says next */
void rig_await_loads(struct rig *rig, unsigned loads);

/* A new directory for a test, into path, and its removal with all that is in it. */
void rig_dir_make(char path[64]);
void rig_dir_remove(const char *path);
