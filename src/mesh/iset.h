/* SPDX-License-Identifier: Apache-2.0 */
/* An interest set: the filters that one broker wants, as everybody knows them. Kept in
 * order of text, so that snapshots can be front-coded, with a hash over the whole that
 * is the same on every broker whatever the order of the changes was. MESH.md 3.3.
 *
 * The own set holds what its clients want beside what has been told, so that no text is
 * kept twice: an entry whose wish was not told is there, but not seen (local_interest.h). */
#pragma once

#include "base/str.h"
#include "topic/filter_set.h"

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

/* What an entry's byte in the filter set holds: the entry as it was told, what the owner
 * wishes it were, and the marks of filter_set. Both are written as a wish, 0 for none. */
enum { ISET_WISH_BITS = 7, ISET_OWN_SHIFT = 3 };

/* A wish in three bits, never 0, and back. */
static inline uint8_t iset_wish(uint8_t qos, bool persistent)
{
    return (uint8_t)((qos + 1) | (persistent ? 4 : 0));
}

static inline struct interest iset_interest(struct str filter, uint8_t wish)
{
    return (struct interest){ filter, (uint8_t)((wish & 3) - 1), wish & 4 };
}

/* The entry as it was told, of a byte; 0: it was not. */
static inline uint8_t iset_told(uint8_t value)
{
    return value & ISET_WISH_BITS;
}

/* An empty set, or NULL when out of memory. Small: there may be a million. */
struct iset *iset_new(void);

/* Free it with its entries. Accepts NULL. */
void iset_free(struct iset *set);

/* Add the entry, or replace the one with its filter. Text is copied; at most 65,535
 * bytes. ERR_OK, or ERR_NOMEM (nothing changed). Time grows with the logarithm of the
 * count. */
int iset_put(struct iset *set, const struct interest *entry);

/* Take the entry with this filter out; false when there is none. The owner's wish, if there
 * is one, stays, not seen any more. */
bool iset_remove(struct iset *set, struct str filter);

/* Let ret_copy be the same set, which stays as it is whatever happens to this one. It costs
 * little until then. ERR_OK or ERR_NOMEM. */
int iset_share(const struct iset *set, struct iset **ret_copy);

/* The filters with their bytes, told or not, to be read or for the owner to change his bits. */
struct filter_set *iset_filters(struct iset *set);

/* Give the entry at a reader of iset_filters this byte; 0 takes it out, and the reader is at
 * no place then. Never fails. */
void iset_change(struct iset *set, struct filter_reader *at, uint8_t value);

/* The entry with this filter into *ret_entry, with the text that was given; false when there
 * is none. */
bool iset_find(const struct iset *set, struct str filter, struct interest *ret_entry);

/* Entries in the set. */
size_t iset_count(const struct iset *set);

/* The sum modulo 2^64 of SipHash-2-4 of every entry, under a key that all brokers share:
 * a check against loss and bugs, not against liars. 0 for the empty set. MESH.md 3.3. */
uint64_t iset_hash(const struct iset *set);

/* The same, computed anew from the entries: for audits. */
uint64_t iset_hash_recompute(const struct iset *set);

/* The next entry at or after *cursor (starts at 0), in order of text; false at the end, or
 * when out of memory. Text is borrowed until the next call; the set must not change
 * meanwhile. */
bool iset_next(const struct iset *set, size_t *cursor, struct interest *ret_entry);

/* Bytes of memory held. */
size_t iset_bytes(const struct iset *set);
