/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sub_index.h"

#include "base/err.h"
#include "topic/filter_index.h"
#include "topic/match_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_TOPICS = 1 << 16,
    CACHE_BYTES = 32 << 20,
    LIST_CAP_MIN = 4,
};

/* Several subscriptions to one filter, in order of session. */
struct sub_list {
    uint32_t cap;
    uint32_t by_qos[3];
    uint32_t persistent;
    struct sub_entry at[];
};

/* The subscriptions to a filter: what is kept beside it in the filter index. One stands in
 * place. Packed to 16 bytes: there may be a million. */
struct sub_slot {
    uint32_t count; /* 0 only while the filter is being added */
    union {
        struct sub_entry one;
        struct {
            struct sub_list *list;
        } __attribute__((packed, aligned(4))) many;
    };
};

struct sub_index {
    struct filter_index *filters;
    struct match_cache *cache;
    size_t subscriptions;
    size_t list_bytes;
    struct filter_hits hits; /* scratch of match: the slots */
    struct {
        VEC(struct sub_entry);
    } merged, spare; /* scratch of match */
    struct {
        VEC(size_t);
    } ends; /* where the sorted runs of merged end */
};

struct sub_index *sub_index_new(uint64_t seed)
{
    struct sub_index *index = calloc(1, sizeof *index);

    if (!index)
        return NULL;
    index->filters = filter_index_new(seed, sizeof(struct sub_slot));
    index->cache = match_cache_new(seed, CACHE_TOPICS, CACHE_BYTES);
    if (!index->filters || !index->cache) {
        sub_index_free(index);
        return NULL;
    }
    return index;
}

static struct sub_slot *slot_of(const struct sub_index *index, filter_id id)
{
    return filter_index_data(index->filters, id);
}

void sub_index_free(struct sub_index *index)
{
    if (!index)
        return;
    uint32_t end = index->filters ? filter_index_ids_end(index->filters) : 0;
    for (filter_id id = 0; id < end; id++) {
        if (filter_index_has(index->filters, id) && slot_of(index, id)->count > 1)
            free(slot_of(index, id)->many.list);
    }
    vec_finish(&index->hits);
    vec_finish(&index->merged);
    vec_finish(&index->spare);
    vec_finish(&index->ends);
    match_cache_free(index->cache);
    filter_index_free(index->filters);
    free(index);
}

static struct sub_entry *slot_entries(struct sub_slot *slot)
{
    return slot->count > 1 ? slot->many.list->at : &slot->one;
}

/* Where the session's entry is or would be. */
static uint32_t slot_search(struct sub_slot *slot, session_id session)
{
    const struct sub_entry *at = slot_entries(slot);
    uint32_t low = 0, high = slot->count;

    /* Sessions mostly come in order: look at the end first. */
    if (high && at[high - 1].session < session)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at[middle].session < session)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void list_count(struct sub_list *list, const struct sub_entry *entry, uint32_t by)
{
    assert(entry->qos <= 2);
    list->by_qos[entry->qos] += by;
    list->persistent += entry->persistent ? by : 0;
}

static size_t list_size(uint32_t cap)
{
    return sizeof(struct sub_list) + (size_t)cap * sizeof(struct sub_entry);
}

/* Make the list of a slot hold cap entries; a slot with one in place gets its list. */
static int slot_resize(struct sub_index *index, struct sub_slot *slot, uint32_t cap)
{
    struct sub_list *old = slot->count > 1 ? slot->many.list : NULL;
    struct sub_list *list = realloc(old, list_size(cap));

    if (!list)
        return ERR_NOMEM;
    if (old) {
        index->list_bytes -= list_size(list->cap);
    } else {
        *list = (struct sub_list){ .cap = cap };
        list->at[0] = slot->one;
        list_count(list, &slot->one, 1);
    }
    list->cap = cap;
    index->list_bytes += list_size(cap);
    slot->many.list = list;
    return ERR_OK;
}

