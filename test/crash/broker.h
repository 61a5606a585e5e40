/* SPDX-License-Identifier: Apache-2.0 */
/* A whole broker for simulations: core, mesh and node with the store on a virtual disk, and
 * the clients that are its own. The store works when it is told to, one piece at a time. Time
 * is what its owner sets. */
#pragma once

#include "base/rand.h"
#include "client.h"
#include "ledger.h"
#include "node/node.h"
#include "store/store.h"
#include "store/tables.h"
#include "vdisk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker {
    uint32_t index;
    struct ledger *ledger;
    struct client *clients; /* its own */
    size_t client_count;
    uint64_t now_ms, now_us;
    struct vdisk vdisk;
    struct tables *tables; /* survive a crash as of their last transaction */
    struct store *store;
    struct node *node;     /* NULL: not running */
    struct node_out out;   /* of the steps that run */
    struct node_out going; /* being carried out */
    bool carrying;
    conn_id conns;                  /* given out so far */
    conn_id late;                   /* who looks at what is retained; 0: nobody now */
    uint32_t retained[AUTHORS_MAX]; /* what it has seen */
    unsigned crashes;
    bool disk_failed, full;
    bool troubled;    /* its disk was made to fail since it started: the store may wait for room */
    bool leaving;     /* it has said goodbye */
    uint32_t loading; /* parts of queues that were asked for and have not come */
    uint64_t token_given, token_said; /* the last operation's, and how far the store has come */
    uint64_t hash;                    /* of all that it sent to clients */
    /* What its mesh wants, after what the core wanted; NULL: nobody carries it out. */
    void (*carry_mesh)(void *context, struct broker *broker, struct mesh_out *out);
    void *context;
};

/* An empty disk; nothing runs yet. */
void broker_init(struct broker *broker, struct ledger *ledger, uint64_t seed);

/* Free it all. */
void broker_finish(struct broker *broker);

/* Start it from what the disk holds. What follows from that waits in out, for the first step. */
void broker_start(struct broker *broker, const struct mesh_config *mesh);

/* It is gone at once, and with it whatever was on its way. */
void broker_crash(struct broker *broker);

/* It goes in good order, after CORE_SHUTDOWN: all is made durable. */
void broker_stop(struct broker *broker);

/* Hand one event to it and carry out what it wants. */
void broker_step(struct broker *broker, struct core_event event);

/* Carry out what waits in out. */
void broker_carry(struct broker *broker);

/* Let the store do one piece of work, or hear of it, or end the turn. */
void broker_store(struct broker *broker, struct rand *rand);

/* Has the store nothing to do, and is all durable? Does one piece of work of each kind. */
bool broker_is_idle(struct broker *broker);

/* Is all durable that was submitted? */
bool broker_is_firm(const struct broker *broker);

/* And does nothing wait for the store? */
bool broker_is_still(const struct broker *broker);

/* The disk has no room for a while, or fails to sync once. */
void broker_trouble(struct broker *broker, struct rand *rand);

/* ---- promise.c: what must hold ---- */

/* After all has come to rest, with everybody connected: note what was promised and is not so.
 * Looks at what is retained, too. */
void promise_check(struct broker *broker);

/* A late client asks what is retained: into retained. */
void promise_look(struct broker *broker);

/* What the late client gets. */
void promise_seen(struct broker *broker, const uint8_t *bytes, size_t len);
