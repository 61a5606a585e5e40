/* SPDX-License-Identifier: Apache-2.0 */
#include "topics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const uint8_t *name, size_t len)
{
    uint64_t hash = len, word;

    for (; len >= 8; name += 8, len -= 8) {
        memcpy(&word, name, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, name, len);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Where the topic is, or the free slot where it would go. */
static struct topic **slot_of(const struct topics *topics, uint64_t hash, const uint8_t *name,
                              size_t len)
{
    uint32_t at = (uint32_t)hash & (topics->cap - 1);

    for (;; at = (at + 1) & (topics->cap - 1)) {
        const struct topic *t = topics->slots[at];
        if (!t || (t->hash == hash && t->name_len == len && memcmp(t->name, name, len) == 0))
            return &topics->slots[at];
    }
}

struct topic *topics_find(const struct topics *topics, const uint8_t *name, size_t len)
{
    return topics->cap ? *slot_of(topics, hash_of(name, len), name, len) : NULL;
}

static void grow(struct topics *topics)
{
    struct topics wider = { .cap = topics->cap ? topics->cap * 2 : 1024, .count = topics->count };

    wider.slots = calloc(wider.cap, sizeof(struct topic *));
    assert(wider.slots);
    for (uint32_t i = 0; i < topics->cap; i++) {
        struct topic *t = topics->slots[i];
        if (t)
            *slot_of(&wider, t->hash, t->name, t->name_len) = t;
    }
    free(topics->slots);
    *topics = wider;
}

static struct topic *topic_new(uint64_t hash, const uint8_t *name, size_t len)
{
    struct topic *t = calloc(1, sizeof *t);

    assert(t);
    t->hash = hash;
    t->name = malloc(len + 1);
    assert(t->name);
    memcpy(t->name, name, len);
    t->name_len = len;
    return t;
}

void topics_subscribe(struct topics *topics, const uint8_t *name, size_t len, void *client,
                      uint8_t qos)
{
    uint64_t hash = hash_of(name, len);

    if (topics->count * 2 >= topics->cap)
        grow(topics);
    struct topic **slot = slot_of(topics, hash, name, len);
    if (!*slot) {
        *slot = topic_new(hash, name, len);
        topics->count++;
    }
    struct topic *t = *slot;
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 2;
        t->receivers = realloc(t->receivers, t->cap * sizeof *t->receivers);
        assert(t->receivers);
    }
    t->receivers[t->count++] = (struct receiver){ client, qos };
}

void topics_leave(struct topics *topics, const void *client)
{
    for (uint32_t i = 0; i < topics->cap; i++) {
        struct topic *t = topics->slots[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; t && k < t->count; k++)
            if (t->receivers[k].client != client)
                t->receivers[kept++] = t->receivers[k];
        if (t)
            t->count = kept;
    }
}

void topics_finish(struct topics *topics)
{
    for (uint32_t i = 0; i < topics->cap; i++) {
        struct topic *t = topics->slots[i];
        if (!t)
            continue;
        free(t->name);
        free(t->receivers);
        free(t);
    }
    free(topics->slots);
    *topics = (struct topics){ 0 };
}