/* Put an entry into a slot that has at least one, before the entry at position at. */
static int slot_insert(struct sub_index *index, struct sub_slot *slot, uint32_t at,
                       const struct sub_entry *entry)
{
    int err = ERR_OK;

    if (slot->count == 1)
        err = slot_resize(index, slot, LIST_CAP_MIN);
    else if (slot->count == slot->many.list->cap)
        err = slot_resize(index, slot, slot->count * 2);
    if (err)
        return err;
    struct sub_list *list = slot->many.list;
    memmove(&list->at[at + 1], &list->at[at], (slot->count - at) * sizeof *list->at);
    list->at[at] = *entry;
    list_count(list, entry, 1);
    slot->count++;
    return ERR_OK;
}

static void slot_delete(struct sub_index *index, struct sub_slot *slot, uint32_t at)
{
    if (slot->count == 1) {
        slot->count = 0;
        return;
    }
    struct sub_list *list = slot->many.list;
    list_count(list, &list->at[at], UINT32_MAX); /* one less */
    slot->count--;
    memmove(&list->at[at], &list->at[at + 1], (slot->count - at) * sizeof *list->at);
    if (slot->count == 1) {
        index->list_bytes -= list_size(list->cap);
        slot->one = list->at[0];
        free(list);
    } else if (list->cap > LIST_CAP_MIN && slot->count < list->cap / 4) {
        slot_resize(index, slot, list->cap / 2); /* smaller: no matter if it fails */
    }
}

static struct sub_interest slot_interest(const struct sub_slot *slot)
{
    if (slot->count == 0)
        return (struct sub_interest){ 0 };
    if (slot->count == 1)
        return (struct sub_interest){ slot->one.qos, slot->one.persistent, 1 };
    const struct sub_list *list = slot->many.list;
    uint8_t qos = list->by_qos[2] ? 2 : list->by_qos[1] ? 1 : 0;
    return (struct sub_interest){ qos, list->persistent > 0, slot->count };
}

int sub_index_add(struct sub_index *index, struct str filter, const struct sub_entry *entry,
                  filter_id *ret_id, bool *ret_existed, struct sub_interest *ret_interest)
{
    filter_id id;
    int err = filter_index_add(index->filters, filter, &id);

    if (err)
        return err == ERR_LIMIT ? ERR_NOMEM : err;
    struct sub_slot *slot = slot_of(index, id);
    uint32_t at = slot_search(slot, entry->session);
    struct sub_entry *there = slot_entries(slot) + at;
    bool existed = at < slot->count && there->session == entry->session;
    if (existed) {
        if (slot->count > 1) {
            list_count(slot->many.list, there, UINT32_MAX); /* one less */
            list_count(slot->many.list, entry, 1);
        }
        *there = *entry;
    } else if (slot->count == 0) {
        slot->one = *entry;
        slot->count = 1;
    } else {
        err = slot_insert(index, slot, at, entry);
        if (err)
            return err;
    }
    index->subscriptions += !existed;
    match_cache_touch(index->cache, filter);
    *ret_id = id;
    *ret_existed = existed;
    *ret_interest = slot_interest(slot);
    return ERR_OK;
}

filter_id sub_index_find(const struct sub_index *index, struct str filter)
{
    return filter_index_find(index->filters, filter);
}

bool sub_index_remove(struct sub_index *index, filter_id id, session_id session,
                      struct sub_interest *ret_interest)
{
    struct sub_slot *slot = slot_of(index, id);
    uint32_t at = slot_search(slot, session);

    if (at == slot->count || slot_entries(slot)[at].session != session) {
        *ret_interest = slot_interest(slot);
        return false;
    }
    slot_delete(index, slot, at);
    index->subscriptions--;
    match_cache_touch(index->cache, filter_index_text(index->filters, id));
    *ret_interest = slot_interest(slot);
    if (slot->count == 0)
        filter_index_remove(index->filters, id);
    return true;
}

struct str sub_index_filter(const struct sub_index *index, filter_id id)
{
    return filter_index_text(index->filters, id);
}

struct sub_interest sub_index_interest(const struct sub_index *index, filter_id id)
{
    return slot_interest(slot_of(index, id));
}

bool sub_index_next(const struct sub_index *index, uint32_t *cursor)
{
    uint32_t end = filter_index_ids_end(index->filters);

    while (*cursor < end) {
        if (filter_index_has(index->filters, (*cursor)++))
            return true;
    }
    return false;
}

const struct sub_entry *sub_index_entry(const struct sub_index *index, filter_id id,
                                        session_id session)
{
    struct sub_slot *slot = slot_of(index, id);
    uint32_t at = slot_search(slot, session);

    if (at == slot->count || slot_entries(slot)[at].session != session)
        return NULL;
    return slot_entries(slot) + at;
}

