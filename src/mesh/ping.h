/* SPDX-License-Identifier: Apache-2.0 */
/* Is the peer alive, and how far away is it. Any byte counts as life; a link on which
 * nothing came for three PINGs is dead. MESH.md 3.2.
 *
 * PING: seq u32 | tx_us u64 | membership hash u32 | load u8. PONG: the same,
 * with the PING's seq and tx_us. */
#pragma once

#include "base/str.h"

#include <stdint.h>

struct mesh;
struct link;

/* Send a PING when it is time, close a dead link; when to come back. */
uint64_t ping_run(struct mesh *mesh, struct link *link);

/* A PING or PONG came. ERR_OK or ERR_MALFORMED. */
int ping_on_frame(struct mesh *mesh, struct link *link, struct str body);
int pong_on_frame(struct mesh *mesh, struct link *link, struct str body);
