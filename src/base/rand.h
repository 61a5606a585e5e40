/* SPDX-License-Identifier: Apache-2.0 */
/* A seeded random sequence for jitter, simulation and tests; not for secrets.
 * xoshiro256**, Blackman and Vigna 2018. */
#pragma once

#include <stdint.h>

struct rand {
    uint64_t s[4];
};

/* Start a sequence; the same seed gives the same numbers. */
void rand_init(struct rand *rand, uint64_t seed);

/* The next 64 random bits. */
uint64_t rand_next(struct rand *rand);

/* A number in [0, below); 0 when below is 0. */
uint64_t rand_below(struct rand *rand, uint64_t below);
