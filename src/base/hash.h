/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes. All are functions of their arguments alone, the same on every machine. */
#pragma once

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t a, b;
};

/* SipHash-2-4: a keyed hash that strangers cannot collide without the key.
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
uint64_t hash_sip(struct hash_key key, const void *bytes, size_t len);

/* A fast seeded 64-bit hash for the hot path (wide multiply and fold, in the manner of
 * wyhash); keep the seed secret where strangers choose the bytes. */
uint64_t hash_fast(uint64_t seed, const void *bytes, size_t len);

/* Mix a number: every input bit reaches every output bit (the finaliser of
 * SplitMix64, Steele, Lea and Flood 2014). */
uint64_t hash_mix(uint64_t value);
