/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/iset.h"

#include "base/err.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CURSOR_BITS = 16 };

struct iset {
    struct filter_set filters;
    uint32_t count; /* of those that were told */
    uint64_t hash;
    struct filter_reader *reader; /* of iset_next; NULL until then */
};

/* The key under which all brokers of all meshes hash entries. It keeps no secret. */
static const struct hash_key MESH_KEY = { 0x6d6573682d697365u, 0x742d656e74727931u };

struct iset *iset_new(void)
{
    return calloc(1, sizeof(struct iset));
}

void iset_free(struct iset *set)
{
    if (!set)
        return;
    filter_set_finish(&set->filters);
    if (set->reader)
        filter_reader_finish(set->reader);
    free(set->reader);
    free(set);
}

/* Of the canonical entry: flags, then text. */
static uint64_t entry_hash(struct str filter, uint8_t told)
{
    uint8_t bytes[1 + FILTER_SET_TEXT_MAX];

    bytes[0] = (uint8_t)(((told & 3) - 1) | (told & 4));
    memcpy(bytes + 1, filter.ptr, filter.len);
    return hash_sip(MESH_KEY, bytes, 1 + filter.len);
}

/* The set changes: iset_next must look anew. */
static void forget_place(struct iset *set)
{
    if (set->reader)
        set->reader->set = NULL;
}

struct filter_set *iset_filters(struct iset *set)
{
    forget_place(set);
    return &set->filters;
}

int iset_put(struct iset *set, const struct interest *interest)
{
    uint8_t before, told = iset_wish(interest->qos, interest->persistent);

    assert(interest->qos <= 2);
    forget_place(set);
    if (filter_set_update(&set->filters, interest->filter, (uint8_t)~ISET_WISH_BITS, told, &before))
        return ERR_NOMEM;
    before = iset_told(before);
    if (before == told)
        return ERR_OK;
    if (before)
        set->hash -= entry_hash(interest->filter, before);
    else
        set->count++;
    set->hash += entry_hash(interest->filter, told);
    return ERR_OK;
}

bool iset_remove(struct iset *set, struct str filter)
{
    uint8_t value;

    if (!filter_set_find(&set->filters, filter, &value) || !iset_told(value))
        return false;
    forget_place(set);
    set->count--;
    set->hash -= entry_hash(filter, iset_told(value));
    value &= (uint8_t)~ISET_WISH_BITS;
    if (value)
        filter_set_change(&set->filters, filter, value);
    else
        filter_set_remove(&set->filters, filter);
    return true;
}

void iset_change(struct iset *set, struct filter_reader *at, uint8_t value)
{
    uint8_t before = iset_told(at->value), after = iset_told(value);
    struct str filter = filter_reader_text(at);

    forget_place(set);
    if (before != after) {
        set->hash -= before ? entry_hash(filter, before) : 0;
        set->hash += after ? entry_hash(filter, after) : 0;
        set->count = set->count - !!before + !!after;
    }
    if (value)
        filter_reader_change(at, &set->filters, value);
    else
        filter_set_remove(&set->filters, filter);
}

int iset_share(const struct iset *set, struct iset **ret_copy)
{
    struct iset *copy = iset_new();

    if (!copy || filter_set_share(&set->filters, &copy->filters)) {
        iset_free(copy);
        return ERR_NOMEM;
    }
    copy->count = set->count;
    copy->hash = set->hash;
    *ret_copy = copy;
    return ERR_OK;
}

bool iset_find(const struct iset *set, struct str filter, struct interest *ret_entry)
{
    uint8_t value;

    if (!filter_set_find(&set->filters, filter, &value) || !iset_told(value))
        return false;
    *ret_entry = iset_interest(filter, iset_told(value));
    return true;
}

size_t iset_count(const struct iset *set)
{
    return set->count;
}

uint64_t iset_hash(const struct iset *set)
{
    return set->hash;
}

uint64_t iset_hash_recompute(const struct iset *set)
{
    struct interest entry;
    size_t cursor = 0;
    uint64_t sum = 0;

    while (iset_next(set, &cursor, &entry))
        sum += entry_hash(entry.filter, iset_wish(entry.qos, entry.persistent));
    return sum;
}

/* Go to the entry that the cursor says: mostly the next one. */
static int reader_go(const struct iset *set, size_t cursor)
{
    struct filter_reader *reader = set->reader;
    uint32_t slot = (uint32_t)(cursor >> CURSOR_BITS), index = cursor & ((1u << CURSOR_BITS) - 1);

    if (reader->set && !reader->ended && reader->slot == slot && reader->index + 1 == index) {
        filter_reader_next(reader);
        return ERR_OK;
    }
    int err = filter_reader_slot(reader, &set->filters, slot);
    while (!err && !reader->ended && reader->slot == slot && reader->index < index)
        filter_reader_next(reader);
    return err;
}

bool iset_next(const struct iset *set, size_t *cursor, struct interest *ret_entry)
{
    if (!set->reader)
        ((struct iset *)set)->reader = calloc(1, sizeof *set->reader);
    struct filter_reader *reader = set->reader;
    if (!reader || reader_go(set, *cursor) != ERR_OK)
        return false;
    while (!reader->ended && !iset_told(reader->value))
        filter_reader_next(reader);
    if (reader->ended)
        return false;
    *cursor = (size_t)reader->slot << CURSOR_BITS | (reader->index + 1);
    *ret_entry = iset_interest(filter_reader_text(reader), iset_told(reader->value));
    return true;
}

size_t iset_bytes(const struct iset *set)
{
    return sizeof *set + filter_set_bytes(&set->filters);
}
