/* SPDX-License-Identifier: Apache-2.0 */
#include "core/retained.h"

#include "base/err.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* When a message expires. */
struct retained_due {
    struct timer timer;
    struct retained_node *node;
};

/* A level of a topic. The tree is held by parent links; children stand in the order in
 * which they came. */
struct retained_node {
    struct retained_node *parent;
    struct retained_node *first, *last; /* children */
    struct retained_node *next, *prev;  /* siblings */
    struct message *message;            /* a reference, or NULL */
    struct retained_due *due;           /* or NULL */
    uint64_t hash;
    uint16_t level_len;
    char level[];
};

struct node_key {
    const struct retained_node *parent;
    struct str level;
};

static struct str node_level(const struct retained_node *node)
{
    return (struct str){ node->level, node->level_len };
}

static bool node_equal(const void *entry, const void *key)
{
    const struct retained_node *node = entry;
    const struct node_key *want = key;

    return node->parent == want->parent && str_equal(node_level(node), want->level);
}

/* A path's hash follows from its parent's. */
static uint64_t level_hash(const struct retained_node *parent, struct str level)
{
    return hash_fast(parent->hash, level.ptr, level.len);
}

static struct retained_node *child(const struct retained *retained,
                                   const struct retained_node *parent, struct str level)
{
    struct node_key key = { parent, level };

    return map_find(&retained->nodes, level_hash(parent, level), &key);
}

static struct retained_node *node_new(struct str level)
{
    struct retained_node *node = calloc(1, sizeof *node + level.len);

    if (!node)
        return NULL;
    node->level_len = (uint16_t)level.len;
    if (level.len)
        memcpy(node->level, level.ptr, level.len);
    return node;
}

int retained_init(struct retained *retained, uint64_t seed, uint64_t now_ms)
{
    *retained = (struct retained){ .seed = seed };
    map_init(&retained->nodes, node_equal);
    wheel_init(&retained->expiry, now_ms);
    retained->root = node_new((struct str){ NULL, 0 });
    if (!retained->root)
        return ERR_NOMEM;
    retained->root->hash = hash_mix(seed);
    return ERR_OK;
}

static void node_clear(struct retained *retained, struct retained_node *node)
{
    if (node->message) {
        retained->count--;
        retained->bytes -= message_size(node->message);
    }
    message_unref(node->message);
    node->message = NULL;
    if (node->due)
        wheel_cancel(&retained->expiry, &node->due->timer);
    free(node->due);
    node->due = NULL;
}

void retained_finish(struct retained *retained)
{
    if (!retained->root)
        return;
    map_each (&retained->nodes, struct retained_node, node) {
        node_clear(retained, node);
        free(node);
    }
    map_finish(&retained->nodes);
    free(retained->root);
    *retained = (struct retained){ 0 };
}

static struct retained_node *find_node(const struct retained *retained, struct str topic)
{
    struct topic_levels walk = topic_levels(topic);
    struct retained_node *node = retained->root;
    struct str level;

    while (node && topic_levels_next(&walk, &level))
        node = child(retained, node, level);
    return node;
}

struct message *retained_find(const struct retained *retained, struct str topic)
{
    struct retained_node *node = find_node(retained, topic);

    return node ? node->message : NULL;
}

static struct retained_node *add_child(struct retained *retained, struct retained_node *parent,
                                       struct str level)
{
    struct retained_node *node = node_new(level);

    if (!node)
        return NULL;
    node->parent = parent;
    node->hash = level_hash(parent, level);
    if (map_insert(&retained->nodes, node->hash, node)) {
        free(node);
        return NULL;
    }
    node->prev = parent->last;
    *(parent->last ? &parent->last->next : &parent->first) = node;
    parent->last = node;
    return node;
}

/* Free this node and those above it that hold nothing. */
static void prune(struct retained *retained, struct retained_node *node)
{
    while (node != retained->root && !node->message && !node->first) {
        struct retained_node *parent = node->parent;
        struct node_key key = { parent, node_level(node) };

        map_remove(&retained->nodes, node->hash, &key);
        *(node->prev ? &node->prev->next : &parent->first) = node->next;
        *(node->next ? &node->next->prev : &parent->last) = node->prev;
        free(node);
        node = parent;
    }
}

