/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Latencies in nanoseconds, kept to three per cent: 32 steps to each doubling. */
enum { HIST_STEP_BITS = 5, HIST_SLOTS = 64 << HIST_STEP_BITS };

struct hist {
    uint64_t count, max;
    uint64_t slots[HIST_SLOTS];
};

static inline unsigned hist_slot(uint64_t value)
{
    if (value < 1u << HIST_STEP_BITS)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HIST_STEP_BITS;
    return (shift << HIST_STEP_BITS) + (unsigned)(value >> shift);
}

static inline void hist_add(struct hist *hist, uint64_t value)
{
    hist->slots[hist_slot(value)]++;
    hist->count++;
    if (value > hist->max)
        hist->max = value;
}

/* The lower edge of a slot. */
static inline uint64_t hist_value(unsigned slot)
{
    if (slot < 2u << HIST_STEP_BITS)
        return slot;
    unsigned shift = (slot >> HIST_STEP_BITS) - 1;
    return (uint64_t)(slot - (shift << HIST_STEP_BITS)) << shift;
}

/* The value that share (0 to 1) of all do not exceed; 0 when there are none. */
static inline uint64_t hist_percentile(const struct hist *hist, double share)
{
    uint64_t seen = 0, want = (uint64_t)((double)hist->count * share);

    for (unsigned i = 0; i < HIST_SLOTS && hist->count; i++) {
        seen += hist->slots[i];
        if (seen > want)
            return hist_value(i);
    }
    return hist->max;
}
