/* SPDX-License-Identifier: Apache-2.0 */
/* Whole interest sets on their way out: a copy of the set as it was, which costs little, is
 * written chunk by chunk as a link has room. One goes out at a time on each link, the
 * brokers whose turn comes later wait by name. MESH.md 3.4. */
#pragma once

#include "base/vec.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;
struct snapshot_out;

/* What a link has to send. Zeroed: nothing. */
struct snapshots_out {
    struct snapshot_out *current;
    struct {
        VEC(uint32_t); /* brokers, by index */
    } waiting;
    uint64_t chunks_ms; /* so many were written at this time */
    uint32_t chunks;
};

/* Drop it all. */
void snapshots_finish(struct snapshots_out *out);

/* Is there nothing to send? */
bool snapshots_idle(const struct snapshots_out *out);

/* Send the node's set when its turn comes; false when out of memory. */
bool snapshots_add(struct snapshots_out *out, uint32_t node);

/* Does what is on its way bring a neighbour with this version something newer? */
bool snapshots_serve(const struct snapshots_out *out, const struct lsdb_node *node, uint32_t inc,
                     uint64_t version);

/* Write chunks as long as the link's queue has room and the turn is not too long. Did it
 * write any? */
bool snapshots_pump(struct mesh *mesh, struct link *link);

/* Write the whole set at once: for small ones. */
void snapshot_send(struct mesh *mesh, struct link *link, const struct lsdb_node *node);
