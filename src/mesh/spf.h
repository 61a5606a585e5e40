/* SPDX-License-Identifier: Apache-2.0 */
/* Shortest paths first: from this broker to every other, with up to four equally short
 * first hops. An edge counts when both ends list it, one of this broker's own only while a
 * link carries traffic over it, and costs what the dearer end says.
 * Stub-only brokers are never on the way. Dijkstra; the order of equals is that of ids,
 * so that all brokers with the same database agree. MESH.md 3.6. */
#pragma once

#include "base/vec.h"
#include "mesh/lsdb.h"

#include <stdint.h>

struct mesh;

/* A heap of (distance, rank), kept between runs. */
struct spf {
    struct {
        VEC(uint64_t);
    } heap;
};

/* Free the heap. */
void spf_finish(struct spf *spf);

/* Compute dist, hops, next_hops and reachable of every node. ERR_OK, or ERR_NOMEM: some
 * nodes seem unreachable that are not. */
int spf_compute(struct spf *spf, struct lsdb *lsdb);

/* The topology changed: run soon. */
void spf_ask(struct mesh *mesh);

/* Run when it is time, and state who came and who went; when to come back. */
uint64_t spf_run(struct mesh *mesh);

/* Forget brokers that have been gone for too long; when to come back. */
uint64_t stale_run(struct mesh *mesh);
