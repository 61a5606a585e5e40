/* SPDX-License-Identifier: Apache-2.0 */
/* One id, one broker: what to do when somebody else speaks under ours, or under a sid
 * that we have. MESH.md 3.1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;

/* A record under this broker's own id was seen. True: it is older than ours. If it is not
 * ours, ours moves past it, or, when that happens too often and the other's boot number is
 * not lower, this broker drops all links for five minutes. */
bool identity_seen(struct mesh *mesh, uint32_t inc, uint64_t boot, uint64_t version);

/* Interest under the own id, of our incarnation or a later one, was seen that is not ours:
 * what remains of a life that was forgotten. Ours moves past it, as above. */
void identity_interest_seen(struct mesh *mesh, uint32_t inc);

/* A peer with this broker's own id came on a link: one of the two must go. */
void identity_met(struct mesh *mesh, struct link *link, uint32_t inc, uint64_t boot);

/* Another broker may have got our sid: the higher id moves. */
void identity_check_sid(struct mesh *mesh);

/* The end of quarantine; when to come back. */
uint64_t identity_run(struct mesh *mesh);
