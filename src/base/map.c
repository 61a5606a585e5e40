/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

enum { MAP_CAP_MIN = 8 };

void map_init(struct map *map, map_equal equal)
{
    *map = (struct map){ .equal = equal };
}

void map_finish(struct map *map)
{
    if (!map)
        return;
    free(map->slots);
    map->slots = NULL;
    map->count = map->cap = 0;
}

void *map_find(const struct map *map, uint64_t hash, const void *key)
{
    if (map->cap == 0)
        return NULL;
    size_t mask = map->cap - 1;
    for (size_t i = hash & mask; map->slots[i].entry; i = (i + 1) & mask) {
        if (map->slots[i].hash == hash && map->equal(map->slots[i].entry, key))
            return map->slots[i].entry;
    }
    return NULL;
}

void map_prefetch(const struct map *map, uint64_t hash)
{
    if (map->cap)
        __builtin_prefetch(&map->slots[hash & (map->cap - 1)]);
}

/* Place an entry into a table that has room. */
static void map_place(struct map *map, uint64_t hash, void *entry)
{
    size_t mask = map->cap - 1, i = hash & mask;

    while (map->slots[i].entry)
        i = (i + 1) & mask;
    map->slots[i] = (struct map_slot){ hash, entry };
}

static int map_resize(struct map *map, size_t cap)
{
    struct map bigger = { .cap = cap, .count = map->count, .equal = map->equal };

    bigger.slots = calloc(cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].entry)
            map_place(&bigger, map->slots[i].hash, map->slots[i].entry);
    }
    free(map->slots);
    *map = bigger;
    return ERR_OK;
}

int map_insert(struct map *map, uint64_t hash, void *entry)
{
    assert(entry);
    if (map->cap == 0 || map->count + 1 > map->cap - map->cap / 8) {
        int err = map_resize(map, map->cap ? map->cap * 2 : MAP_CAP_MIN);
        if (err)
            return err;
    }
    map_place(map, hash, entry);
    map->count++;
    return ERR_OK;
}

void *map_remove(struct map *map, uint64_t hash, const void *key)
{
    if (map->cap == 0)
        return NULL;
    size_t mask = map->cap - 1, i = hash & mask;
    while (map->slots[i].entry &&
           !(map->slots[i].hash == hash && map->equal(map->slots[i].entry, key)))
        i = (i + 1) & mask;
    void *entry = map->slots[i].entry;
    if (!entry)
        return NULL;
    /* Close the gap: pull back every later entry of the run that may stand here. */
    for (size_t j = (i + 1) & mask; map->slots[j].entry; j = (j + 1) & mask) {
        size_t home = map->slots[j].hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            map->slots[i] = map->slots[j];
            i = j;
        }
    }
    map->slots[i] = (struct map_slot){ 0, NULL };
    map->count--;
    return entry;
}

void *map_next(const struct map *map, size_t *cursor)
{
    while (*cursor < map->cap) {
        void *entry = map->slots[(*cursor)++].entry;
        if (entry)
            return entry;
    }
    return NULL;
}
