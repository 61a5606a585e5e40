/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one subscriber has seen of one publisher's numbers 0, 1, 2 … A number that comes
 * early leaves a gap; one that fills a gap came in disorder; one that fills none was
 * there before. So loss, duplication and disorder are told apart exactly. */
struct flow_gap {
    uint64_t from, to; /* missing: from ≤ number < to */
};

struct flow {
    uint64_t next; /* one behind the highest seen */
    struct flow_gap *gaps;
    size_t gap_count, gap_cap;
    uint64_t duplicated, disordered;
};

/* A number that is not the next one; use flow_see(). */
bool flow_see_odd(struct flow *flow, uint64_t number);

/* A number arrived. Returns whether it is new, that is, no duplicate. */
static inline bool flow_see(struct flow *flow, uint64_t number)
{
    if (number != flow->next)
        return flow_see_odd(flow, number);
    flow->next++;
    return true;
}

/* How many of the first sent numbers never came. */
uint64_t flow_lost(const struct flow *flow, uint64_t sent);

/* Free what it holds. */
void flow_finish(struct flow *flow);
