/* SPDX-License-Identifier: Apache-2.0 */
/* What must still be told on a link: not frames but names of records, each at most once,
 * so that a slow link holds no more than the database. A frame is made from the record as
 * it is when the link has room for it. MESH.md 3.4. */
#pragma once

#include "base/vec.h"
#include "mesh/lsdb.h"
#include "mesh/snapshot_out.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;

/* So many bytes of control, and of snapshots, may wait in a link's queue before what is to be
 * told waits as names. */
enum { FLOOD_PUMP_BYTES = 65536 };

enum record_kind { RECORD_TOPOLOGY, RECORD_INTEREST, RECORD_SNAPSHOT, RECORD_KINDS };

struct flood_entry {
    uint32_t node;
    uint8_t kind;
    uint32_t from_inc; /* of interest: what the other side has */
    uint64_t from;
    uint64_t due_ms; /* not before */
};

struct flood {
    struct {
        VEC(struct flood_entry);
    } queue;
    size_t head; /* the first that was not sent */
    struct {
        VEC(uint64_t);
    } marks; /* bit node * RECORD_KINDS + kind: it is queued, or a snapshot waits */
    struct snapshots_out snapshots;
};

/* Nothing to tell. */
void flood_finish(struct flood *flood);

/* Tell every link that takes floods, except this one (or NULL), of the node's record. For
 * interest, from_inc and from are the version before the change. */
void flood_tell(struct mesh *mesh, const struct link *except, struct lsdb_node *node,
                enum record_kind kind, uint32_t from_inc, uint64_t from);

/* Tell one link. */
void flood_tell_link(struct mesh *mesh, struct link *link, struct lsdb_node *node,
                     enum record_kind kind, uint32_t from_inc, uint64_t from, uint64_t due_ms);

/* The other side of the link has the record: do not tell it. */
void flood_cancel(struct link *link, const struct lsdb_node *node, enum record_kind kind);

/* What waited to be told is told now: was it still to be? */
bool flood_taken(struct link *link, const struct lsdb_node *node, enum record_kind kind);

/* The node is forgotten: on every link. */
void flood_forget(struct mesh *mesh, const struct lsdb_node *node);

/* Write frames of what is due, until enough waits in the link's queue. Did it write any? */
bool flood_pump(struct mesh *mesh, struct link *link);

/* When the next waiting record is due; UINT64_MAX: none waits for time. */
uint64_t flood_deadline(const struct mesh *mesh, const struct link *link);

/* A topology record came. ERR_OK or ERR_MALFORMED. */
int topology_on_frame(struct mesh *mesh, struct link *link, struct str body);

/* The own links or identity changed: write and tell a new record, at a measured pace. */
void topology_ask(struct mesh *mesh);

/* Write the record when it is time; when to come back. */
uint64_t topology_run(struct mesh *mesh);
