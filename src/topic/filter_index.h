/* SPDX-License-Identifier: Apache-2.0 */
/* The filter index: a small dense number for each distinct topic filter, and the numbers
 * of all filters that match a topic.
 *
 * Made for a million filters. All stand in one hash table under their text: that finds the
 * exact one in one probe. Those with wildcards stand in a filter_trie as well. Users keep
 * what belongs to a filter in an array under its number. */
#pragma once

#include "base/str.h"
#include "topic/filter_trie.h"

#include <stddef.h>
#include <stdint.h>

struct filter_index;

/* Not the number of any filter. */
#define FILTER_INDEX_NONE UINT32_MAX

/* An empty index, or NULL when out of memory. seed: secret, for its hashes. */
struct filter_index *filter_index_new(uint64_t seed);

/* Free it all. Accepts NULL. */
void filter_index_free(struct filter_index *index);

/* The number of a valid filter, which is added if it is not there yet. Numbers count up
 * from 0; those of removed filters are given out again first. ERR_OK, or ERR_NOMEM or
 * ERR_LIMIT (nothing changed). */
int filter_index_add(struct filter_index *index, struct str filter, uint32_t *ret_id);

/* The number of a filter, or FILTER_INDEX_NONE. */
uint32_t filter_index_find(const struct filter_index *index, struct str filter);

/* Remove a filter by its valid number. */
void filter_index_remove(struct filter_index *index, uint32_t id);

/* Is the number in use? */
bool filter_index_has(const struct filter_index *index, uint32_t id);

/* The filter with a valid number; borrowed until it is removed. */
struct str filter_index_text(const struct filter_index *index, uint32_t id);

/* Put the numbers of all filters that match a valid topic name into ids (cleared first).
 * The order is the same whenever the same operations came before. ERR_OK or ERR_NOMEM. */
int filter_index_match(const struct filter_index *index, struct str topic, struct filter_ids *ids);

/* Filters in the index. */
size_t filter_index_count(const struct filter_index *index);

/* All numbers in use are below this. */
uint32_t filter_index_ids_end(const struct filter_index *index);

/* Bytes of memory held. */
size_t filter_index_bytes(const struct filter_index *index);
