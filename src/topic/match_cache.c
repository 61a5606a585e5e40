/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/match_cache.h"

#include "base/hash.h"
#include "topic/filter_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Generation counters; which kinds of literal prefix they count for is in the hash. */
enum { COUNTERS = 4096, PLACES_MIN = 256 };

/* What a topic depends on, besides the filters with a leading wildcard. */
enum { DEPEND_FIRST, DEPEND_SECOND, DEPEND_EXACT, DEPENDS };

struct place {
    uint64_t hash;
    uint64_t sum;  /* of the generations it depends on, when it was filled */
    char *data;    /* the list, then the topic; NULL: free */
    uint32_t size; /* of data */
    uint32_t filter;
    uint32_t count;
    uint32_t filled; /* when, as a count of puts */
    uint16_t depends[DEPENDS];
    uint16_t topic_len;
};

struct match_cache {
    uint64_t seed;
    struct place *places;
    size_t places_cap, places_max; /* powers of two */
    size_t bytes, bytes_max;       /* of data */
    size_t hand;                   /* the next place to be emptied for its bytes */
    uint32_t puts;
    uint32_t pushed_out; /* places lost to others since the last growth */
    uint32_t leading;    /* generation of filters with a leading wildcard */
    uint32_t generation[COUNTERS];
};

struct match_cache *match_cache_new(uint64_t seed, size_t entries_max, size_t bytes_max)
{
    struct match_cache *cache = calloc(1, sizeof *cache);

    assert(entries_max >= 2 && (entries_max & (entries_max - 1)) == 0);
    if (!cache)
        return NULL;
    cache->seed = seed;
    cache->places_max = entries_max;
    cache->bytes_max = bytes_max;
    return cache;
}

static void empty(struct match_cache *cache, struct place *place)
{
    if (!place->data)
        return;
    cache->bytes -= place->size;
    free(place->data);
    place->data = NULL;
}

void match_cache_free(struct match_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->places_cap; i++)
        free(cache->places[i].data);
    free(cache->places);
    free(cache);
}

/* The counter for all filters with this text (kind EXACT), or whose longest literal
 * beginning is this text of one or two levels. */
static uint16_t counter(const struct match_cache *cache, int kind, struct str text)
{
    return hash_fast(cache->seed + (uint64_t)kind, text.ptr, text.len) % COUNTERS;
}

void match_cache_touch(struct match_cache *cache, struct str filter)
{
    size_t wild = 0;

    while (wild < filter.len && filter.ptr[wild] != '+' && filter.ptr[wild] != '#')
        wild++;
    if (wild == 0) {
        cache->leading++;
        return;
    }
    if (wild == filter.len) {
        cache->generation[counter(cache, DEPEND_EXACT, filter)]++;
        return;
    }
    /* Whole levels before the first wildcard. a/b/# matches a/b too. */
    struct str literal = str_slice(filter, 0, wild - 1);
    size_t first = str_find(literal, '/', 0);
    if (first == literal.len) {
        cache->generation[counter(cache, DEPEND_FIRST, literal)]++;
        return;
    }
    struct str second = str_slice(literal, 0, str_find(literal, '/', first + 1));
    cache->generation[counter(cache, DEPEND_SECOND, second)]++;
}

static uint64_t sum_now(const struct match_cache *cache, const struct place *place)
{
    uint64_t sum = cache->leading;

    for (int i = 0; i < DEPENDS; i++)
        sum += cache->generation[place->depends[i]];
    return sum;
}

static bool holds(const struct place *place, struct str topic, uint64_t hash)
{
    return place->data && place->hash == hash && place->topic_len == topic.len &&
           memcmp(place->data + place->size - topic.len, topic.ptr, topic.len) == 0;
}

/* The first of the two places of a hash; they are neighbours in memory. */
static struct place *places_of(const struct match_cache *cache, uint64_t hash)
{
    return &cache->places[hash & (cache->places_cap - 1) & ~(size_t)1];
}

