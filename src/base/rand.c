/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include "base/hash.h"

void rand_init(struct rand *rand, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        rand->s[i] = hash_mix(seed);
    }
}

uint64_t rand_next(struct rand *rand)
{
    uint64_t *s = rand->s;
    uint64_t scrambled = s[1] * 5;
    uint64_t result = (scrambled << 7 | scrambled >> 57) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

uint64_t rand_below(struct rand *rand, uint64_t below)
{
    return below ? rand_next(rand) % below : 0;
}
