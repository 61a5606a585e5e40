/* SPDX-License-Identifier: Apache-2.0 */
/* A store makes the core's durable operations survive, in their order, and says how far
 * it has come. Acknowledgements that promise something wait for that word.
 *
 * Kinds share one table of functions; the caller does not know which it has. */
#pragma once

#include "core/durable.h"

#include <stddef.h>
#include <stdint.h>

struct store;

/* Told whenever everything up to token is durable; on the thread that owns the loop. May
 * come from inside store_submit. */
typedef void (*store_durable_fn)(void *context, uint64_t token);

/* What a kind of store implements. */
struct store_kind {
    const char *name;
    void (*submit)(struct store *store, const struct durable_op *ops, size_t count);
    void (*free)(struct store *store);
};

/* The start of every store. */
struct store {
    const struct store_kind *kind;
    store_durable_fn on_durable;
    void *context;
};

/* A store without memory, or NULL when out of it: nothing survives the process, and
 * everything is durable as soon as it is said. */
struct store *store_mem_new(store_durable_fn on_durable, void *context);

/* Hand over operations. They and what they point to are borrowed for the call. */
static inline void store_submit(struct store *store, const struct durable_op *ops, size_t count)
{
    if (count)
        store->kind->submit(store, ops, count);
}

/* Stop and free. Accepts NULL. */
static inline void store_free(struct store *store)
{
    if (store)
        store->kind->free(store);
}
