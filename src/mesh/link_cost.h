/* SPDX-License-Identifier: Apache-2.0 */
/* What a link costs, from its round-trip time, and when the world is told. MESH.md 3.2. */
#pragma once

#include <stdint.h>

struct mesh;
struct link;

/* The cost as measured now: 10 and one more for every 100 us of the least round-trip time,
 * so that neither jitter nor a queue moves traffic to and fro. */
uint32_t link_cost(const struct link *link);

/* The link is full once more: how long to wait before it is advertised, more for a
 * neighbour whose links come and go. */
uint64_t link_damping(struct mesh *mesh, struct link *link);

/* Advertise the link when it is time, and its cost anew when that is off by more than a
 * quarter for ten seconds, at most every half minute; once, sooner, when the first PINGs
 * have shown what the handshake could not. When to come back. */
uint64_t link_cost_run(struct mesh *mesh, struct link *link);
