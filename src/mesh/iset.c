/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/iset.h"

#include "base/err.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The entries stand sorted in chunks, and the chunks in an array: two levels suffice. */
enum { CHUNK_CAP_MIN = 4, CHUNK_CAP_MAX = 128, CURSOR_BITS = 16 };

/* Flags and text stand together as the canonical entry that is hashed. */
struct entry {
    uint16_t len;
    uint8_t flags; /* qos, and 4 for persistent */
    char text[];
};

struct chunk {
    uint16_t len, cap;
    struct entry *at[];
};

struct iset {
    struct chunk **chunks; /* none of them empty */
    uint32_t chunk_count, chunk_cap;
    uint32_t count;
    uint64_t hash;
    size_t bytes; /* of chunks and entries */
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
    for (uint32_t c = 0; c < set->chunk_count; c++) {
        for (uint16_t i = 0; i < set->chunks[c]->len; i++)
            free(set->chunks[c]->at[i]);
        free(set->chunks[c]);
    }
    free(set->chunks);
    free(set);
}

static struct str entry_text(const struct entry *entry)
{
    return (struct str){ entry->text, entry->len };
}

static uint64_t entry_hash(const struct entry *entry)
{
    return hash_sip(MESH_KEY, &entry->flags,
                    offsetof(struct entry, text) - offsetof(struct entry, flags) + entry->len);
}

static size_t entry_size(size_t len)
{
    return offsetof(struct entry, text) + len;
}

static size_t chunk_size(size_t cap)
{
    return sizeof(struct chunk) + cap * sizeof(struct entry *);
}

static uint8_t flags_of(const struct interest *interest)
{
    return interest->qos | (interest->persistent ? 4 : 0);
}

static struct interest interest_of(const struct entry *entry)
{
    return (struct interest){ entry_text(entry), entry->flags & 3, entry->flags >> 2 };
}

/* Where an entry is or would be. */
struct place {
    uint32_t chunk;
    uint32_t at;
    bool found;
};

/* The last chunk that begins at or before text, and the place in it. The set is not
 * empty. */
static struct place search(const struct iset *set, struct str text)
{
    uint32_t low = 0, high = set->chunk_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (str_compare(entry_text(set->chunks[middle]->at[0]), text) <= 0)
            low = middle;
        else
            high = middle;
    }
    const struct chunk *chunk = set->chunks[low];
    uint32_t from = 0, to = chunk->len;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = str_compare(entry_text(chunk->at[middle]), text);
        if (order == 0)
            return (struct place){ low, middle, true };
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return (struct place){ low, from, false };
}

/* Put a chunk into the array, before position at. */
static int chunk_insert(struct iset *set, uint32_t at, struct chunk *chunk)
{
    if (set->chunk_count == set->chunk_cap) {
        uint32_t cap = set->chunk_cap ? set->chunk_cap * 2 : 1;
        struct chunk **chunks = realloc(set->chunks, cap * sizeof(struct chunk *));
        if (!chunks)
            return ERR_NOMEM;
        set->chunks = chunks;
        set->chunk_cap = cap;
    }
    memmove(&set->chunks[at + 1], &set->chunks[at],
            (set->chunk_count - at) * sizeof(struct chunk *));
    set->chunks[at] = chunk;
    set->chunk_count++;
    set->bytes += chunk_size(chunk->cap);
    return ERR_OK;
}

static struct chunk *chunk_new(uint16_t cap)
{
    struct chunk *chunk = malloc(chunk_size(cap));

    if (chunk)
        *chunk = (struct chunk){ .cap = cap };
    return chunk;
}

/* Make room in the full chunk where a new entry goes, by growing or splitting it. */
static int make_room(struct iset *set, struct place *place)
{
    struct chunk *chunk = set->chunks[place->chunk];

    if (chunk->cap < CHUNK_CAP_MAX) {
        uint16_t cap = chunk->cap * 2;
        chunk = realloc(chunk, chunk_size(cap));
        if (!chunk)
            return ERR_NOMEM;
        set->bytes += chunk_size(cap) - chunk_size(chunk->cap);
        chunk->cap = cap;
        set->chunks[place->chunk] = chunk;
        return ERR_OK;
    }
    struct chunk *right = chunk_new(CHUNK_CAP_MAX);
    if (!right || chunk_insert(set, place->chunk + 1, right)) {
        free(right);
        return ERR_NOMEM;
    }
    /* Entries that come in order leave full chunks behind. */
    uint16_t keep = place->at == chunk->len ? chunk->len - 1 : chunk->len / 2;
    right->len = chunk->len - keep;
    memcpy(right->at, chunk->at + keep, right->len * sizeof(struct entry *));
    chunk->len = keep;
    if (place->at > keep) {
        place->chunk++;
        place->at -= keep;
    }
    return ERR_OK;
}

