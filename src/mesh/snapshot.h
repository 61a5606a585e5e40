/* SPDX-License-Identifier: Apache-2.0 */
/* A whole interest set on its way in: gathered beside the set that serves meanwhile, and
 * installed when complete and right. Changes that come meanwhile and follow on it are kept
 * for afterwards. MESH.md 3.4. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;
struct interest_head;

struct snapshot {
    uint32_t inc;
    uint64_t iver, hash;
    uint64_t next, chunks;
    link_id link; /* it comes by; 0: that is gone */
    struct iset *set;
    bool adding;           /* complete: the index follows */
    bool torn;             /* memory did not suffice for all of the index */
    struct buf at;         /* where the index is */
    struct list changes;   /* that follow on it, in order */
    uint64_t changes_iver; /* what they lead to */
    size_t changes_bytes;
};

/* Is the node's snapshot complete, and on its way into the index? */
static inline bool snapshot_is_adding(const struct lsdb_node *node)
{
    return node->snapshot && node->snapshot->adding;
}

/* Drop the node's snapshot, if there is one. */
void snapshot_drop(struct mesh *mesh, struct lsdb_node *node);

/* Free it, when the index does not matter any more. Accepts NULL. */
void snapshot_free(struct snapshot *snapshot);

/* The link is gone: what was coming by it will not be whole. */
void snapshot_link_down(struct mesh *mesh, link_id link);

/* It goes on: that counts for the deadline of every link that waits for it. */
void snapshot_progress(struct mesh *mesh, const struct lsdb_node *node);

/* Its filters are in the index: it is the node's set now. */
void snapshot_installed(struct mesh *mesh, struct lsdb_node *node);

/* A change came that does not follow on what serves. Does the snapshot make up for it: is it
 * kept for afterwards, or is the snapshot not older? */
bool snapshot_takes(struct lsdb_node *node, const struct interest_head *head, struct str body);
