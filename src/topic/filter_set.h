/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted set of topic filters, packed, with a byte each that is the user's.
 *
 * Made for a million filters that share most of their text. They stand in order of bytes in
 * blocks of half a kilobyte, each as what it shares with the one before and the rest: a filter
 * takes a few bytes more than what is its own. Sorted text is a trie too: what lies below a
 * level stands together, so walks skip what they do not want (filter_walk.h).
 *
 * Two bits of the byte are marks: the set counts them and finds those that have one. A set
 * can be shared: the copy costs a pointer per block, and who changes a block that others
 * hold makes his own first. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILTER_SET_TEXT_MAX = 65535, FILTER_SET_MARKS = 2 };

/* The bit of mark 0 or 1 in a filter's byte. */
#define FILTER_SET_MARK(mark) ((uint8_t)(0x40 << (mark)))

struct filter_block;

/* A block's place in the order. */
struct filter_slot {
    struct filter_block *block; /* never an empty one */
    uint16_t marks[FILTER_SET_MARKS];
};

/* Zeroed it is an empty set. */
struct filter_set {
    struct filter_slot *slots;
    uint32_t slot_count, slot_cap;
    uint32_t count;
    uint32_t longest; /* no text is longer */
    uint32_t marked[FILTER_SET_MARKS];
    uint32_t first_marked[FILTER_SET_MARKS]; /* no slot before it has such a mark */
};

/* Free what it holds, and leave an empty set. Accepts a zeroed one. */
void filter_set_finish(struct filter_set *set);

/* Add a text of 1 to FILTER_SET_TEXT_MAX bytes, or give it another byte. ERR_OK, or ERR_NOMEM
 * (nothing changed). Time grows with the logarithm of the count. */
int filter_set_put(struct filter_set *set, struct str text, uint8_t value);

/* The same in one look-up: the byte becomes what `keep` leaves of the one before (0 when the
 * text is new) and value. */
int filter_set_update(struct filter_set *set, struct str text, uint8_t keep, uint8_t value,
                      uint8_t *ret_before);

/* Its byte; false when the text is not there. */
bool filter_set_find(const struct filter_set *set, struct str text, uint8_t *ret_value);

/* Give a text that is there another byte. Never fails; see filter_set_torn. */
void filter_set_change(struct filter_set *set, struct str text, uint8_t value);

/* Take a text out; false when it is not there. Never fails; see filter_set_torn. */
bool filter_set_remove(struct filter_set *set, struct str text);

/* Make ret_copy, which is zeroed, a set of the same filters. ERR_OK or ERR_NOMEM. */
int filter_set_share(const struct filter_set *set, struct filter_set *ret_copy);

/* Was a block of this slot changed under a copy, as there was no memory for another one? Then
 * the copy is not what it was. */
bool filter_set_torn(const struct filter_set *set, uint32_t slot);

/* Bytes of text and heads that a slot holds; writing its filters front-coded, with a byte
 * each, takes no more, whichever are left out. */
size_t filter_set_slot_bytes(const struct filter_set *set, uint32_t slot);

/* Bytes of memory held, the struct itself not counted. */
size_t filter_set_bytes(const struct filter_set *set);

/* ---- reading ---- */

/* A place in a set and the filter there. Zeroed it is at no place. Changes of the set make it
 * invalid, but for filter_reader_change. */
struct filter_reader {
    const struct filter_set *set;
    uint32_t slot, at, next; /* in the block: this filter, and the one after */
    uint32_t index;          /* of the filter in its block */
    bool ended;              /* there is no filter here: all come before */
    uint8_t value;
    char *text;
    uint32_t len, cap;
};

/* Free what it holds. */
void filter_reader_finish(struct filter_reader *reader);

/* Go to the first filter that is not before the text. ERR_OK (ended says whether there is
 * one) or ERR_NOMEM. */
int filter_reader_seek(struct filter_reader *reader, const struct filter_set *set, struct str text);

/* Go to the first filter of a slot, or to the end. ERR_OK or ERR_NOMEM. */
int filter_reader_slot(struct filter_reader *reader, const struct filter_set *set, uint32_t slot);

/* Go to the first filter with this mark. ERR_OK (ended says whether there is one) or
 * ERR_NOMEM. */
int filter_reader_marked(struct filter_reader *reader, struct filter_set *set, unsigned mark);

/* Go on to the next filter; not when ended. */
void filter_reader_next(struct filter_reader *reader);

/* Change the byte of the filter here. The reader stays valid. */
void filter_reader_change(struct filter_reader *reader, struct filter_set *set, uint8_t value);

/* The text here, borrowed until the reader moves. */
static inline struct str filter_reader_text(const struct filter_reader *reader)
{
    return (struct str){ reader->text, reader->len };
}