static struct entry *entry_new(const struct interest *interest)
{
    struct entry *entry = malloc(entry_size(interest->filter.len));

    if (!entry)
        return NULL;
    entry->len = (uint16_t)interest->filter.len;
    entry->flags = flags_of(interest);
    memcpy(entry->text, interest->filter.ptr, interest->filter.len);
    return entry;
}

static void replace(struct iset *set, struct entry *entry, uint8_t flags)
{
    if (entry->flags == flags)
        return;
    set->hash -= entry_hash(entry);
    entry->flags = flags;
    set->hash += entry_hash(entry);
}

int iset_put(struct iset *set, const struct interest *interest)
{
    struct place place = { 0 };

    assert(interest->filter.len > 0 && interest->filter.len <= UINT16_MAX && interest->qos <= 2);
    if (set->count)
        place = search(set, interest->filter);
    if (place.found) {
        replace(set, set->chunks[place.chunk]->at[place.at], flags_of(interest));
        return ERR_OK;
    }
    struct entry *entry = entry_new(interest);
    if (!entry)
        return ERR_NOMEM;
    int err = ERR_OK;
    if (set->count == 0) {
        struct chunk *first = chunk_new(CHUNK_CAP_MIN);
        err = first ? chunk_insert(set, 0, first) : ERR_NOMEM;
        if (err)
            free(first);
    } else if (set->chunks[place.chunk]->len == set->chunks[place.chunk]->cap) {
        err = make_room(set, &place);
    }
    if (err) {
        free(entry);
        return err;
    }
    struct chunk *chunk = set->chunks[place.chunk];
    memmove(&chunk->at[place.at + 1], &chunk->at[place.at],
            (chunk->len - place.at) * sizeof(struct entry *));
    chunk->at[place.at] = entry;
    chunk->len++;
    set->count++;
    set->bytes += entry_size(entry->len);
    set->hash += entry_hash(entry);
    return ERR_OK;
}

bool iset_remove(struct iset *set, struct str filter)
{
    if (set->count == 0)
        return false;
    struct place place = search(set, filter);
    if (!place.found)
        return false;
    struct chunk *chunk = set->chunks[place.chunk];
    struct entry *entry = chunk->at[place.at];
    chunk->len--;
    memmove(&chunk->at[place.at], &chunk->at[place.at + 1],
            (chunk->len - place.at) * sizeof(struct entry *));
    if (chunk->len == 0) {
        set->chunk_count--;
        memmove(&set->chunks[place.chunk], &set->chunks[place.chunk + 1],
                (set->chunk_count - place.chunk) * sizeof(struct chunk *));
        set->bytes -= chunk_size(chunk->cap);
        free(chunk);
    }
    set->count--;
    set->hash -= entry_hash(entry);
    set->bytes -= entry_size(entry->len);
    free(entry);
    return true;
}

bool iset_find(const struct iset *set, struct str filter, struct interest *ret_entry)
{
    if (set->count == 0)
        return false;
    struct place place = search(set, filter);
    if (place.found)
        *ret_entry = interest_of(set->chunks[place.chunk]->at[place.at]);
    return place.found;
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
    uint64_t sum = 0;

    for (uint32_t c = 0; c < set->chunk_count; c++) {
        for (uint16_t i = 0; i < set->chunks[c]->len; i++)
            sum += entry_hash(set->chunks[c]->at[i]);
    }
    return sum;
}

bool iset_next(const struct iset *set, size_t *cursor, struct interest *ret_entry)
{
    size_t chunk = *cursor >> CURSOR_BITS, at = *cursor & ((1u << CURSOR_BITS) - 1);

    if (chunk < set->chunk_count && at == set->chunks[chunk]->len) {
        chunk++;
        at = 0;
    }
    if (chunk >= set->chunk_count)
        return false;
    *ret_entry = interest_of(set->chunks[chunk]->at[at]);
    *cursor = chunk << CURSOR_BITS | (at + 1);
    return true;
}

size_t iset_bytes(const struct iset *set)
{
    return sizeof *set + set->bytes + set->chunk_cap * sizeof(struct chunk *);
}