/* Merge two sorted runs that stand side by side; of equal sessions the left first. */
static void merge_runs(const struct sub_entry *left, size_t left_len, size_t right_len,
                       struct sub_entry *out)
{
    const struct sub_entry *right = left + left_len, *left_end = right,
                           *right_end = right + right_len;

    while (left < left_end && right < right_end)
        *out++ = right->session < left->session ? *right++ : *left++;
    memcpy(out, left, (size_t)(left_end - left) * sizeof *out);
    out += left_end - left;
    memcpy(out, right, (size_t)(right_end - right) * sizeof *out);
}

/* Merge all runs of index->merged, pair by pair, until one is left. */
static void merge_all(struct sub_index *index)
{
    while (index->ends.len > 1) {
        size_t begin = 0, runs = 0;
        for (size_t i = 0; i < index->ends.len; i += 2) {
            size_t middle = index->ends.at[i];
            size_t end = i + 1 < index->ends.len ? index->ends.at[i + 1] : middle;
            merge_runs(index->merged.at + begin, middle - begin, end - middle,
                       index->spare.at + begin);
            index->ends.at[runs++] = begin = end;
        }
        index->ends.len = runs;
        __typeof__(index->merged.at) at = index->merged.at;
        size_t cap = index->merged.cap;
        index->merged.at = index->spare.at;
        index->merged.cap = index->spare.cap;
        index->spare.at = at;
        index->spare.cap = cap;
    }
}

/* Room for len entries in both scratch arrays. */
static int scratch_reserve(struct sub_index *index, size_t len)
{
    while (index->merged.cap < len) {
        index->merged.len = index->merged.cap;
        if (!vec_push(&index->merged))
            return ERR_NOMEM;
    }
    while (index->spare.cap < len) {
        index->spare.len = index->spare.cap;
        if (!vec_push(&index->spare))
            return ERR_NOMEM;
    }
    return ERR_OK;
}

/* All entries of the slots in index->hits, merged by session. */
static int merge_filters(struct sub_index *index, size_t *ret_count)
{
    size_t count = 0;

    vec_each (&index->hits, hit)
        count += ((struct sub_slot *)*hit)->count;
    if (count > UINT32_MAX || scratch_reserve(index, count))
        return ERR_NOMEM;
    vec_clear(&index->ends);
    size_t end = 0;
    vec_each (&index->hits, hit) {
        struct sub_slot *slot = *hit;
        memcpy(index->merged.at + end, slot_entries(slot), slot->count * sizeof *index->merged.at);
        end += slot->count;
        size_t *run = vec_push(&index->ends);
        if (!run)
            return ERR_NOMEM;
        *run = end;
    }
    merge_all(index);
    *ret_count = count;
    return ERR_OK;
}

const struct sub_entry *sub_index_match(struct sub_index *index, struct str topic, uint64_t hash,
                                        size_t *ret_count)
{
    struct match_result result = { 0 };

    if (!match_cache_find(index->cache, topic, hash, &result)) {
        size_t count = 0;
        int err = filter_index_match(index->filters, topic, &index->hits);
        if (!err && index->hits.len == 1)
            result.only = index->hits.at[0];
        else if (!err && index->hits.len > 1)
            err = merge_filters(index, &count);
        if (err) {
            *ret_count = SIZE_MAX;
            return NULL;
        }
        result.count = (uint32_t)count;
        result.items = index->merged.at;
        match_cache_put(index->cache, topic, hash, &result, sizeof(struct sub_entry));
    }
    if (result.only) {
        struct sub_slot *slot = result.only;
        *ret_count = slot->count;
        return slot_entries(slot);
    }
    *ret_count = result.count;
    return result.items;
}

struct sub_index_stats sub_index_stats(const struct sub_index *index)
{
    return (struct sub_index_stats){
        .filters = filter_index_count(index->filters),
        .subscriptions = index->subscriptions,
        .bytes = sizeof *index + filter_index_bytes(index->filters) +
                 match_cache_bytes(index->cache) + index->list_bytes +
                 (index->merged.cap + index->spare.cap) * sizeof *index->merged.at,
    };
}
