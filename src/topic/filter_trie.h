/* SPDX-License-Identifier: Apache-2.0 */
/* A trie of topic filters, one node a level. Its edges stand in one hash table under
 * (parent, level), so a level with a million children costs one probe.
 *
 * Walks need no stack and no recursion. A look-up visits only nodes that exist and whose
 * levels agree so far, so filters that have nothing in common with the topic cost nothing;
 * filters built to branch (a/+ and +/a, level upon level) cost at most the number of their
 * own nodes. Topics have at most TOPIC_LEVELS_MAX levels. */
#pragma once

#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

#include <stddef.h>
#include <stdint.h>

/* No filter ends here. */
#define FILTER_TRIE_NONE UINT32_MAX

/* Numbers of filters, as walks collect them. */
struct filter_ids {
    VEC(uint32_t);
};

/* A level of some filter. */
struct filter_trie_node {
    struct filter_trie_node *parent;
    struct filter_trie_node *first, *next, *prev; /* children and siblings, newest first */
    struct filter_trie_node *plus, *tail;         /* the children + and #, or NULL */
    uint64_t hash;                                /* of the path */
    uint32_t value; /* number of the filter that ends here, or FILTER_TRIE_NONE */
    uint16_t len;
    char text[]; /* the level */
};

struct filter_trie {
    struct filter_trie_node *root;
    struct map edges;
    uint64_t seed;
    size_t bytes; /* of nodes */
};

/* An empty trie. seed: secret, for its hashes. ERR_OK or ERR_NOMEM; either way
 * filter_trie_finish may follow. */
int filter_trie_init(struct filter_trie *trie, uint64_t seed);

/* Free all nodes. Accepts a zeroed trie. */
void filter_trie_finish(struct filter_trie *trie);

/* Put a valid filter in, or change its number if it is there. ERR_OK, or ERR_NOMEM
 * (nothing changed). */
int filter_trie_put(struct filter_trie *trie, struct str filter, uint32_t value);

/* The filter's number, or FILTER_TRIE_NONE. */
uint32_t filter_trie_find(const struct filter_trie *trie, struct str filter);

/* Take a filter out, and the nodes that only it needed. False when it is not there. */
bool filter_trie_remove(struct filter_trie *trie, struct str filter);

/* Append the numbers of all filters that cover this one, itself included, as
 * topic_filter_covers says; for a topic name these are the filters that match it. A
 * leading wildcard never covers what begins with $. [MQTT-4.7.2-1] ERR_OK or ERR_NOMEM. */
int filter_trie_covering(const struct filter_trie *trie, struct str filter, struct filter_ids *ids);
