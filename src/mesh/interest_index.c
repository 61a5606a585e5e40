/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/interest_index.h"

#include "base/err.h"
#include "topic/filter_index.h"
#include "topic/match_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_TOPICS = 1 << 16, CACHE_BYTES = 32 << 20, LIST_CAP_MIN = 4 };

/* Several brokers that want one filter, in order of number. */
struct node_list {
    uint32_t cap;
    struct interest_node at[];
};

/* The brokers that want a filter: what is kept beside it in the filter index. One stands in
 * place. */
struct index_slot {
    uint32_t count; /* 0 only while the filter is being added */
    union {
        struct interest_node one;
        struct {
            struct node_list *list;
        } __attribute__((packed, aligned(4))) many;
    };
};

struct nodes {
    VEC(struct interest_node);
};

struct interest_index {
    struct filter_index *filters;
    struct match_cache *cache;
    size_t pairs;
    size_t list_bytes;
    struct filter_hits hits;    /* scratch of match: the slots */
    struct nodes merged, spare; /* scratch of match */
};

struct interest_index *interest_index_new(uint64_t seed)
{
    struct interest_index *index = calloc(1, sizeof *index);

    if (!index)
        return NULL;
    index->filters = filter_index_new(seed, sizeof(struct index_slot));
    index->cache = match_cache_new(seed, CACHE_TOPICS, CACHE_BYTES);
    if (!index->filters || !index->cache) {
        interest_index_free(index);
        return NULL;
    }
    return index;
}

static struct index_slot *slot_of(const struct interest_index *index, uint32_t id)
{
    return filter_index_data(index->filters, id);
}

void interest_index_free(struct interest_index *index)
{
    if (!index)
        return;
    uint32_t end = index->filters ? filter_index_ids_end(index->filters) : 0;
    for (uint32_t id = 0; id < end; id++) {
        if (filter_index_has(index->filters, id) && slot_of(index, id)->count > 1)
            free(slot_of(index, id)->many.list);
    }
    vec_finish(&index->hits);
    vec_finish(&index->merged);
    vec_finish(&index->spare);
    match_cache_free(index->cache);
    filter_index_free(index->filters);
    free(index);
}

static struct interest_node *slot_nodes(struct index_slot *slot)
{
    return slot->count > 1 ? slot->many.list->at : &slot->one;
}

