/* SPDX-License-Identifier: Apache-2.0 */
/* A run of sorted texts, front-coded, with a byte each: what a filter_set is made of. An item
 * is `shared | rest | value u8 | the rest of its text`, the lengths as LEB128; the first item
 * shares nothing. Blocks are counted: who holds one with others does not change it. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILTER_BLOCK_MAX = 512,   /* bytes of items, unless it is a single one */
    FILTER_BLOCK_SMALL = 128, /* with less it is worth while to look for room elsewhere */
    FILTER_BLOCK_FILL = 384,  /* two blocks are made one when it has no more than this */
};

struct filter_block {
    uint32_t refs;
    uint32_t len, cap; /* of data */
    uint16_t count;
    bool torn;
    uint8_t data[];
};

/* An item where it stands. */
struct filter_item {
    size_t shared, rest;
    const char *text; /* the rest */
    uint32_t value_at, next;
    uint8_t value;
};

/* Where a text is, or where it would be. */
struct filter_spot {
    uint32_t at;          /* the item that it is, or before which it would be */
    uint32_t index;       /* of that item */
    size_t before, after; /* what it shares with the item before, and with the one at `at` */
    bool found;
};

/* A block with one item, or NULL when out of memory. */
struct filter_block *filter_block_new(struct str text, uint8_t value);

/* One more or one less holder; the last one frees it. */
void filter_block_ref(struct filter_block *block);
void filter_block_unref(struct filter_block *block);

/* Make the block one that nobody else holds, copying it if need be. ERR_OK or ERR_NOMEM. */
int filter_block_own(struct filter_block **block);

/* The block is going to be changed although others hold it: they can tell. */
void filter_block_tear(struct filter_block *block);
bool filter_block_is_torn(const struct filter_block *block);

/* Bytes of memory, and how many items have this bit. */
size_t filter_block_bytes(const struct filter_block *block);
uint16_t filter_block_marks(const struct filter_block *block, uint8_t bit);

/* Read a length; the byte after it. */
static inline const uint8_t *filter_block_get_len(const uint8_t *at, size_t *ret_len)
{
    size_t len = *at & 0x7f;

    for (unsigned shift = 7; *at++ & 0x80; shift += 7)
        len |= (size_t)(*at & 0x7f) << shift;
    *ret_len = len;
    return at;
}

/* The item at an offset. */
static inline struct filter_item filter_block_item(const struct filter_block *block, uint32_t at)
{
    struct filter_item item;
    const uint8_t *head = filter_block_get_len(block->data + at, &item.shared);

    head = filter_block_get_len(head, &item.rest);
    item.value_at = (uint32_t)(head - block->data);
    item.value = *head++;
    item.text = (const char *)head;
    item.next = (uint32_t)(head - block->data + item.rest);
    return item;
}

/* The first text. */
static inline struct str filter_block_first(const struct filter_block *block)
{
    struct filter_item item = filter_block_item(block, 0);

    return (struct str){ item.text, item.rest };
}

/* Look for a text. */
struct filter_spot filter_block_search(const struct filter_block *block, struct str text);

/* Would the text fit in, at its spot? */
bool filter_block_fits(const struct filter_block *block, struct str text,
                       const struct filter_spot *spot);

/* Put a text in at its spot. The block may move. ERR_OK, or ERR_NOMEM (nothing changed). */
int filter_block_insert(struct filter_block **block, const struct filter_spot *spot,
                        struct str text, uint8_t value);

/* Take the item at an offset out; not the last one. */
void filter_block_remove(struct filter_block *block, uint32_t at);

/* The byte of the item at an offset. */
uint8_t filter_block_value(const struct filter_block *block, uint32_t at);
void filter_block_set_value(struct filter_block *block, uint32_t at, uint8_t value);

/* Cut the second half off, of a block with two items or more. The block may move. ERR_OK, or
 * ERR_NOMEM (nothing changed). */
int filter_block_split(struct filter_block **block, struct filter_block **ret_right);

/* Append the items of another one, which all come later. The block may move. ERR_OK, or
 * ERR_NOMEM (nothing changed). */
int filter_block_append(struct filter_block **block, const struct filter_block *right);
