/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/filter_set.h"

#include "base/err.h"
#include "topic/filter_block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void filter_set_finish(struct filter_set *set)
{
    for (uint32_t i = 0; i < set->slot_count; i++)
        filter_block_unref(set->slots[i].block);
    free(set->slots);
    *set = (struct filter_set){ 0 };
}

/* Where a text is, or before which one it would be. */
struct place {
    uint32_t slot;
    struct filter_spot spot;
};

/* The last slot that begins at or before the text, and the place in it. The set is not
 * empty. */
static struct place place_of(const struct filter_set *set, struct str text)
{
    uint32_t low = 0, high = set->slot_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (str_compare(filter_block_first(set->slots[middle].block), text) <= 0)
            low = middle;
        else
            high = middle;
    }
    return (struct place){ low, filter_block_search(set->slots[low].block, text) };
}

/* ---- marks ---- */

/* The filter at a slot had one byte and has another. */
static void count_marks(struct filter_set *set, uint32_t slot, uint8_t before, uint8_t after)
{
    for (unsigned mark = 0; mark < FILTER_SET_MARKS; mark++) {
        int by = !!(after & FILTER_SET_MARK(mark)) - !!(before & FILTER_SET_MARK(mark));
        set->slots[slot].marks[mark] = (uint16_t)(set->slots[slot].marks[mark] + by);
        set->marked[mark] += (uint32_t)by;
        if (by > 0 && slot < set->first_marked[mark])
            set->first_marked[mark] = slot;
    }
}

/* The slot's block is another one: count its marks, which the set's sums hold already. */
static void recount_marks(struct filter_set *set, uint32_t slot)
{
    for (unsigned mark = 0; mark < FILTER_SET_MARKS; mark++) {
        set->slots[slot].marks[mark] =
            set->marked[mark] ? filter_block_marks(set->slots[slot].block, FILTER_SET_MARK(mark))
                              : 0;
        if (slot < set->first_marked[mark])
            set->first_marked[mark] = slot;
    }
}

/* ---- slots ---- */

static int reserve_slot(struct filter_set *set)
{
    if (set->slot_count < set->slot_cap)
        return ERR_OK;
    uint32_t cap = set->slot_cap ? set->slot_cap + set->slot_cap / 2 + 1 : 1;
    struct filter_slot *slots = realloc(set->slots, cap * sizeof *slots);
    if (!slots)
        return ERR_NOMEM;
    set->slots = slots;
    set->slot_cap = cap;
    return ERR_OK;
}

/* Put a block into the order; a slot is reserved. */
static void insert_slot(struct filter_set *set, uint32_t at, struct filter_block *block)
{
    memmove(&set->slots[at + 1], &set->slots[at], (set->slot_count - at) * sizeof *set->slots);
    set->slots[at] = (struct filter_slot){ .block = block };
    set->slot_count++;
    recount_marks(set, at);
}

static void remove_slot(struct filter_set *set, uint32_t at)
{
    filter_block_unref(set->slots[at].block);
    set->slot_count--;
    memmove(&set->slots[at], &set->slots[at + 1], (set->slot_count - at) * sizeof *set->slots);
    for (unsigned mark = 0; mark < FILTER_SET_MARKS; mark++) {
        if (set->first_marked[mark] > at)
            set->first_marked[mark]--;
    }
}

/* Cut the block in two, near the middle. */
static int split(struct filter_set *set, uint32_t slot)
{
    struct filter_block *right;

    if (reserve_slot(set) || filter_block_own(&set->slots[slot].block) ||
        filter_block_split(&set->slots[slot].block, &right))
        return ERR_NOMEM;
    recount_marks(set, slot);
    insert_slot(set, slot + 1, right);
    return ERR_OK;
}

/* The block has become small: let a neighbour take it in, if that has room. */
static void merge(struct filter_set *set, uint32_t slot)
{
    if (slot + 1 == set->slot_count && slot > 0)
        slot--;
    if (slot + 1 >= set->slot_count)
        return;
    struct filter_slot *left = &set->slots[slot], *right = left + 1;
    if (left->block->len + right->block->len > FILTER_BLOCK_FILL ||
        filter_block_own(&left->block) || filter_block_append(&left->block, right->block))
        return;
    recount_marks(set, slot);
    remove_slot(set, slot + 1);
}

