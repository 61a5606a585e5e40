/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

/* Slots of the smallest table, of the smallest one that grows slowly, and how many of its
 * slots are moved with each change: enough to be done long before the next time. */
enum { MAP_CAP_MIN = 8, MAP_CAP_SLOW = 1 << 14, MOVE_SLOTS = 16 };

/* A table that is being emptied: always whole runs, so that what is left can be searched. */
struct map_move {
    struct map_slot *slots;
    size_t cap;
    size_t at, left; /* the next slot to be moved, the first of a run; and how many are left */
};

void map_init(struct map *map, map_equal equal)
{
    *map = (struct map){ .equal = equal };
}

void map_finish(struct map *map)
{
    if (!map)
        return;
    if (map->move)
        free(map->move->slots);
    free(map->move);
    free(map->slots);
    map->slots = NULL;
    map->move = NULL;
    map->count = map->cap = 0;
}

static struct map_slot *table_find(struct map_slot *slots, size_t cap, map_equal equal,
                                   uint64_t hash, const void *key)
{
    size_t mask = cap - 1;

    for (size_t i = hash & mask; slots[i].entry; i = (i + 1) & mask) {
        if (slots[i].hash == hash && equal(slots[i].entry, key))
            return &slots[i];
    }
    return NULL;
}

void *map_find(const struct map *map, uint64_t hash, const void *key)
{
    if (map->cap == 0)
        return NULL;
    struct map_slot *slot = table_find(map->slots, map->cap, map->equal, hash, key);
    if (!slot && map->move)
        slot = table_find(map->move->slots, map->move->cap, map->equal, hash, key);
    return slot ? slot->entry : NULL;
}

void map_prefetch(const struct map *map, uint64_t hash)
{
    if (map->cap)
        __builtin_prefetch(&map->slots[hash & (map->cap - 1)]);
    if (map->move)
        __builtin_prefetch(&map->move->slots[hash & (map->move->cap - 1)]);
}

/* Place an entry into a table that has room. */
static void map_place(struct map *map, uint64_t hash, void *entry)
{
    size_t mask = map->cap - 1, i = hash & mask;

    while (map->slots[i].entry)
        i = (i + 1) & mask;
    map->slots[i] = (struct map_slot){ hash, entry };
}

/* Move at least so many slots of the table before, and the run that is begun. */
static void move_some(struct map *map, size_t slots)
{
    struct map_move *move = map->move;

    while (move->left && (slots || move->slots[move->at].entry)) {
        struct map_slot *slot = &move->slots[move->at];
        if (slot->entry)
            map_place(map, slot->hash, slot->entry);
        slot->entry = NULL;
        move->at = (move->at + 1) & (move->cap - 1);
        move->left--;
        slots -= slots > 0;
    }
    if (move->left)
        return;
    free(move->slots);
    free(move);
    map->move = NULL;
}

/* Double the table. What it held moves with the changes that follow, if that is much. */
static int map_grow(struct map *map)
{
    size_t cap = map->cap ? map->cap * 2 : MAP_CAP_MIN;
    struct map_move *move = malloc(sizeof *move);
    struct map_slot *slots = calloc(cap, sizeof *slots);

    if (map->move)
        move_some(map, map->move->left);
    if (!move || !slots) {
        free(move);
        free(slots);
        return ERR_NOMEM;
    }
    *move = (struct map_move){ .slots = map->slots, .cap = map->cap, .left = map->cap };
    while (move->at < move->cap && move->slots[move->at].entry)
        move->at++; /* there is a free one: then no run goes over the end of the walk */
    map->slots = slots;
    map->cap = cap;
    map->move = move;
    move_some(map, move->cap < MAP_CAP_SLOW ? move->cap : MOVE_SLOTS);
    return ERR_OK;
}

int map_insert(struct map *map, uint64_t hash, void *entry)
{
    assert(entry);
    if (map->cap == 0 || map->count + 1 > map->cap - map->cap / 8) {
        int err = map_grow(map);
        if (err)
            return err;
    } else if (map->move) {
        move_some(map, MOVE_SLOTS);
    }
    map_place(map, hash, entry);
    map->count++;
    return ERR_OK;
}

/* Take the entry at a slot out and close the gap: pull back every later entry of the run that
 * may stand here. */
static void *table_remove(struct map_slot *slots, size_t cap, struct map_slot *slot)
{
    size_t mask = cap - 1, i = (size_t)(slot - slots);
    void *entry = slot->entry;

    for (size_t j = (i + 1) & mask; slots[j].entry; j = (j + 1) & mask) {
        size_t home = slots[j].hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            slots[i] = slots[j];
            i = j;
        }
    }
    slots[i] = (struct map_slot){ 0, NULL };
    return entry;
}

void *map_remove(struct map *map, uint64_t hash, const void *key)
{
    struct map_slot *slots = map->slots;
    size_t cap = map->cap;

    if (cap == 0)
        return NULL;
    if (map->move)
        move_some(map, MOVE_SLOTS);
    struct map_slot *slot = table_find(slots, cap, map->equal, hash, key);
    if (!slot && map->move) {
        slots = map->move->slots;
        cap = map->move->cap;
        slot = table_find(slots, cap, map->equal, hash, key);
    }
    if (!slot)
        return NULL;
    map->count--;
    return table_remove(slots, cap, slot);
}

void *map_next(const struct map *map, size_t *cursor)
{
    size_t end = map->cap + (map->move ? map->move->cap : 0);

    while (*cursor < end) {
        size_t at = (*cursor)++;
        void *entry =
            at < map->cap ? map->slots[at].entry : map->move->slots[at - map->cap].entry;
        if (entry)
            return entry;
    }
    return NULL;
}
