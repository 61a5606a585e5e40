/* SPDX-License-Identifier: Apache-2.0 */
/* Putting large messages together again: the pieces of a DATA tail, in whatever order they
 * come. Bounded in number, bytes and time. MESH.md 3.7. */
#pragma once

#include "base/list.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum { FRAG_MESSAGES_MAX = 16, FRAG_BYTES_MAX = 64 * 1024 * 1024, FRAG_AGE_MS = 30000 };

/* One piece as its frame says it. */
struct frag {
    uint32_t origin; /* index of the node */
    uint64_t id, index, count, total;
    struct str bytes;
};

/* A message on its way in. */
struct frag_message {
    struct list node;
    uint32_t origin;
    uint64_t id, count, total, missing;
    uint64_t due_ms;
    uint8_t *have; /* bit per piece */
    uint8_t *data;
};

struct frag_table {
    struct list messages; /* oldest first */
    size_t bytes;
};

/* Where a piece begins, and how long the pieces are (the last one may be shorter). */
static inline uint64_t frag_len(uint64_t total, uint64_t count)
{
    return (total + count - 1) / count;
}

/* An empty table. */
void frag_init(struct frag_table *table);

/* Drop everything. */
void frag_finish(struct frag_table *table);

/* Read the tail of a FRAG frame but for its origin: ERR_OK or ERR_MALFORMED. */
int frag_decode(struct str tail, struct frag *ret_frag);

/* Write what stands before the piece; at has room for FRAG_HEAD_MAX. Returns its length. */
size_t frag_put_head(uint8_t *at, uint64_t id, uint64_t index, uint64_t count, uint64_t total);

/* Add a piece. When that completes its message, it is put in *ret_message (else NULL): use
 * data and total, then frag_release. ERR_OK, ERR_MALFORMED, ERR_LIMIT or ERR_NOMEM. */
int frag_add(struct frag_table *table, const struct frag *frag, uint64_t now_ms,
             struct frag_message **ret_message);

/* Drop a message. */
void frag_release(struct frag_table *table, struct frag_message *message);

/* Drop what came from this node. */
void frag_forget(struct frag_table *table, uint32_t origin);

/* Drop what is too old; when to come back. */
uint64_t frag_run(struct frag_table *table, uint64_t now_ms);