int retained_put(struct retained *retained, struct message *message)
{
    struct topic_levels walk = topic_levels(message_topic(message));
    struct retained_node *node = retained->root, *next;
    struct retained_due *due = NULL;
    struct str level;

    if (message->expires_ms != MESSAGE_NEVER && !(due = malloc(sizeof *due)))
        return ERR_NOMEM;
    while (topic_levels_next(&walk, &level)) {
        next = child(retained, node, level);
        if (!next)
            next = add_child(retained, node, level);
        if (!next) {
            prune(retained, node);
            free(due);
            return ERR_NOMEM;
        }
        node = next;
    }
    node_clear(retained, node);
    node->message = message_ref(message);
    retained->count++;
    retained->bytes += message_size(message);
    node->due = due;
    if (due) {
        due->node = node;
        timer_init(&due->timer);
        wheel_set(&retained->expiry, &due->timer, message->expires_ms);
    }
    return ERR_OK;
}

bool retained_remove(struct retained *retained, struct str topic)
{
    struct retained_node *node = find_node(retained, topic);

    if (!node || !node->message)
        return false;
    node_clear(retained, node);
    prune(retained, node);
    return true;
}

struct message *retained_expired(struct retained *retained, uint64_t now_ms)
{
    struct timer *timer = wheel_expire(&retained->expiry, now_ms);

    return timer ? list_entry(timer, struct retained_due, timer)->node->message : NULL;
}

uint64_t retained_deadline(const struct retained *retained)
{
    return wheel_deadline(&retained->expiry);
}

void retained_walk(struct retained_walk *walk, const struct retained *retained, struct str filter)
{
    struct topic_levels levels = topic_levels(filter);
    struct str level;

    walk->retained = retained;
    walk->depth = walk->depth_count = 0;
    walk->hash_last = false;
    walk->node = NULL;
    while (walk->depth_count < TOPIC_LEVELS_MAX && topic_levels_next(&levels, &level)) {
        if (str_equal(level, STR("#")))
            walk->hash_last = true;
        else
            walk->levels[walk->depth_count++] = level;
    }
}

/* A wildcard in the first place does not see levels that begin with $. [MQTT-4.7.2-1] */
static const struct retained_node *skip_hidden(const struct retained_walk *walk,
                                               const struct retained_node *node)
{
    while (node && node->parent == walk->retained->root && node->level_len && node->level[0] == '$')
        node = node->next;
    return node;
}

/* The first node below that the filter lets through at this depth. */
static const struct retained_node *first_below(const struct retained_walk *walk)
{
    if (walk->depth >= walk->depth_count)
        return walk->hash_last ? skip_hidden(walk, walk->node->first) : NULL;
    struct str level = walk->levels[walk->depth];
    if (str_equal(level, STR("+")))
        return skip_hidden(walk, walk->node->first);
    return child(walk->retained, walk->node, level);
}

/* The next node beside this one that the filter lets through. */
static const struct retained_node *next_beside(const struct retained_walk *walk)
{
    bool wild =
        walk->depth > walk->depth_count || str_equal(walk->levels[walk->depth - 1], STR("+"));

    return wild ? skip_hidden(walk, walk->node->next) : NULL;
}

/* One step in depth-first order; false at the end. */
static bool walk_on(struct retained_walk *walk)
{
    const struct retained_node *node = first_below(walk);

    if (node) {
        walk->depth++;
        walk->node = node;
        return true;
    }
    while (walk->depth > 0) {
        node = next_beside(walk);
        if (node) {
            walk->node = node;
            return true;
        }
        walk->node = walk->node->parent;
        walk->depth--;
    }
    return false;
}

struct message *retained_walk_next(struct retained_walk *walk)
{
    if (!walk->node)
        walk->node = walk->retained->root;
    while (walk_on(walk)) {
        bool there = walk->depth == walk->depth_count ||
                     (walk->depth > walk->depth_count && walk->hash_last);
        if (there && walk->node->message)
            return walk->node->message;
    }
    walk->depth_count = 0;
    walk->hash_last = false;
    walk->node = walk->retained->root;
    return NULL;
}
