/* SPDX-License-Identifier: Apache-2.0 */
/* A match cache remembers for topics what matching found, so that a topic published twice
 * costs one look-up.
 *
 * A change to a filter makes only those results stale that it may touch. Each filter
 * belongs to a generation counter: an exact one to its own text's, a wild one to that of
 * its first two levels, of its first level, or to the one for leading wildcards, whichever
 * is the longest without a wildcard. A topic depends on the four it can fall under; equal
 * sums mean that none moved. Counters are shared by hash, so a stranger's change can cost
 * a needless match and never a wrong one.
 *
 * Bounded in topics and in bytes; two places a topic, the less recently filled one goes.
 * Once both are taken, a topic has to be put twice before it pushes another one out: topics
 * that never come again neither cost an allocation nor displace those that do. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match_cache;

/* What matching found: one filter, whose items its owner has at hand, or a list. */
struct match_result {
    void *only;        /* what belongs to the only filter that matches; NULL: a list */
    uint32_t count;    /* items of the list */
    const void *items; /* the list; borrowed from the cache until its next put */
};

/* An empty cache, or NULL when out of memory. entries_max: topics at most, a power of two.
 * bytes_max: memory for texts and lists at most. */
struct match_cache *match_cache_new(uint64_t seed, size_t entries_max, size_t bytes_max);

/* Free it all. Accepts NULL. */
void match_cache_free(struct match_cache *cache);

/* Something about this filter has changed: what it may match must be matched again. */
void match_cache_touch(struct match_cache *cache, struct str filter);

/* What was found for the topic, if it still holds. hash: any good 64-bit hash of the
 * topic, always the same one. False: match it and put it. */
bool match_cache_find(const struct match_cache *cache, struct str topic, uint64_t hash,
                      struct match_result *ret_result);

/* Remember a result; text and list (item_size bytes an item) are copied. What is too large,
 * finds no memory or would push out another at its first time is not remembered. */
void match_cache_put(struct match_cache *cache, struct str topic, uint64_t hash,
                     const struct match_result *result, size_t item_size);

/* Bytes of memory held. */
size_t match_cache_bytes(const struct match_cache *cache);
