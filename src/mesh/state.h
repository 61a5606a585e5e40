/* SPDX-License-Identifier: Apache-2.0 */
/* What a mesh remembers between steps, and the few things every part of it does: put an
 * effect out, state a fact, ask to be woken. Only the files of this room read it. */
#pragma once

#include "base/rand.h"
#include "mesh/forward.h"
#include "mesh/frag.h"
#include "mesh/interest_index.h"
#include "mesh/journal.h"
#include "mesh/link.h"
#include "mesh/link_queue.h"
#include "mesh/local_interest.h"
#include "mesh/lsdb.h"
#include "mesh/mesh.h"
#include "mesh/seed.h"
#include "mesh/spf.h"

enum { MESH_VERSION = 1 };

enum frame_type {
    FRAME_HELLO = 0x01,
    FRAME_HELLO_ACK = 0x02,
    FRAME_PING = 0x03,
    FRAME_PONG = 0x04,
    FRAME_BYE = 0x05,
    FRAME_DIGEST = 0x08,
    FRAME_DREQ = 0x09,
    FRAME_TLSA = 0x0A,
    FRAME_IDELTA = 0x0B,
    FRAME_ISNAP = 0x0C,
    FRAME_DATA = 0x10,
    FRAME_FRAG = 0x11,
    FRAME_MUST_UNDERSTAND = 0x80,
};

/* Something that is done soon the first time and later the more often it happens. */
struct pace {
    uint64_t due_ms;  /* UINT64_MAX: nothing to do */
    uint64_t last_ms; /* when it was done last */
    uint32_t gap_ms;  /* before the next one */
};

/* The broker's own identity while it runs. */
struct identity {
    uint32_t tseq;
    uint8_t salt;
    uint32_t fights; /* in the last minute */
    uint64_t fights_since_ms;
    uint64_t quarantine_ms; /* no links until then; 0: not in quarantine */
};

struct mesh {
    struct mesh_config config;
    char *text;            /* the strings of config */
    struct str *seed_urls; /* likewise */
    struct lsdb lsdb;
    struct identity identity;
    struct {
        VEC(struct link *);
    } links; /* by link_id; NULL: none */
    size_t link_count;
    uint32_t link_nonce; /* counts handshakes */
    struct seeds seeds;
    struct bundle_pool pool;
    struct delta_journal journal;
    struct interest_index *index;
    struct local_interest *local;
    uint64_t delta_ms; /* when the last own change of interest went out */
    bool telling;      /* it was a piece only: more is to go out */
    bool gathering;    /* local clients' wishes of before are still coming in, and nothing is told before
                        * they are all here: MESH_TELLING */
    struct list installing; /* brokers whose interest is on its way into the index or out of it */
    uint64_t install_ms;    /* in this turn */
    size_t install_left;    /* so much more of it may be done */
    struct pace tlsa_pace, spf_pace;
    struct spf spf;
    uint32_t reachable; /* others */
    uint64_t stale_due_ms;
    uint64_t crowded_ms; /* when a broker was refused last: stated now and then */
    struct forward forward;
    struct frag_table frags;
    struct rand rand;
    bool stopped; /* MESH_SHUTDOWN was seen */
    uint64_t now_ms, now_us, wake_ms;
    struct mesh_out *out;
    struct buf scratch;  /* a frame being written */
    struct buf text_buf; /* a filter being read */
    struct mesh_stats stats;
};

/* Do not sleep longer than until due_ms. */
static inline void mesh_wake(struct mesh *mesh, uint64_t due_ms)
{
    if (due_ms < mesh->wake_ms)
        mesh->wake_ms = due_ms;
}

/* Look at nodes that are lost or hold an old set no later than due_ms. */
static inline void mesh_stale_wake(struct mesh *mesh, uint64_t due_ms)
{
    if (due_ms < mesh->stale_due_ms)
        mesh->stale_due_ms = due_ms;
    mesh_wake(mesh, due_ms);
}

/* Ask for the thing that a pace rules: within first_ms when it has been quiet. */
void mesh_pace_ask(struct mesh *mesh, struct pace *pace, uint32_t first_ms);

/* It is done now: the next one waits longer, from floor_ms doubling to ceiling_ms. */
void mesh_pace_done(struct mesh *mesh, struct pace *pace, uint32_t floor_ms, uint32_t ceiling_ms);

/* Append an effect, zeroed; NULL (and out->failed) when out of memory. */
struct mesh_action *mesh_act(struct mesh *mesh, enum mesh_action_kind kind);

/* Let these bytes go out on the link as one bundle, or (MESH_CLOSE) as the reason. */
void mesh_act_bytes(struct mesh *mesh, enum mesh_action_kind kind, link_id link,
                    enum mesh_channel channel, const void *bytes, size_t len);

/* State a fact: who it is about, and printf text. */
void mesh_fact(struct mesh *mesh, enum mesh_fact_kind kind, link_id link, struct str name,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A node's name for people: its own, or the head of its id in hex in ret_hex. */
struct str mesh_node_name(const struct lsdb_node *node, char ret_hex[12]);

/* An empty buffer to write a frame's body into; then link_put. */
struct buf *mesh_scratch(struct mesh *mesh);
