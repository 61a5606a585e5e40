/* SPDX-License-Identifier: Apache-2.0 */
/* Interest on the wire. Filters are front-coded: how much of the one before stays, and the
 * rest. MESH.md 3.4.
 *
 * entry: shared leb | rest leb+n | flags u8 (0-1 qos, 2 persistent, others reserved)
 * removal: shared leb | rest leb+n
 * A change whose prev is 0 follows on the empty set.
 * IDELTA: id 16 | inc u32 | prev leb | iver leb | flags u8 (1 notice) | hash after u64
 *     | adds leb | removals leb | entries | removals | TLVs
 * ISNAP: id 16 | inc u32 | iver leb | ihash u64 | chunk leb | chunks leb | count leb
 *     | entries | TLVs */
#pragma once

#include "base/buf.h"
#include "mesh/iset.h"
#include "mesh/mesh.h"
#include "mqtt/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    INTEREST_FILTER_MAX = 32768, /* longer filters are not told to others */
    INTEREST_BODY_MAX = 49152,   /* of an IDELTA or ISNAP as written here, and of all deltas
                                  * that are told in place of a snapshot */
    IDELTA_NOTICE = 1,           /* no changes: this version exists */
};

/* The head of an IDELTA or ISNAP, and where its entries begin. */
struct interest_head {
    struct node_id id;
    uint32_t inc;
    uint64_t prev; /* IDELTA */
    uint64_t iver;
    uint8_t flags; /* IDELTA */
    uint64_t hash;
    uint64_t chunk, chunks; /* ISNAP */
    uint64_t adds, removals;
    struct wire_reader entries;
};

/* Append an entry that follows one with the filter before, or a removal. */
void interest_put(struct buf *out, struct str before, const struct interest *interest);
void interest_put_removal(struct buf *out, struct str before, struct str filter);

/* Read the next entry (or removal) after the one that text holds, into text; the entry
 * borrows it. False after an error of the reader, or when it is not a valid filter. */
bool interest_get(struct wire_reader *r, struct buf *text, struct interest *ret_interest);
bool interest_get_removal(struct wire_reader *r, struct buf *text, struct str *ret_filter);

/* Write the head of an IDELTA, up to its entries. */
void idelta_put_head(struct buf *out, const struct interest_head *head);

/* Read one and check all its entries: ERR_OK, ERR_NOMEM or ERR_MALFORMED. text: scratch. */
int idelta_decode(struct str body, struct buf *text, struct interest_head *ret_head);

/* The same for an ISNAP, whose entries are adds. */
void isnap_put_head(struct buf *out, const struct interest_head *head);
int isnap_decode(struct str body, struct buf *text, struct interest_head *ret_head);
