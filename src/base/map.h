/* SPDX-License-Identifier: Apache-2.0 */
/* A map finds entries by a key that lives inside them. It stores pointers and full
 * hashes, never owns entries, and iterates in an order that depends only on the
 * operations and hashes it saw, so that a seed replays. Linear probing, deletion by
 * backward shift; 16 bytes a slot at 50 to 87 % load. A large one grows without a pause: the
 * entries move to the larger table a few with each change.
 *
 * Hash keys that strangers choose with hash_sip() under a secret seed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does entry have this key? */
typedef bool (*map_equal)(const void *entry, const void *key);

struct map_slot {
    uint64_t hash;
    void *entry; /* NULL: free */
};

struct map_move;

struct map {
    struct map_slot *slots;
    struct map_move *move; /* the table before, while entries move from it; or NULL */
    size_t count;
    size_t cap; /* 0 or a power of two */
    map_equal equal;
};

/* An empty map; allocates nothing. */
void map_init(struct map *map, map_equal equal);

/* Free the table, not the entries. Accepts a zeroed map. */
void map_finish(struct map *map);

/* The entry with this key, or NULL. */
void *map_find(const struct map *map, uint64_t hash, const void *key);

/* Ask for the memory that map_find() of this hash will look at first, so that several
 * look-ups wait for memory together. */
void map_prefetch(const struct map *map, uint64_t hash);

/* Add an entry whose key is not there yet. ERR_OK or ERR_NOMEM (nothing changed). */
int map_insert(struct map *map, uint64_t hash, void *entry);

/* Take the entry with this key out and return it, or NULL. */
void *map_remove(struct map *map, uint64_t hash, const void *key);

/* The next entry at or after *cursor, which starts at 0; NULL at the end. The map
 * must not change meanwhile. */
void *map_next(const struct map *map, size_t *cursor);

#define map_each(map, type, item)                                                                 \
    for (size_t item##_at = 0, item##_more = 1; item##_more; item##_more = 0)                     \
        for (type *item; (item = map_next(map, &item##_at));)
