/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/match_cache.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Generation counters; which kinds of literal prefix they count for is in the hash. */
enum { COUNTERS = 4096, PLACES_MIN = 256 };

/* What a topic depends on, besides the filters with a leading wildcard. */
enum { DEPEND_FIRST, DEPEND_SECOND, DEPEND_EXACT, DEPENDS };

struct place {
    uint64_t hash;
    uint64_t sum; /* of the generations it depends on, when it was filled */
    char *data;   /* the list, then the topic; NULL: free */
    void *only;
    uint32_t size; /* of data */
    uint32_t count;
    uint32_t filled; /* when, as a count of puts */
    uint16_t depends[DEPENDS];
    uint16_t topic_len;
};

/* What is known of two neighbouring places without looking at them: 15 bits of the hash of
 * what stands there (0: free), and of what was lately turned away. Small enough to stay in
 * the processor's cache when the places do not. */
struct pair {
    uint16_t held[2];
    uint16_t seen[2];
};

struct match_cache {
    uint64_t seed;
    struct place *places;
    struct pair *pairs;            /* half as many */
    size_t places_cap, places_max; /* powers of two */
    size_t bytes, bytes_max;       /* of data */
    size_t hand;                   /* the next place to be emptied for its bytes */
    uint32_t puts;
    uint32_t pushed_out; /* topics that found both places taken since the last growth */
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

static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 48 | 1);
}

static struct pair *pair_of(const struct match_cache *cache, uint64_t hash)
{
    return &cache->pairs[(hash & (cache->places_cap - 1)) >> 1];
}

/* The tag of what stands in a place. */
static uint16_t *held_at(const struct match_cache *cache, const struct place *place)
{
    size_t at = (size_t)(place - cache->places);

    return &cache->pairs[at / 2].held[at % 2];
}

static void empty(struct match_cache *cache, struct place *place)
{
    if (!place->data)
        return;
    *held_at(cache, place) = 0;
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
    free(cache->pairs);
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
    const struct pair *pair = pair_of(cache, hash);
    const struct place *place = places_of(cache, hash);
    for (int i = 0; i < 2; i++, place++) {
        if (pair->held[i] != tag_of(hash) || !holds(place, topic, hash))
            continue;
        if (place->sum != sum_now(cache, place))
            return false;
        *ret_result = (struct match_result){ place->only, place->count, place->data };
        return true;
    }
    return false;
}

/* May the topic have a place? Not if it would push out another one and was not turned away
 * before; that it was now is noted. */
static bool admit(struct match_cache *cache, uint64_t hash)
{
    struct pair *pair = pair_of(cache, hash);
    uint16_t tag = tag_of(hash);

    if (!pair->held[0] || !pair->held[1] || pair->held[0] == tag || pair->held[1] == tag ||
        pair->seen[0] == tag || pair->seen[1] == tag)
        return true;
    pair->seen[1] = pair->seen[0];
    pair->seen[0] = tag;
    cache->pushed_out++;
    return false;
}

/* Twice as many places, or the first ones. What finds both its places taken is lost. */
static void grow(struct match_cache *cache)
{
    struct place *old = cache->places;
    size_t old_cap = cache->places_cap, cap = old_cap ? old_cap * 2 : PLACES_MIN;

    cap = cap < cache->places_max ? cap : cache->places_max;
    struct place *more = calloc(cap, sizeof *more);
    struct pair *pairs = calloc(cap / 2, sizeof *pairs);
    if (!more || !pairs) {
        free(more);
        free(pairs);
        return;
    }
    for (size_t i = 0; old_cap && i < cap / 2; i++)
        memcpy(pairs[i].seen, cache->pairs[i & (old_cap / 2 - 1)].seen, sizeof pairs[i].seen);
    free(cache->pairs);
    cache->pairs = pairs;
    cache->places = more;
    cache->places_cap = cap;
    cache->pushed_out = 0;
    cache->hand = 0;
    for (size_t i = 0; i < old_cap; i++) {
        struct place *place = places_of(cache, old[i].hash);
        if (!old[i].data)
            continue;
        if (place->data)
            place++;
        if (place->data) {
            cache->bytes -= old[i].size;
            free(old[i].data);
            continue;
        }
        *place = old[i];
        *held_at(cache, place) = tag_of(place->hash);
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
    size_t list_size = result->only ? 0 : result->count * item_size;
    size_t size = list_size + topic.len;

    if (size > cache->bytes_max / 8 || size > UINT32_MAX)
        return;
    if (cache->places_cap < cache->places_max && cache->pushed_out >= cache->places_cap / 4)
        grow(cache);
    if (cache->places_cap == 0 || !admit(cache, hash))
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
                             .only = result->only,
                             .count = result->only ? 0 : result->count,
                             .filled = cache->puts++,
                             .topic_len = (uint16_t)topic.len };
    *held_at(cache, place) = tag_of(hash);
    depend(cache, place, topic);
    cache->bytes += size;
}

size_t match_cache_bytes(const struct match_cache *cache)
{
    return sizeof *cache + cache->places_cap * sizeof *cache->places +
           cache->places_cap / 2 * sizeof *cache->pairs + cache->bytes;
}