/* Where the broker's entry is or would be. */
static uint32_t slot_search(struct index_slot *slot, uint32_t node)
{
    const struct interest_node *at = slot_nodes(slot);
    uint32_t low = 0, high = slot->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t list_size(uint32_t cap)
{
    return sizeof(struct node_list) + (size_t)cap * sizeof(struct interest_node);
}

/* Make the list of a slot hold cap brokers; a slot with one in place gets its list. */
static int slot_resize(struct interest_index *index, struct index_slot *slot, uint32_t cap)
{
    struct node_list *old = slot->count > 1 ? slot->many.list : NULL;
    struct node_list *list = realloc(old, list_size(cap));

    if (!list)
        return ERR_NOMEM;
    if (old)
        index->list_bytes -= list_size(list->cap);
    else
        list->at[0] = slot->one;
    list->cap = cap;
    index->list_bytes += list_size(cap);
    slot->many.list = list;
    return ERR_OK;
}

/* Put a broker into a slot, before the one at position at. */
static int slot_insert(struct interest_index *index, struct index_slot *slot, uint32_t at,
                       struct interest_node node)
{
    int err = ERR_OK;

    if (slot->count == 0) {
        slot->one = node;
        slot->count = 1;
        return ERR_OK;
    }
    if (slot->count == 1)
        err = slot_resize(index, slot, LIST_CAP_MIN);
    else if (slot->count == slot->many.list->cap)
        err = slot_resize(index, slot, slot->count * 2);
    if (err)
        return err;
    struct interest_node *nodes = slot->many.list->at;
    memmove(&nodes[at + 1], &nodes[at], (slot->count - at) * sizeof *nodes);
    nodes[at] = node;
    slot->count++;
    return ERR_OK;
}

/* Take the broker at this position out of a filter, and the filter with the last one. */
static void slot_delete(struct interest_index *index, uint32_t id, uint32_t at)
{
    struct index_slot *slot = slot_of(index, id);

    match_cache_touch(index->cache, filter_index_text(index->filters, id));
    index->pairs--;
    slot->count--;
    if (slot->count == 0) {
        filter_index_remove(index->filters, id);
        return;
    }
    struct node_list *list = slot->many.list;
    memmove(&list->at[at], &list->at[at + 1], (slot->count - at) * sizeof *list->at);
    if (slot->count == 1) {
        index->list_bytes -= list_size(list->cap);
        slot->one = list->at[0];
        free(list);
    }
}

int interest_index_put(struct interest_index *index, uint32_t node, const struct interest *interest)
{
    uint32_t id;
    int err = filter_index_add(index->filters, interest->filter, &id);

    if (err)
        return ERR_NOMEM;
    struct interest_node entry = { node, interest->qos, interest->persistent };
    struct index_slot *slot = slot_of(index, id);
    uint32_t at = slot_search(slot, node);
    if (at < slot->count && slot_nodes(slot)[at].node == node) {
        slot_nodes(slot)[at] = entry;
    } else {
        err = slot_insert(index, slot, at, entry);
        if (err)
            return err;
        index->pairs++;
    }
    match_cache_touch(index->cache, interest->filter);
    return ERR_OK;
}

bool interest_index_remove(struct interest_index *index, uint32_t node, struct str filter)
{
    uint32_t id = filter_index_find(index->filters, filter);

    if (id == FILTER_INDEX_NONE)
        return false;
    struct index_slot *slot = slot_of(index, id);
    uint32_t at = slot_search(slot, node);
    if (at == slot->count || slot_nodes(slot)[at].node != node)
        return false;
    slot_delete(index, id, at);
    return true;
}

static struct interest_node either(struct interest_node a, struct interest_node b)
{
    a.qos = a.qos > b.qos ? a.qos : b.qos;
    a.persistent = a.persistent || b.persistent;
    return a;
}

/* Unite what was merged so far with a slot: each broker once. */
static int unite(struct interest_index *index, struct index_slot *slot)
{
    const struct interest_node *a = index->merged.at, *b = slot_nodes(slot);
    size_t a_len = index->merged.len, b_len = slot->count, i = 0, j = 0;

    vec_clear(&index->spare);
    while (i < a_len || j < b_len) {
        struct interest_node *out = vec_push(&index->spare);
        if (!out)
            return ERR_NOMEM;
        if (j == b_len || (i < a_len && a[i].node < b[j].node))
            *out = a[i++];
        else if (i == a_len || b[j].node < a[i].node)
            *out = b[j++];
        else
            *out = either(a[i++], b[j++]);
    }
    struct nodes swap = index->merged;
    index->merged = index->spare;
    index->spare = swap;
    return ERR_OK;
}

/* Match without the cache. */
static int match(struct interest_index *index, struct str topic, struct match_result *ret_result)
{
    struct match_result result = { 0 };
    int err = filter_index_match(index->filters, topic, &index->hits);

    vec_clear(&index->merged);
    if (!err && index->hits.len == 1)
        result.only = index->hits.at[0];
    for (size_t i = 0; !err && index->hits.len > 1 && i < index->hits.len; i++)
        err = unite(index, index->hits.at[i]);
    if (err)
        return err;
    result.count = (uint32_t)index->merged.len;
    result.items = index->merged.at;
    *ret_result = result;
    return ERR_OK;
}

const struct interest_node *interest_index_match(struct interest_index *index, struct str topic,
                                                 uint64_t hash, size_t *ret_count)
{
    struct match_result result;

    if (!match_cache_find(index->cache, topic, hash, &result)) {
        int err = match(index, topic, &result);
        if (err) {
            *ret_count = SIZE_MAX;
            return NULL;
        }
        match_cache_put(index->cache, topic, hash, &result, sizeof(struct interest_node));
    }
    if (result.only) {
        struct index_slot *slot = result.only;
        *ret_count = slot->count;
        return slot_nodes(slot);
    }
    *ret_count = result.count;
    return result.items;
}

bool interest_index_empty(const struct interest_index *index)
{
    return index->pairs == 0;
}

struct interest_index_stats interest_index_stats(const struct interest_index *index)
{
    return (struct interest_index_stats){
        .pairs = index->pairs,
        .filters = filter_index_count(index->filters),
        .bytes = sizeof *index + filter_index_bytes(index->filters) +
                 match_cache_bytes(index->cache) + index->list_bytes +
                 (index->merged.cap + index->spare.cap) * sizeof *index->merged.at,
    };
}
