/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Put a gap at index at. */
static void gap_insert(struct flow *flow, size_t at, uint64_t from, uint64_t to)
{
    if (flow->gap_count == flow->gap_cap) {
        flow->gap_cap = flow->gap_cap ? flow->gap_cap * 2 : 8;
        flow->gaps = realloc(flow->gaps, flow->gap_cap * sizeof *flow->gaps);
        assert(flow->gaps);
    }
    memmove(flow->gaps + at + 1, flow->gaps + at, (flow->gap_count - at) * sizeof *flow->gaps);
    flow->gaps[at] = (struct flow_gap){ from, to };
    flow->gap_count++;
}

/* Take number out of gap i, which splits, shrinks or goes. */
static void gap_fill(struct flow *flow, size_t i, uint64_t number)
{
    struct flow_gap *gap = &flow->gaps[i];

    if (gap->to - gap->from == 1) {
        flow->gap_count--;
        memmove(gap, gap + 1, (flow->gap_count - i) * sizeof *gap);
    } else if (number == gap->from) {
        gap->from++;
    } else if (number == gap->to - 1) {
        gap->to--;
    } else {
        uint64_t to = gap->to;
        gap->to = number;
        gap_insert(flow, i + 1, number + 1, to);
    }
}

bool flow_see_odd(struct flow *flow, uint64_t number)
{
    if (number > flow->next) {
        gap_insert(flow, flow->gap_count, flow->next, number);
        flow->next = number + 1;
        return true;
    }
    for (size_t i = flow->gap_count; i-- > 0;) {
        if (number >= flow->gaps[i].from && number < flow->gaps[i].to) {
            gap_fill(flow, i, number);
            flow->disordered++;
            return true;
        }
    }
    flow->duplicated++;
    return false;
}

uint64_t flow_lost(const struct flow *flow, uint64_t sent)
{
    uint64_t lost = sent > flow->next ? sent - flow->next : 0;

    for (size_t i = 0; i < flow->gap_count; i++)
        lost += flow->gaps[i].to - flow->gaps[i].from;
    return lost;
}

void flow_finish(struct flow *flow)
{
    free(flow->gaps);
    *flow = (struct flow){ 0 };
}
