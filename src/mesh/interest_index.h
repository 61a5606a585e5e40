/* SPDX-License-Identifier: Apache-2.0 */
/* The interest index: which brokers want a topic. It holds the interest sets of all other
 * brokers merged into one; a topic is matched once, where it enters the mesh, and brokers
 * on the way never match again. Results are cached per topic. MESH.md 3.5. */
#pragma once

#include "base/str.h"
#include "mesh/iset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interest_index;

/* A broker that wants a topic. */
struct interest_node {
    uint32_t node;   /* the number it was put under */
    uint8_t qos;     /* the highest of its matching filters */
    bool persistent; /* any of them */
};

/* An empty index, or NULL when out of memory. seed: secret, for its hashes. */
struct interest_index *interest_index_new(uint64_t seed);

/* Free it all. Accepts NULL. */
void interest_index_free(struct interest_index *index);

/* Add or replace a broker's entry. node: any number, best dense. Text is copied. ERR_OK,
 * or ERR_NOMEM (nothing changed). */
int interest_index_put(struct interest_index *index, uint32_t node,
                       const struct interest *interest);

/* Take a broker's entry out; false when there was none. */
bool interest_index_remove(struct interest_index *index, uint32_t node, struct str filter);

/* The brokers that want a valid topic name, each once, in order of number. hash: any good
 * 64-bit hash of the topic, always the same one. Borrowed until the next call that takes a
 * non-const index. When nobody wants it *ret_count is 0; when out of memory the result is
 * NULL and *ret_count SIZE_MAX. */
const struct interest_node *interest_index_match(struct interest_index *index, struct str topic,
                                                 uint64_t hash, size_t *ret_count);

/* Does nobody want anything? */
bool interest_index_empty(const struct interest_index *index);

/* (broker, filter) pairs, distinct filters, and bytes of memory held. */
struct interest_index_stats {
    size_t pairs;
    size_t filters;
    size_t bytes;
};
struct interest_index_stats interest_index_stats(const struct interest_index *index);
