/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/filter_trie.h"

#include "base/err.h"
#include "base/hash.h"
#include "topic/topic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How far ahead of a walk memory is asked for, in levels. */
enum { PREFETCH_LEVELS = 8 };

/* A filter or topic taken apart once, before a walk. */
struct path {
    size_t len;
    struct str text[TOPIC_LEVELS_MAX];
    uint64_t hash[TOPIC_LEVELS_MAX];
};

struct edge_key {
    const struct filter_trie_node *parent;
    struct str level;
};

static bool edge_equal(const void *entry, const void *key)
{
    const struct filter_trie_node *node = entry;
    const struct edge_key *want = key;

    return node->parent == want->parent && node->len == want->level.len &&
           memcmp(node->text, want->level.ptr, node->len) == 0;
}

static bool is_plus(struct str level)
{
    return level.len == 1 && level.ptr[0] == '+';
}

static bool is_tail(struct str level)
{
    return level.len == 1 && level.ptr[0] == '#';
}

static bool is_dollar(struct str text)
{
    return text.len && text.ptr[0] == '$';
}

static void path_parse(const struct filter_trie *trie, struct str filter, struct path *path)
{
    struct topic_levels walk = topic_levels(filter);
    size_t n = 0;

    while (n < TOPIC_LEVELS_MAX && topic_levels_next(&walk, &path->text[n])) {
        struct str level = path->text[n];
        path->hash[n++] = hash_fast(trie->seed, level.ptr, level.len);
    }
    assert(walk.done);
    path->len = n;
}

static uint64_t edge_hash(uint64_t parent_hash, uint64_t level_hash)
{
    return hash_mix(parent_hash ^ level_hash);
}

/* The literal child for a level of the path; + and # are at hand in the parent. */
static struct filter_trie_node *child_literal(const struct filter_trie *trie,
                                              const struct filter_trie_node *parent,
                                              const struct path *path, size_t at)
{
    struct edge_key key = { parent, path->text[at] };

    if (!parent->first)
        return NULL;
    return map_find(&trie->edges, edge_hash(parent->hash, path->hash[at]), &key);
}

/* The child for a level of the path, whatever it is. */
static struct filter_trie_node *child_of(const struct filter_trie *trie,
                                         const struct filter_trie_node *parent,
                                         const struct path *path, size_t at)
{
    if (is_plus(path->text[at]))
        return parent->plus;
    if (is_tail(path->text[at]))
        return parent->tail;
    return child_literal(trie, parent, path, at);
}

static struct filter_trie_node *node_new(struct filter_trie *trie, struct filter_trie_node *parent,
                                         struct str level, uint64_t hash)
{
    struct filter_trie_node *node = malloc(sizeof *node + level.len);

    if (!node)
        return NULL;
    *node = (struct filter_trie_node){
        .parent = parent, .hash = hash, .value = FILTER_TRIE_NONE, .len = (uint16_t)level.len
    };
    if (level.len)
        memcpy(node->text, level.ptr, level.len);
    trie->bytes += sizeof *node + level.len;
    return node;
}

static void node_free(struct filter_trie *trie, struct filter_trie_node *node)
{
    if (!node)
        return;
    trie->bytes -= sizeof *node + node->len;
    free(node);
}

/* Ask for the slots of the edges that a walk along this path may take: the literal ones all
 * the way down, and those that follow a leading +. Which nodes exist does not matter, as an
 * edge's hash tells all. The walk then waits for memory once and not at every level. */
static void prefetch_path(const struct filter_trie *trie, const struct path *path)
{
    uint64_t literal = trie->root->hash;
    size_t end = path->len < PREFETCH_LEVELS ? path->len : PREFETCH_LEVELS;

    for (size_t i = 0; i < end; i++) {
        literal = edge_hash(literal, path->hash[i]);
        map_prefetch(&trie->edges, literal);
    }
    const struct filter_trie_node *plus = trie->root->plus;
    for (size_t i = 1; plus && i < end; plus = plus->plus, i++)
        map_prefetch(&trie->edges, edge_hash(plus->hash, path->hash[i]));
}

/* Make the child for a level of the path, which is not there yet. */
static struct filter_trie_node *child_add(struct filter_trie *trie, struct filter_trie_node *parent,
                                          const struct path *path, size_t at)
{
    uint64_t hash = edge_hash(parent->hash, path->hash[at]);
    struct filter_trie_node *node = node_new(trie, parent, path->text[at], hash);

    if (!node)
        return NULL;
    if (is_plus(path->text[at])) {
        parent->plus = node;
    } else if (is_tail(path->text[at])) {
        parent->tail = node;
    } else if (map_insert(&trie->edges, hash, node)) {
        node_free(trie, node);
        return NULL;
    }
    node->next = parent->first;
    if (node->next)
        node->next->prev = node;
    parent->first = node;
    return node;
}

