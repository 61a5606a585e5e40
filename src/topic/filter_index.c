/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/filter_index.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "topic/topic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One distinct filter. */
struct filter {
    uint32_t id;
    uint16_t len;
    bool wild;
    _Alignas(8) char bytes[]; /* the user's data, then the text */
};

struct filter_index {
    uint64_t seed;
    size_t data_size;
    struct map by_text;
    struct filter_trie wild;
    size_t wild_count;
    struct {
        VEC(struct filter *); /* by number; NULL: free */
    } by_id;
    struct filter_ids free_ids; /* has room for all numbers, so that removal never fails */
    struct filter_ids wild_ids; /* scratch of match */
    size_t bytes;               /* of filters */
};

/* A text to look for, and where texts begin. */
struct filter_key {
    struct str text;
    size_t data_size;
};

static bool filter_equal(const void *entry, const void *key)
{
    const struct filter *filter = entry;
    const struct filter_key *want = key;

    return filter->len == want->text.len &&
           memcmp(filter->bytes + want->data_size, want->text.ptr, filter->len) == 0;
}

static struct str text_of(const struct filter_index *index, const struct filter *filter)
{
    return (struct str){ filter->bytes + index->data_size, filter->len };
}

struct filter_index *filter_index_new(uint64_t seed, size_t data_size)
{
    struct filter_index *index = calloc(1, sizeof *index);

    if (!index)
        return NULL;
    index->seed = seed;
    index->data_size = (data_size + 7) & ~(size_t)7;
    map_init(&index->by_text, filter_equal);
    if (filter_trie_init(&index->wild, hash_mix(seed + 1))) {
        filter_index_free(index);
        return NULL;
    }
    return index;
}

void filter_index_free(struct filter_index *index)
{
    if (!index)
        return;
    vec_each (&index->by_id, filter)
        free(*filter);
    vec_finish(&index->by_id);
    vec_finish(&index->free_ids);
    vec_finish(&index->wild_ids);
    filter_trie_finish(&index->wild);
    map_finish(&index->by_text);
    free(index);
}

static uint64_t hash_of(const struct filter_index *index, struct str text)
{
    return hash_fast(index->seed, text.ptr, text.len);
}

static struct filter *find(const struct filter_index *index, struct str text, uint64_t hash)
{
    struct filter_key key = { text, index->data_size };

    return map_find(&index->by_text, hash, &key);
}

/* Take a filter out of the table. */
static void forget(struct filter_index *index, struct str text)
{
    struct filter_key key = { text, index->data_size };

    map_remove(&index->by_text, hash_of(index, text), &key);
}

/* A free number that holds no filter yet; not taken until its slot is filled. */
static int reserve_id(struct filter_index *index, uint32_t *ret_id)
{
    if (index->free_ids.len) {
        *ret_id = index->free_ids.at[index->free_ids.len - 1];
        return ERR_OK;
    }
    if (index->by_id.len >= FILTER_INDEX_NONE)
        return ERR_LIMIT;
    /* A slot and a place in free_ids: the latter's memory stays, its length does not. */
    size_t id = index->by_id.len;
    if (!vec_push(&index->by_id))
        return ERR_NOMEM;
    while (index->free_ids.cap <= id) {
        index->free_ids.len = index->free_ids.cap;
        uint32_t *slot = vec_push(&index->free_ids);
        index->free_ids.len = 0;
        if (!slot) {
            index->by_id.len--;
            return ERR_NOMEM;
        }
    }
    index->free_ids.at[index->free_ids.len++] = (uint32_t)id;
    *ret_id = (uint32_t)id;
    return ERR_OK;
}

static size_t filter_size(const struct filter_index *index, struct str text)
{
    return sizeof(struct filter) + index->data_size + text.len;
}

static struct filter *filter_new(const struct filter_index *index, struct str text, uint32_t id)
{
    struct filter *filter = malloc(filter_size(index, text));

