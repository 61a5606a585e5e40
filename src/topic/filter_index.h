/* SPDX-License-Identifier: Apache-2.0 */
/* The filter index: a small dense number for each distinct topic filter, and the numbers
 * of all filters that match a topic.
 *
 * Made for a million filters. All stand in one hash table under their text: that finds the
 * exact one in one probe. Those with wildcards stand in a filter_trie as well. What a user
 * keeps about a filter lies beside its text: matching brings both into the cache at once. */
#pragma once

#include "base/str.h"
#include "topic/filter_trie.h"

#include <stddef.h>
#include <stdint.h>

struct filter_index;

/* Not the number of any filter. */
#define FILTER_INDEX_NONE UINT32_MAX

/* The users' data of filters, as matching collects them. */
struct filter_hits {
    VEC(void *);
};

/* An empty index, or NULL when out of memory. seed: secret, for its hashes. data_size:
 * bytes that the user keeps about each filter. */
struct filter_index *filter_index_new(uint64_t seed, size_t data_size);

/* Free it all; what data points to is the user's. Accepts NULL. */
void filter_index_free(struct filter_index *index);

/* The number of a valid filter, which is added, with zeroed data, if it is not there yet.
 * Numbers count up from 0; those of removed filters are given out again first. ERR_OK, or ERR_NOMEM
 * or ERR_LIMIT (nothing changed). */
int filter_index_add(struct filter_index *index, struct str filter, uint32_t *ret_id);

/* The number of a filter, or FILTER_INDEX_NONE. */
uint32_t filter_index_find(const struct filter_index *index, struct str filter);

/* Remove a filter by its valid number. */
void filter_index_remove(struct filter_index *index, uint32_t id);

/* Is the number in use? */
bool filter_index_has(const struct filter_index *index, uint32_t id);

/* The filter with a valid number, and the user's data for it, aligned to 8 bytes; both stay
 * where they are until it is removed. */
struct str filter_index_text(const struct filter_index *index, uint32_t id);
void *filter_index_data(const struct filter_index *index, uint32_t id);

/* Put the data of all filters that match a valid topic name into hits (cleared first). The
 * order is the same whenever the same operations came before. ERR_OK or ERR_NOMEM. */
int filter_index_match(struct filter_index *index, struct str topic, struct filter_hits *hits);

/* Filters in the index. */
size_t filter_index_count(const struct filter_index *index);

/* All numbers in use are below this. */
uint32_t filter_index_ids_end(const struct filter_index *index);

/* Bytes of memory held. */
size_t filter_index_bytes(const struct filter_index *index);
