/* SPDX-License-Identifier: Apache-2.0 */
/* How much a counter grows in a minute, as averages that forget exponentially: over about
 * one, five and fifteen minutes, like the load of a system. */
#pragma once

#include <stdint.h>

enum load_window { LOAD_1_MIN, LOAD_5_MIN, LOAD_15_MIN, LOAD_WINDOWS };

/* Zeroed: nothing has happened yet. */
struct load {
    uint64_t count; /* of the counter, when it was looked at last */
    double per_minute[LOAD_WINDOWS];
};

/* The counter stands at count, elapsed_ms after it was looked at last; not 0. */
void load_update(struct load *load, uint64_t count, uint64_t elapsed_ms);
