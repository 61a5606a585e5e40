/* SPDX-License-Identifier: Apache-2.0 */
/* A set of queue positions, kept as spans: a queue is worked off in order, so a million done
 * entries are one span. */
#pragma once

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct span {
    uint64_t from, end; /* [from, end) */
};

struct spans {
    VEC(struct span);
};

/* Add a position. ERR_OK or ERR_NOMEM. */
int spans_add(struct spans *spans, uint64_t seq);

/* Is it in the set? */
bool spans_has(const struct spans *spans, uint64_t seq);

/* The first position from seq on that is not in the set. */
uint64_t spans_skip(const struct spans *spans, uint64_t seq);

/* Free the memory. Accepts a zeroed set. */
void spans_finish(struct spans *spans);
