/* SPDX-License-Identifier: Apache-2.0 */
/* Covering among the filters of a set: which ones cover a filter, which ones it covers, as
 * topic_filter_covers says. Both walks skip what cannot be: they cost a look-up for each
 * level, or run of neighbours, that exists. */
#pragma once

#include "topic/filter_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does a filter with this byte count, for who needs that much? */
typedef bool (*filter_counts)(uint8_t value, uint8_t needed);

/* Does another filter of the set, one that counts, cover this valid one? reader: scratch.
 * ERR_OK or ERR_NOMEM. */
int filter_is_covered(const struct filter_set *set, struct filter_reader *reader, struct str filter,
                      filter_counts counts, uint8_t needed, bool *ret_covered);

/* Go from where the reader is to the first filter at or after it that the valid filter `wide`
 * covers; ended when there is none. To begin seek filter_covered_from(wide); to go on call
 * filter_reader_next before. *steps is counted down for each move; at 0 the walk stops, the
 * reader at some filter that it has not looked at. ERR_OK or ERR_NOMEM. */
int filter_covered_next(struct filter_reader *reader, struct str wide, size_t *steps);

/* The text from which on there may be filters that `wide` covers. */
struct str filter_covered_from(struct str wide);
