/* SPDX-License-Identifier: Apache-2.0 */
/* A load reads a stretch of a session's queue back. */
#pragma once

#include "store/store.h"
#include "store/walk.h"
#include "store/work.h"

struct load {
    struct work work;
    uint64_t session, from, end;
    size_t entries_max, bytes_max;
    struct {
        VEC(struct durable_entry);
    } entries;
    struct {
        VEC(uint32_t);
    } sub_ids; /* of all entries */
    uint64_t bytes; /* of the messages */
    uint64_t damaged;
};

/* A load to be done, or NULL when out of memory. */
struct load *load_new(uint64_t session, uint64_t from, size_t entries_max, size_t bytes_max);

/* Free it and the messages that it still has. Accepts NULL. */
void load_free(struct load *load);

/* Do it. ERR_OK, ERR_NOMEM or ERR_IO. What is not readable is skipped and counted. */
int load_run(struct load *load, const struct layers *layers);
