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
    char text[];
};

struct filter_index {
    uint64_t seed;
    struct map by_text;
    struct filter_trie wild;
    size_t wild_count;
    struct {
        VEC(struct filter *); /* by number; NULL: free */
    } by_id;
    struct filter_ids free_ids; /* has room for all numbers, so that removal never fails */
    size_t bytes;               /* of filters */
};

static bool filter_equal(const void *entry, const void *key)
{
    const struct filter *filter = entry;

    return str_equal((struct str){ filter->text, filter->len }, *(const struct str *)key);
}

struct filter_index *filter_index_new(uint64_t seed)
{
    struct filter_index *index = calloc(1, sizeof *index);

    if (!index)
        return NULL;
    index->seed = seed;
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
    filter_trie_finish(&index->wild);
    map_finish(&index->by_text);
    free(index);
}

static struct filter *find(const struct filter_index *index, struct str text, uint64_t *ret_hash)
{
    *ret_hash = hash_fast(index->seed, text.ptr, text.len);
    return map_find(&index->by_text, *ret_hash, &text);
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

static struct filter *filter_new(struct str text, uint32_t id)
{
    struct filter *filter = malloc(sizeof *filter + text.len);

    if (!filter)
        return NULL;
    filter->id = id;
    filter->len = (uint16_t)text.len;
    filter->wild = topic_filter_is_wild(text);
    memcpy(filter->text, text.ptr, text.len);
    return filter;
}

int filter_index_add(struct filter_index *index, struct str text, uint32_t *ret_id)
{
    uint64_t hash;
    uint32_t id;
    struct filter *filter = find(index, text, &hash);

    if (filter) {
        *ret_id = filter->id;
        return ERR_OK;
    }
    int err = reserve_id(index, &id);
    if (err)
        return err;
    filter = filter_new(text, id);
    if (!filter || map_insert(&index->by_text, hash, filter)) {
        free(filter);
        return ERR_NOMEM;
    }
    if (filter->wild && filter_trie_put(&index->wild, text, id)) {
        map_remove(&index->by_text, hash, &text);
        free(filter);
        return ERR_NOMEM;
    }
    index->wild_count += filter->wild;
    index->by_id.at[id] = filter;
    index->free_ids.len--;
    index->bytes += sizeof *filter + text.len;
    *ret_id = id;
    return ERR_OK;
}

uint32_t filter_index_find(const struct filter_index *index, struct str text)
{
    uint64_t hash;
    const struct filter *filter = find(index, text, &hash);

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
    struct str text = { filter->text, filter->len };

    map_remove(&index->by_text, hash_fast(index->seed, text.ptr, text.len), &text);
    if (filter->wild)
        filter_trie_remove(&index->wild, text);
    index->wild_count -= filter->wild;
    index->by_id.at[id] = NULL;
    index->free_ids.at[index->free_ids.len++] = id;
    index->bytes -= sizeof *filter + text.len;
    free(filter);
}

struct str filter_index_text(const struct filter_index *index, uint32_t id)
{
    assert(filter_index_has(index, id));
    return (struct str){ index->by_id.at[id]->text, index->by_id.at[id]->len };
}

int filter_index_match(const struct filter_index *index, struct str topic, struct filter_ids *ids)
{
    uint64_t hash;
    const struct filter *exact = find(index, topic, &hash);

    vec_clear(ids);
    if (exact) {
        uint32_t *slot = vec_push(ids);
        if (!slot)
            return ERR_NOMEM;
        *slot = exact->id;
    }
    return index->wild_count ? filter_trie_covering(&index->wild, topic, ids) : ERR_OK;
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
           index->free_ids.cap * sizeof *index->free_ids.at;
}
