/* SPDX-License-Identifier: Apache-2.0 */
/* Who this broker is in the mesh: an id for ever, and an incarnation that grows with each
 * start, so that nobody takes what an earlier life said for news. MESH.md 3.1.
 *
 * Both live in DIR/node.json, replaced as a whole and synced before they are used; a lock
 * keeps a second broker out of the directory. Without a directory the id is random and the
 * incarnation comes from the clock. */
#pragma once

#include "base/buf.h"
#include "mesh/mesh.h"

#include <stdint.h>

struct identity {
    struct node_id id;
    uint32_t inc;
    uint64_t boot; /* random per start */
    char *dir;     /* NULL: memory only */
    int lock;      /* descriptor, -1 without a directory */
};

/* Learn or invent the identity, and write it down with the new incarnation. dir: made when
 * it is not there; NULL or "" for none. wall_ms: since 1970. ERR_OK, or an error with one
 * line in errors. The identity must be closed in any case. */
int identity_open(struct identity *identity, const char *dir, uint64_t wall_ms, struct buf *errors);

/* Write this incarnation down, synced. ERR_OK or ERR_IO; without a directory always ERR_OK. */
int identity_persist(struct identity *identity, uint32_t inc);

/* Give the directory free. Accepts a zeroed identity. */
void identity_close(struct identity *identity);

/* The id as 32 hex digits, with NUL. */
void identity_hex(const struct node_id *id, char out[2 * NODE_ID_LEN + 1]);
