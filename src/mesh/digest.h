/* SPDX-License-Identifier: Apache-2.0 */
/* Finding differences: sums over all records, bucket by bucket, and a line for each record
 * of a bucket that differs. Equal databases cost one small frame. MESH.md 3.4.
 *
 * DIGEST, form 0 (all that is held) or 1 (only reachable brokers): form u8 | 64 sums u64.
 * Form 2, lines: form u8 | flags u8 (1 last, 2 answer to form 1) | buckets u64 | count leb
 *     | { id 16, inc u32, boot u64, tseq u32, iinc u32, iver leb, ihash u64, flags u8 (1 stale) }
 * DREQ: id 16 | kind u8 | inc u32 | version leb: what the asker has; interest with inc 0:
 * nothing that changes could follow, so the answer is a snapshot. */
#pragma once

#include "base/str.h"
#include "mesh/flood.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;

/* Send the sums: of all records, or of reachable brokers only. */
void digest_send(struct mesh *mesh, struct link *link, bool all);

/* Send the periodic digest when it is time; when to come back. */
uint64_t digest_run(struct mesh *mesh, struct link *link);

/* Answer a full digest that has waited long enough; when to come back. */
uint64_t digest_answer_run(struct mesh *mesh, struct link *link);

/* A DIGEST or DREQ came. ERR_OK or ERR_MALFORMED. */
int digest_on_frame(struct mesh *mesh, struct link *link, struct str body);
int dreq_on_frame(struct mesh *mesh, struct link *link, struct str body);

/* A record came, from wherever: links that waited for it may be in step now. */
void digest_got(struct mesh *mesh, const struct lsdb_node *node, enum record_kind kind);

/* The broker with this id is one more than fit in: count it, state it now and then, and
 * let no link wait for its records. */
void digest_crowded(struct mesh *mesh, const struct node_id *id);

/* The node's interest has more filters than are taken: count and state it, let no link
 * wait for it, and do not ask again for a while. */
void digest_oversized(struct mesh *mesh, struct lsdb_node *node);

/* Does the link wait for the node's interest before it is in step? */
bool digest_waits(const struct link *link, const struct lsdb_node *node);

/* The node's interest was coming by another link, which is gone: ask those that wait for it. */
void digest_ask_again(struct mesh *mesh, const struct lsdb_node *node);

/* Ask the peer for a record. inc, version: what is here. */
void dreq_send(struct mesh *mesh, struct link *link, const struct node_id *id,
               enum record_kind kind, uint32_t inc, uint64_t version);