    if (!filter)
        return NULL;
    filter->id = id;
    filter->len = (uint16_t)text.len;
    filter->wild = topic_filter_is_wild(text);
    memset(filter->bytes, 0, index->data_size);
    memcpy(filter->bytes + index->data_size, text.ptr, text.len);
    return filter;
}

int filter_index_add(struct filter_index *index, struct str text, uint32_t *ret_id)
{
    uint64_t hash = hash_of(index, text);
    uint32_t id;
    struct filter *filter = find(index, text, hash);

    if (filter) {
        *ret_id = filter->id;
        return ERR_OK;
    }
    int err = reserve_id(index, &id);
    if (err)
        return err;
    filter = filter_new(index, text, id);
    if (!filter || map_insert(&index->by_text, hash, filter)) {
        free(filter);
        return ERR_NOMEM;
    }
    if (filter->wild && filter_trie_put(&index->wild, text, id)) {
        forget(index, text);
        free(filter);
        return ERR_NOMEM;
    }
    index->wild_count += filter->wild;
    index->by_id.at[id] = filter;
    index->free_ids.len--;
    index->bytes += filter_size(index, text);
    *ret_id = id;
    return ERR_OK;
}

uint32_t filter_index_find(const struct filter_index *index, struct str text)
{
    const struct filter *filter = find(index, text, hash_of(index, text));

    return filter ? filter->id : FILTER_INDEX_NONE;
}

bool filter_index_has(const struct filter_index *index, uint32_t id)
{
    return id < index->by_id.len && index->by_id.at[id];
}

void filter_index_remove(struct filter_index *index, uint32_t id)
{
    assert(filter_index_has(index, id));
    struct filter *filter = index->by_id.at[id];
    struct str text = text_of(index, filter);

    forget(index, text);
    if (filter->wild)
        filter_trie_remove(&index->wild, text);
    index->wild_count -= filter->wild;
    index->by_id.at[id] = NULL;
    index->free_ids.at[index->free_ids.len++] = id;
    index->bytes -= filter_size(index, text);
    free(filter);
}

struct str filter_index_text(const struct filter_index *index, uint32_t id)
{
    assert(filter_index_has(index, id));
    return text_of(index, index->by_id.at[id]);
}

void *filter_index_data(const struct filter_index *index, uint32_t id)
{
    assert(filter_index_has(index, id));
    return index->by_id.at[id]->bytes;
}

static int hit(struct filter_hits *hits, struct filter *filter)
{
    void **slot = vec_push(hits);

    if (!slot)
        return ERR_NOMEM;
    *slot = filter->bytes;
    return ERR_OK;
}

/* The exact filter is asked for first and looked at last, so that the memory for it comes
 * while the trie is walked. */
int filter_index_match(struct filter_index *index, struct str topic, struct filter_hits *hits)
{
    uint64_t hash = hash_of(index, topic);
    int err = ERR_OK;

    vec_clear(hits);
    vec_clear(&index->wild_ids);
    map_prefetch(&index->by_text, hash);
    if (index->wild_count)
        err = filter_trie_covering(&index->wild, topic, &index->wild_ids);
    vec_each (&index->wild_ids, id)
        __builtin_prefetch(&index->by_id.at[*id]);
    struct filter *exact = find(index, topic, hash);
    if (!err && exact)
        err = hit(hits, exact);
    for (size_t i = 0; !err && i < index->wild_ids.len; i++)
        err = hit(hits, index->by_id.at[index->wild_ids.at[i]]);
    return err;
}

size_t filter_index_count(const struct filter_index *index)
{
    return index->by_text.count;
}

uint32_t filter_index_ids_end(const struct filter_index *index)
{
    return (uint32_t)index->by_id.len;
}

size_t filter_index_bytes(const struct filter_index *index)
{
    return sizeof *index + index->bytes + index->wild.bytes +
           (index->by_text.cap + index->wild.edges.cap) * sizeof(struct map_slot) +
           index->by_id.cap * sizeof *index->by_id.at +
           (index->free_ids.cap + index->wild_ids.cap) * sizeof *index->free_ids.at;
}
