/* SPDX-License-Identifier: Apache-2.0 */
/* The link-state database: every broker that this one has heard of, its latest topology
 * record, its interest set, and the path to it. MESH.md 3.3.
 *
 * A node keeps its index for as long as it is known; indexes are dense and are what the
 * interest index and the paths speak in. The broker itself is index 0. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "mesh/iset.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NODE_SELF = 0, NEXT_HOPS_MAX = 4, DIGEST_BUCKETS = 64 };

#define NODE_NONE UINT32_MAX

/* One direction of a link as its node advertises it. */
struct lsdb_edge {
    struct node_id id;
    uint32_t node; /* index of id, or NODE_NONE while that broker is unknown */
    uint16_t cost;
};

struct lsdb_node {
    struct node_id id;
    uint32_t index;
    uint32_t rank;  /* place in order of id */
    uint8_t bucket; /* of digests */

    /* The topology record as it came. tseq is 0 while there is none. */
    uint8_t salt;
    bool stub;     /* carries nobody else's traffic */
    bool sid_lost; /* a lower id has the same sid: address by id */
    bool edges_open; /* some edge does not point to its node yet */
    uint32_t inc, tseq, sid;
    uint64_t boot;
    uint8_t *record;
    uint32_t record_len, edge_count;
    struct lsdb_edge *edges; /* in order of id */
    struct str name;         /* inside record */

    /* The shortest paths, by SPF. */
    bool reachable;
    uint8_t hop_count;
    uint16_t hops;
    uint32_t dist;
    uint32_t next_hops[NEXT_HOPS_MAX]; /* indexes of neighbours, in order of id */
    uint64_t lost_ms;                  /* since when it is not reachable */

    /* The link to it, when it is a neighbour, and how often that came up. */
    link_id link;
    uint64_t ecmp_key;
    uint64_t flap_since_ms;
    uint32_t flaps;

    /* Its interest. */
    bool set_bad;  /* the hash did not match: waits for a snapshot */
    uint32_t iinc; /* the incarnation that set belongs to */
    uint64_t iver;
    uint32_t seen_inc; /* the newest version heard of */
    uint64_t seen_iver;
    link_id seen_link; /* by which it was heard of first */
    struct iset *set;          /* NULL: empty. The own one is that of local_interest */
    uint64_t set_expires_ms;   /* a former incarnation's set is dropped then */
    uint64_t asked_ms;         /* last DREQ for it */
    uint64_t refused_ms;       /* not asked for until then: it was over the limit; or 0 */
    struct snapshot *snapshot; /* being received, or NULL */
    struct list installing;    /* in mesh.installing: there is something to do */
    struct list retired;       /* sets that are leaving the index */
    struct list journal;       /* deltas that led to iver, oldest first */

    uint64_t line_hash; /* of the line that stands for it in digests */
};

struct lsdb {
    struct {
        VEC(struct lsdb_node *);
    } nodes; /* by index; NULL: free */
    struct {
        VEC(uint32_t);
    } free; /* indexes to use again */
    struct {
        VEC(struct lsdb_node *);
    } order; /* by id */
    struct map ids, sids;
    size_t sid_conflicts;
    size_t nodes_max;
    uint64_t now_ms; /* what the owner says */
};

/* <0, 0, >0 by bytes. */
int node_id_compare(const struct node_id *a, const struct node_id *b);
static inline bool node_id_equal(const struct node_id *a, const struct node_id *b)
{
    uint64_t x[2], y[2];

    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return x[0] == y[0] && x[1] == y[1];
}

/* A database that knows only this broker. ERR_OK or ERR_NOMEM. */
int lsdb_init(struct lsdb *lsdb, const struct node_id *self, size_t nodes_max);

/* Free it all. Accepts a zeroed one. */
void lsdb_finish(struct lsdb *lsdb);

/* The node at this index, which must be in use. */
static inline struct lsdb_node *lsdb_at(const struct lsdb *lsdb, uint32_t index)
{
    return lsdb->nodes.at[index];
}

static inline struct lsdb_node *lsdb_self(const struct lsdb *lsdb)
{
    return lsdb->nodes.at[NODE_SELF];
}

/* The node with this id, or NULL. */
struct lsdb_node *lsdb_find(const struct lsdb *lsdb, const struct node_id *id);

/* The same, made when it is not there: ERR_OK, ERR_LIMIT or ERR_NOMEM. */
int lsdb_need(struct lsdb *lsdb, const struct node_id *id, struct lsdb_node **ret_node);

/* Forget a node: not this broker itself. Interest and journal must be gone already. */
void lsdb_remove(struct lsdb *lsdb, struct lsdb_node *node);

/* The node that this sid stands for, or NULL. In a conflict the lower id. */
struct lsdb_node *lsdb_by_sid(const struct lsdb *lsdb, uint32_t sid);

/* Give the node its sid. */
int lsdb_set_sid(struct lsdb *lsdb, struct lsdb_node *node, uint32_t sid);

/* Let every edge point to the index of the node it names, if that is known. */
void lsdb_resolve_edges(struct lsdb *lsdb);

/* The node's digest line changed. */
void lsdb_touch(struct lsdb_node *node);

/* Compare a topology record's age with the one held: >0 when the given is newer. */
int lsdb_compare(const struct lsdb_node *node, uint32_t inc, uint64_t boot, uint32_t tseq);

/* Has the node been out of reach for so long that others may have forgotten it? Then it is
 * not passed on to who does not know it, or it would live for ever. */
static inline bool lsdb_node_is_stale(const struct lsdb_node *node, uint64_t now_ms,
                                      uint32_t stale_ms)
{
    return node->index != NODE_SELF && !node->reachable && now_ms - node->lost_ms > stale_ms / 2;
}

/* The number that stands for an id and salt in frames: never 0. MESH.md 3.1. */
uint32_t node_sid(const struct node_id *id, uint8_t salt);
