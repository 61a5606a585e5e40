/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* Little endian on every machine, so that a hash can travel between them. */
static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint64_t load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

/* The same of fewer than eight bytes: loads that overlap, so that none runs over the end. */
static uint64_t load_short(const uint8_t *p, size_t len)
{
    if (len >= 4)
        return load32(p) | load32(p + len - 4) << (8 * (len - 4));
    if (len == 0)
        return 0;
    return (uint64_t)p[0] | (uint64_t)p[len / 2] << (8 * (len / 2)) |
           (uint64_t)p[len - 1] << (8 * (len - 1));
}

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t hash_sip(struct hash_key key, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t v[4] = { key.a ^ 0x736f6d6570736575u, key.b ^ 0x646f72616e646f6du,
                      key.a ^ 0x6c7967656e657261u, key.b ^ 0x7465646279746573u };
    uint64_t last = (uint64_t)len << 56;
    size_t whole = len & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = load64(p + i);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t i = whole; i < len; i++)
        last |= (uint64_t)p[i] << (8 * (i - whole));
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static const uint64_t FAST_A = 0xa0761d6478bd642fu, FAST_B = 0xe7037ed1a0b428dbu,
                      FAST_C = 0x8ebc6af09c88c6e3u;

uint64_t hash_fast(uint64_t seed, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t state = seed ^ FAST_A, a = 0, b = 0;
    size_t left = len;

    while (left > 16) {
        state = fold(load64(p) ^ FAST_B, load64(p + 8) ^ state);
        p += 16;
        left -= 16;
    }
    if (left > 8) {
        a = load64(p);
        b = load64(p + left - 8) >> (8 * (16 - left));
    } else {
        a = left == 8 ? load64(p) : load_short(p, left);
    }
    return fold(FAST_C ^ len, fold(a ^ FAST_B, b ^ state));
}

uint64_t hash_mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}