bool match_cache_find(const struct match_cache *cache, struct str topic, uint64_t hash,
                      struct match_result *ret_result)
{
    if (cache->places_cap == 0)
        return false;
    const struct place *place = places_of(cache, hash);
    if (!holds(place, topic, hash))
        place++;
    if (!holds(place, topic, hash) || place->sum != sum_now(cache, place))
        return false;
    *ret_result = (struct match_result){ place->filter, place->count, place->data };
    return true;
}

/* Twice as many places, or the first ones. What finds both its places taken is lost. */
static void grow(struct match_cache *cache)
{
    struct place *old = cache->places;
    size_t old_cap = cache->places_cap, cap = old_cap ? old_cap * 2 : PLACES_MIN;

    cap = cap < cache->places_max ? cap : cache->places_max;
    struct place *more = calloc(cap, sizeof *more);
    if (!more)
        return;
    cache->places = more;
    cache->places_cap = cap;
    cache->pushed_out = 0;
    cache->hand = 0;
    for (size_t i = 0; i < old_cap; i++) {
        struct place *place = places_of(cache, old[i].hash);
        if (place->data)
            place++;
        if (place->data)
            empty(cache, &old[i]);
        else
            *place = old[i];
    }
    free(old);
}

/* The place a topic shall stand in: its own, a free or stale one, or the older. */
static struct place *choose(struct match_cache *cache, struct str topic, uint64_t hash)
{
    struct place *a = places_of(cache, hash), *b = a + 1;

    if (holds(a, topic, hash))
        return a;
    if (holds(b, topic, hash))
        return b;
    if (!a->data || a->sum != sum_now(cache, a))
        return a;
    if (!b->data || b->sum != sum_now(cache, b))
        return b;
    cache->pushed_out++;
    return cache->puts - a->filled > cache->puts - b->filled ? a : b;
}

/* Empty places in turn until size more bytes are allowed. */
static void make_room(struct match_cache *cache, size_t size)
{
    while (cache->bytes + size > cache->bytes_max) {
        empty(cache, &cache->places[cache->hand]);
        cache->hand = (cache->hand + 1) & (cache->places_cap - 1);
    }
}

static void depend(const struct match_cache *cache, struct place *place, struct str topic)
{
    size_t first = str_find(topic, '/', 0);
    size_t second = first < topic.len ? str_find(topic, '/', first + 1) : first;

    place->depends[DEPEND_FIRST] = counter(cache, DEPEND_FIRST, str_slice(topic, 0, first));
    place->depends[DEPEND_SECOND] = counter(cache, DEPEND_SECOND, str_slice(topic, 0, second));
    place->depends[DEPEND_EXACT] = counter(cache, DEPEND_EXACT, topic);
    place->sum = sum_now(cache, place);
}

void match_cache_put(struct match_cache *cache, struct str topic, uint64_t hash,
                     const struct match_result *result, size_t item_size)
{
    bool list = result->filter == FILTER_INDEX_NONE;
    size_t list_size = list ? result->count * item_size : 0, size = list_size + topic.len;

    if (size > cache->bytes_max / 8 || size > UINT32_MAX)
        return;
    if (cache->places_cap < cache->places_max && cache->pushed_out >= cache->places_cap / 4)
        grow(cache);
    if (cache->places_cap == 0)
        return;
    char *data = malloc(size);
    if (!data)
        return;
    if (list_size)
        memcpy(data, result->items, list_size);
    memcpy(data + list_size, topic.ptr, topic.len);
    struct place *place = choose(cache, topic, hash);
    empty(cache, place);
    make_room(cache, size);
    *place = (struct place){ .hash = hash,
                             .data = data,
                             .size = (uint32_t)size,
                             .filter = result->filter,
                             .count = list ? result->count : 0,
                             .filled = cache->puts++,
                             .topic_len = (uint16_t)topic.len };
    depend(cache, place, topic);
    cache->bytes += size;
}

size_t match_cache_bytes(const struct match_cache *cache)
{
    return sizeof *cache + cache->places_cap * sizeof *cache->places + cache->bytes;
}
