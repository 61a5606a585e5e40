/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdlib.h>

static void mem_submit(struct store *store, const struct durable_op *ops, size_t count)
{
    store->on_durable(store->context, ops[count - 1].token);
}

static void mem_free(struct store *store)
{
    free(store);
}

struct store *store_mem_new(store_durable_fn on_durable, void *context)
{
    static const struct store_kind kind = { "memory", mem_submit, mem_free };
    struct store *store = malloc(sizeof *store);

    if (store)
        *store = (struct store){ &kind, on_durable, context };
    return store;
}
