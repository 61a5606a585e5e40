/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that nobody wants any more and that may come back: each leaves at its time. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct linger {
    struct list order; /* by when they leave: time passes for all alike */
    struct map by_text;
    uint64_t seed;
};

/* Nothing lingers. seed: secret, for hashes. */
void linger_init(struct linger *linger, uint64_t seed);

/* Free it all. */
void linger_finish(struct linger *linger);

/* The filter leaves at leave_ms, which is not before that of any other, unless it lingers
 * already. ERR_OK or ERR_NOMEM. */
int linger_add(struct linger *linger, struct str filter, uint64_t leave_ms);

/* The filter is wanted again, or has left: forget it if it lingers. */
void linger_remove(struct linger *linger, struct str filter);

/* The first one to leave, borrowed, and when; false when nothing lingers. */
bool linger_first(const struct linger *linger, struct str *ret_filter, uint64_t *ret_leave_ms);