/* Free the node and then its parents, as far up as nothing needs them. */
static void prune(struct filter_trie *trie, struct filter_trie_node *node)
{
    while (node != trie->root && !node->first && node->value == FILTER_TRIE_NONE) {
        struct filter_trie_node *parent = node->parent;
        struct edge_key key = { parent, { node->text, node->len } };

        if (parent->plus == node)
            parent->plus = NULL;
        else if (parent->tail == node)
            parent->tail = NULL;
        else
            map_remove(&trie->edges, node->hash, &key);
        if (node->next)
            node->next->prev = node->prev;
        if (node->prev)
            node->prev->next = node->next;
        else
            parent->first = node->next;
        node_free(trie, node);
        node = parent;
    }
}

int filter_trie_init(struct filter_trie *trie, uint64_t seed)
{
    *trie = (struct filter_trie){ .seed = seed };
    map_init(&trie->edges, edge_equal);
    trie->root = node_new(trie, NULL, STR(""), hash_mix(seed));
    return trie->root ? ERR_OK : ERR_NOMEM;
}

void filter_trie_finish(struct filter_trie *trie)
{
    struct filter_trie_node *node = trie->root;

    while (node) {
        struct filter_trie_node *child = node->first, *parent = node->parent;
        if (child) {
            node->first = child->next;
            node = child;
            continue;
        }
        node_free(trie, node);
        node = parent;
    }
    map_finish(&trie->edges);
    trie->root = NULL;
}

static struct filter_trie_node *find_node(const struct filter_trie *trie, struct str filter)
{
    struct filter_trie_node *node = trie->root;
    struct path path;

    path_parse(trie, filter, &path);
    for (size_t i = 0; node && i < path.len; i++)
        node = child_of(trie, node, &path, i);
    return node;
}

int filter_trie_put(struct filter_trie *trie, struct str filter, uint32_t value)
{
    struct filter_trie_node *node = trie->root;
    struct path path;

    assert(value != FILTER_TRIE_NONE);
    path_parse(trie, filter, &path);
    for (size_t i = 0; i < path.len; i++) {
        struct filter_trie_node *child = child_of(trie, node, &path, i);
        if (!child)
            child = child_add(trie, node, &path, i);
        if (!child) {
            prune(trie, node);
            return ERR_NOMEM;
        }
        node = child;
    }
    node->value = value;
    return ERR_OK;
}

uint32_t filter_trie_find(const struct filter_trie *trie, struct str filter)
{
    struct filter_trie_node *node = find_node(trie, filter);

    return node ? node->value : FILTER_TRIE_NONE;
}

bool filter_trie_remove(struct filter_trie *trie, struct str filter)
{
    struct filter_trie_node *node = find_node(trie, filter);

    if (!node || node->value == FILTER_TRIE_NONE)
        return false;
    node->value = FILTER_TRIE_NONE;
    prune(trie, node);
    return true;
}

static int collect(const struct filter_trie_node *node, struct filter_ids *ids)
{
    if (!node || node->value == FILTER_TRIE_NONE)
        return ERR_OK;
    uint32_t *slot = vec_push(ids);
    if (!slot)
        return ERR_NOMEM;
    *slot = node->value;
    return ERR_OK;
}

/* The child + when it covers this level of the path. */
static struct filter_trie_node *plus_for(const struct filter_trie_node *parent,
                                         const struct path *path, size_t at)
{
    if (at == 0 && is_dollar(path->text[0])) /* [MQTT-4.7.2-1] */
        return NULL;
    return parent->plus;
}

/* What ends at this node and covers the path, of which it has used up the first depth
 * levels: the filter itself at the end, and prefix/# anywhere. */
static int collect_covering(const struct filter_trie_node *node, const struct path *path,
                            size_t depth, struct filter_ids *ids)
{
    int err = ERR_OK;

    if (depth == path->len)
        err = collect(node, ids);
    if (!err && !(depth == 0 && is_dollar(path->text[0]))) /* [MQTT-4.7.2-1] */
        err = collect(node->tail, ids);
    return err;
}

int filter_trie_covering(const struct filter_trie *trie, struct str filter, struct filter_ids *ids)
{
    const struct filter_trie_node *node = trie->root;
    size_t depth = 0;
    struct path path;

    path_parse(trie, filter, &path);
    prefetch_path(trie, &path);
    while (node) {
        const struct filter_trie_node *down = NULL;
        int err = collect_covering(node, &path, depth, ids);
        if (err)
            return err;
        /* Down by the literal level first; a # in the path is covered by # alone. */
        if (depth < path.len && !is_tail(path.text[depth])) {
            if (!is_plus(path.text[depth]))
                down = child_literal(trie, node, &path, depth);
            if (!down)
                down = plus_for(node, &path, depth);
        }
        /* Else up, until a level was taken literally that + covers as well. */
        while (!down && depth > 0) {
            const struct filter_trie_node *parent = node->parent;
            depth--;
            if (node != parent->plus)
                down = plus_for(parent, &path, depth);
            node = parent;
        }
        node = down;
        depth++;
    }
    return ERR_OK;
}
