/* SPDX-License-Identifier: Apache-2.0 */
#include "core/load.h"

#include <assert.h>

/* e to the power of -x, for x that is not negative: (e^(-x/1024))^1024. */
static double decay(double x)
{
    enum { HALVINGS = 10, PARTS = 1 << HALVINGS, NOTHING_LEFT = 40 };

    if (x > NOTHING_LEFT)
        return 0;
    double small = x / PARTS, power = 1 - small + small * small / 2;
    for (int i = 0; i < HALVINGS; i++)
        power *= power;
    return power;
}

void load_update(struct load *load, uint64_t count, uint64_t elapsed_ms)
{
    static const double window_ms[LOAD_WINDOWS] = { 60e3, 300e3, 900e3 };

    assert(elapsed_ms > 0 && count >= load->count);
    double rate = (double)(count - load->count) * 60e3 / (double)elapsed_ms;
    for (int i = 0; i < LOAD_WINDOWS; i++) {
        double kept = decay((double)elapsed_ms / window_ms[i]);
        load->per_minute[i] = load->per_minute[i] * kept + rate * (1 - kept);
    }
    load->count = count;
}