/* ---- changing ---- */

/* Make a block of its own for a text, before the slot at. */
static int add_block(struct filter_set *set, uint32_t at, struct str text, uint8_t value)
{
    struct filter_block *block = reserve_slot(set) ? NULL : filter_block_new(text, value);

    if (!block)
        return ERR_NOMEM;
    insert_slot(set, at, block);
    count_marks(set, at, 0, value);
    recount_marks(set, at);
    return ERR_OK;
}

/* Add a text that is not there; its place in a set that is not empty. */
static int add(struct filter_set *set, struct place place, struct str text, uint8_t value)
{
    for (;; place = place_of(set, text)) {
        struct filter_slot *slot = &set->slots[place.slot];
        if (filter_block_fits(slot->block, text, &place.spot)) {
            if (filter_block_own(&slot->block) ||
                filter_block_insert(&slot->block, &place.spot, text, value))
                return ERR_NOMEM;
            count_marks(set, place.slot, 0, value);
            return ERR_OK;
        }
        /* Texts that come in order leave full blocks behind. */
        if (place.spot.at == slot->block->len)
            return add_block(set, place.slot + 1, text, value);
        if (place.spot.at == 0)
            return add_block(set, place.slot, text, value);
        if (split(set, place.slot))
            return ERR_NOMEM;
    }
}

/* Write a byte. If a copy holds the block too and there is no memory, the copy is torn. */
static void set_value(struct filter_set *set, uint32_t slot, uint32_t at, uint8_t value)
{
    struct filter_block **block = &set->slots[slot].block;
    uint8_t before = filter_block_value(*block, at);

    if (before == value)
        return;
    if (filter_block_own(block))
        filter_block_tear(*block);
    filter_block_set_value(*block, at, value);
    count_marks(set, slot, before, value);
}

int filter_set_update(struct filter_set *set, struct str text, uint8_t keep, uint8_t value,
                      uint8_t *ret_before)
{
    struct place place = { 0 };

    assert(text.len > 0 && text.len <= FILTER_SET_TEXT_MAX);
    if (set->slot_count)
        place = place_of(set, text);
    if (place.spot.found) {
        *ret_before = filter_block_value(set->slots[place.slot].block, place.spot.at);
        set_value(set, place.slot, place.spot.at, (*ret_before & keep) | value);
        return ERR_OK;
    }
    int err = set->slot_count ? add(set, place, text, value) : add_block(set, 0, text, value);
    if (err)
        return err;
    *ret_before = 0;
    set->count++;
    if (text.len > set->longest)
        set->longest = (uint32_t)text.len;
    return ERR_OK;
}

int filter_set_put(struct filter_set *set, struct str text, uint8_t value)
{
    uint8_t before;

    return filter_set_update(set, text, 0, value, &before);
}

bool filter_set_find(const struct filter_set *set, struct str text, uint8_t *ret_value)
{
    if (set->slot_count == 0)
        return false;
    struct place place = place_of(set, text);
    if (place.spot.found)
        *ret_value = filter_block_value(set->slots[place.slot].block, place.spot.at);
    return place.spot.found;
}

void filter_set_change(struct filter_set *set, struct str text, uint8_t value)
{
    struct place place = place_of(set, text);

    assert(place.spot.found);
    set_value(set, place.slot, place.spot.at, value);
}

bool filter_set_remove(struct filter_set *set, struct str text)
{
    if (set->slot_count == 0)
        return false;
    struct place place = place_of(set, text);
    if (!place.spot.found)
        return false;
    struct filter_block **block = &set->slots[place.slot].block;
    count_marks(set, place.slot, filter_block_value(*block, place.spot.at), 0);
    set->count--;
    if ((*block)->count == 1) {
        remove_slot(set, place.slot);
        return true;
    }
    if (filter_block_own(block))
        filter_block_tear(*block);
    filter_block_remove(*block, place.spot.at);
    if ((*block)->len < FILTER_BLOCK_SMALL)
        merge(set, place.slot);
    return true;
}

