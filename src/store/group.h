/* SPDX-License-Identifier: Apache-2.0 */
/* A group is the operations that become durable together. It gathers on the node thread,
 * which may undo what is in it; then it belongs to the store thread, which only reads it;
 * then it comes back to have its operations finished. */
#pragma once

#include "base/vec.h"
#include "core/durable.h"
#include "store/work.h"

#include <stdbool.h>
#include <stddef.h>

/* The kind of an operation that was undone: nothing is left of it but its token. */
enum { GROUP_UNDONE = 0xff };

struct group {
    struct work work;
    struct {
        VEC(struct durable_op);
    } ops; /* tokens count up by one, so an operation is found by its token */
    uint64_t first_token;
    size_t live;    /* operations that are not undone */
    size_t waiting; /* of these, the ones that are not lazy */
    uint64_t bytes; /* about what it will take in the journal */
    uint64_t since_ms;
};

/* An empty group, or NULL when out of memory. */
struct group *group_new(uint64_t first_token, uint64_t now_ms);

/* Finish its operations and free it. Accepts NULL. */
void group_free(struct group *group);

/* Take the operation over, whose token must be the next. Where it undoes one that is here,
 * both are finished at once. ERR_OK or ERR_NOMEM (nothing was taken). */
int group_add(struct group *group, const struct durable_op *op);

/* The token of its last operation. */
uint64_t group_last_token(const struct group *group);
