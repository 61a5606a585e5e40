/* SPDX-License-Identifier: Apache-2.0 */
/* The topology record (TLSA): one broker's statement of who it is and which links it has.
 * It is flooded byte for byte as its origin wrote it; what this version does not know in
 * it is kept and passed on. MESH.md 3.3.
 *
 *     id 16 | inc u32 | boot u64 | tseq u32 | salt u8 | role u8 | flags u16 | ver_max u8
 *     | caps u64 | region u16 | domain u16 | name u16+n
 *     | locators leb { u16+n } | namespaces leb { u32, u16+n }
 *     | neighbours leb { id 16, cost u16, flags u8 } | tags leb { u16+n } | TLVs */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLSA_NAME_MAX = 64, TLSA_EDGE_LEN = NODE_ID_LEN + 3, TLSA_EDGES_MAX = 2048 };

enum tlsa_flag {
    TLSA_KEEPER = 1,
    TLSA_REGISTRAR = 2,
    TLSA_OVERLOADED = 4,
    TLSA_DRAINING = 8,
    TLSA_STUB_ONLY = 16,
};

/* A record, its text borrowed. */
struct tlsa {
    struct node_id id;
    uint32_t inc;
    uint64_t boot;
    uint32_t tseq; /* never 0 */
    uint8_t salt;
    uint8_t role;
    uint16_t flags;
    uint8_t version_max;
    uint64_t caps;
    uint16_t region, domain;
    struct str name;
    size_t edge_count;
    struct str edges; /* as they stand: walk with tlsa_next_edge */
};

/* Read a record: ERR_OK or ERR_MALFORMED. Neighbours must be in order of id, each once. */
int tlsa_decode(struct str bytes, struct tlsa *ret_tlsa);

/* Write a record without locators, namespaces and tags; edges as tlsa_put_edge made them. */
void tlsa_encode(struct buf *out, const struct tlsa *tlsa);

/* Append one neighbour; call in order of id. */
void tlsa_put_edge(struct buf *out, const struct node_id *id, uint16_t cost);

/* Take the next neighbour off rest (its node is NODE_NONE); false at the end. */
bool tlsa_next_edge(struct str *rest, struct lsdb_edge *ret_edge);