int filter_set_share(const struct filter_set *set, struct filter_set *ret_copy)
{
    struct filter_set copy = *set;

    copy.slot_cap = set->slot_count;
    copy.slots = set->slot_count ? malloc(set->slot_count * sizeof *copy.slots) : NULL;
    if (set->slot_count && !copy.slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < set->slot_count; i++) {
        copy.slots[i] = set->slots[i];
        filter_block_ref(copy.slots[i].block);
    }
    *ret_copy = copy;
    return ERR_OK;
}

bool filter_set_torn(const struct filter_set *set, uint32_t slot)
{
    return filter_block_is_torn(set->slots[slot].block);
}

size_t filter_set_slot_bytes(const struct filter_set *set, uint32_t slot)
{
    return set->slots[slot].block->len;
}

size_t filter_set_bytes(const struct filter_set *set)
{
    size_t bytes = set->slot_cap * sizeof *set->slots;

    for (uint32_t i = 0; i < set->slot_count; i++)
        bytes += filter_block_bytes(set->slots[i].block);
    return bytes;
}

/* ---- reading ---- */

void filter_reader_finish(struct filter_reader *reader)
{
    free(reader->text);
    *reader = (struct filter_reader){ 0 };
}

/* Room for any text of the set. */
static int reader_bind(struct filter_reader *reader, const struct filter_set *set)
{
    if (reader->cap < set->longest) {
        char *text = realloc(reader->text, set->longest);
        if (!text)
            return ERR_NOMEM;
        reader->text = text;
        reader->cap = set->longest;
    }
    reader->set = set;
    return ERR_OK;
}

/* Read the filter at `next`; the text holds what it shares. */
static void reader_load(struct filter_reader *reader)
{
    if (reader->slot < reader->set->slot_count &&
        reader->next == reader->set->slots[reader->slot].block->len) {
        reader->slot++;
        reader->next = reader->index = 0;
    }
    reader->ended = reader->slot >= reader->set->slot_count;
    if (reader->ended)
        return;
    struct filter_item item =
        filter_block_item(reader->set->slots[reader->slot].block, reader->next);
    memcpy(reader->text + item.shared, item.text, item.rest);
    reader->len = (uint32_t)(item.shared + item.rest);
    reader->value = item.value;
    reader->at = reader->next;
    reader->next = item.next;
}

int filter_reader_slot(struct filter_reader *reader, const struct filter_set *set, uint32_t slot)
{
    int err = reader_bind(reader, set);

    if (err)
        return err;
    reader->slot = slot;
    reader->next = reader->index = 0;
    reader_load(reader);
    return ERR_OK;
}

int filter_reader_seek(struct filter_reader *reader, const struct filter_set *set, struct str text)
{
    if (text.len == 0 || set->slot_count == 0)
        return filter_reader_slot(reader, set, 0);
    int err = reader_bind(reader, set);
    if (err)
        return err;
    struct place place = place_of(set, text);
    struct filter_block *block = set->slots[place.slot].block;
    reader->slot = place.slot;
    reader->next = place.spot.at;
    reader->index = place.spot.index;
    if (place.spot.at < block->len)
        memcpy(reader->text, text.ptr, filter_block_item(block, place.spot.at).shared);
    reader_load(reader);
    return ERR_OK;
}

int filter_reader_marked(struct filter_reader *reader, struct filter_set *set, unsigned mark)
{
    uint32_t slot = set->first_marked[mark];

    if (set->marked[mark] == 0)
        slot = set->slot_count;
    while (slot < set->slot_count && set->slots[slot].marks[mark] == 0)
        slot++;
    set->first_marked[mark] = set->marked[mark] ? slot : set->slot_count;
    int err = filter_reader_slot(reader, set, slot);
    while (!err && !reader->ended && !(reader->value & FILTER_SET_MARK(mark)))
        filter_reader_next(reader);
    return err;
}

void filter_reader_next(struct filter_reader *reader)
{
    reader->index++;
    reader_load(reader);
}

void filter_reader_change(struct filter_reader *reader, struct filter_set *set, uint8_t value)
{
    set_value(set, reader->slot, reader->at, value);
    reader->value = value;
}
