/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that nobody wants any more and that may come back: each leaves at its time. A crowd
 * of clients that goes at once may leave a million of them, so they stand packed: in a queue
 * in order of time, and in a set that says how often each stands in the queue. Only the last
 * time counts. */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "topic/filter_set.h"

#include <stdbool.h>
#include <stdint.h>

struct linger {
    struct list pages; /* of the queue */
    struct filter_set set;
};

/* Nothing lingers. */
void linger_init(struct linger *linger);

/* Free it all. */
void linger_finish(struct linger *linger);

/* The filter leaves at leave_ms, which is not before that of any other, unless it lingers
 * already. ERR_OK or ERR_NOMEM. */
int linger_add(struct linger *linger, struct str filter, uint64_t leave_ms);

/* The filter is wanted again: forget that it lingers, if it does. */
void linger_remove(struct linger *linger, struct str filter);

/* When the first entry of the queue is due; UINT64_MAX: there is none. */
uint64_t linger_due_ms(const struct linger *linger);

/* Take the first entry out: a filter, borrowed until linger is used again, and whether it
 * leaves now; else it came back meanwhile. Not when there is none. */
bool linger_pop(struct linger *linger, struct str *ret_filter);
