/* SPDX-License-Identifier: Apache-2.0 */
/* A node is one broker of the mesh: core and mesh joined into one step.
 *
 * What the core accepts from a client the node offers to the mesh, at QoS 2 once it is
 * durable; what the mesh brings the node hands to the core; what local clients want the node
 * tells the mesh. Everything else passes through. Like its halves it is deterministic and touches nothing outside. */
#pragma once

#include "core/core.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>

struct node;

struct node_config {
    struct core_config core;
    struct mesh_config mesh;
    uint32_t join_wait_ms; /* clients wait this long for the first link; 0: the default, 2 s */
};

/* What steps want done. core.forwards and core.interests are consumed by the node and
 * always empty for the caller; MESH_DELIVER actions are consumed too: skip them. */
struct node_out {
    struct core_out core;
    struct mesh_out mesh;
};

/* Drop all effects and keep the memory. */
void node_out_clear(struct node_out *out);

/* Drop all effects and free the memory. */
void node_out_finish(struct node_out *out);

/* A broker without clients and links, or NULL when out of memory. */
struct node *node_new(const struct node_config *config, uint64_t now_ms);

/* Free it all. Accepts NULL. */
void node_free(struct node *node);

/* Take back what a store has kept, before the first event, as core_restore does. The mesh
 * learns of the interest before it says anything of itself. MESH.md 3.5 */
int node_restore(struct node *node, const struct durable_op *op, struct node_out *out);

/* Something happened to a client's connection, the store, or time: see core_event. */
void node_on_client(struct node *node, const struct core_event *event, struct node_out *out);

/* Something happened to a link: see mesh_event. */
void node_on_link(struct node *node, const struct mesh_event *event, struct node_out *out);

/* Time has passed, for both halves. now_ms: node time; now_us: see mesh_event. */
void node_tick(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out);

/* The caller's turn ends: bundles for the links go out. */
void node_flush(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out);

/* Say goodbye to all clients and links. */
void node_shutdown(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out);

/* When to call node_tick at the latest, in node time; UINT64_MAX: no need. */
uint64_t node_deadline(const struct node *node);

/* May clients come in? True once a link was full, join_wait_ms has passed, or there is
 * nobody to join: earlier publishes would meet an empty index and vanish. MESH.md 3.5. */
bool node_joined(const struct node *node, uint64_t now_ms);

/* The halves, for looking in. Borrowed. */
struct core *node_core(struct node *node);
struct mesh *node_mesh(struct node *node);
