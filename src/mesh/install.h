/* SPDX-License-Identifier: Apache-2.0 */
/* How the interest index comes from one set of a broker to another one, a piece a turn over
 * all brokers: there may be a million filters. A set that is complete is added to the index first;
 * then it takes the place of the one that serves; then what only that one had leaves the index. So
 * a topic that both match is matched at every moment. MESH.md 3.4. */
#pragma once

#include "mesh/iset.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;

/* The node's snapshot is complete: let it become the set. */
void install_begin(struct mesh *mesh, struct lsdb_node *node);

/* The set serves no more: let what of it is in no other set of the node leave the index. It is
 * ours then; NULL: nothing. restore: it never was the node's, but is in the index, perhaps
 * with another QoS than what serves. */
void install_retire(struct mesh *mesh, struct lsdb_node *node, struct iset *set, bool restore);

/* Is nothing left of the node to be done? */
bool install_idle(const struct lsdb_node *node);

/* Do a piece of what there is to do; when to come back. */
uint64_t install_run(struct mesh *mesh);

/* Drop all that is under way, as the mesh ends. */
void install_finish(struct lsdb_node *node);
