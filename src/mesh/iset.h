/* SPDX-License-Identifier: Apache-2.0 */
/* An interest set: the filters that one broker wants, as everybody knows them. Kept in
 * order of text, so that snapshots can be front-coded, with a hash over the whole that
 * is the same on every broker whatever the order of the changes was. MESH.md 3.3. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One wish: messages on topics that match filter, at up to qos. */
struct interest {
    struct str filter;
    uint8_t qos;
    bool persistent; /* a session that outlives its connection wants it */
};

struct iset;

/* An empty set, or NULL when out of memory. Small: there may be a million. */
struct iset *iset_new(void);

/* Free it with its entries. Accepts NULL. */
void iset_free(struct iset *set);

/* Add the entry, or replace the one with its filter. Text is copied; at most 65,535
 * bytes. ERR_OK, or ERR_NOMEM (nothing changed). Time grows with the logarithm of the
 * count. */
int iset_put(struct iset *set, const struct interest *entry);

/* Take the entry with this filter out; false when there is none. */
bool iset_remove(struct iset *set, struct str filter);

/* The entry with this filter into *ret_entry, its text borrowed until the set changes;
 * false when there is none. */
bool iset_find(const struct iset *set, struct str filter, struct interest *ret_entry);

/* Entries in the set. */
size_t iset_count(const struct iset *set);

/* The sum modulo 2^64 of SipHash-2-4 of every entry, under a key that all brokers share:
 * a check against loss and bugs, not against liars. 0 for the empty set. MESH.md 3.3. */
uint64_t iset_hash(const struct iset *set);

/* The same, computed anew from the entries: for audits. */
uint64_t iset_hash_recompute(const struct iset *set);

/* The next entry at or after *cursor (starts at 0), in order of text; false at the end.
 * Text is borrowed; the set must not change meanwhile. */
bool iset_next(const struct iset *set, size_t *cursor, struct interest *ret_entry);

/* Bytes of memory held. */
size_t iset_bytes(const struct iset *set);
