/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/rand.h"

#include <stdint.h>

static bool same_number(const void *entry, const void *key)
{
    return *(const uint32_t *)entry == *(const uint32_t *)key;
}

START_TEST(an_empty_map_finds_and_removes_nothing)
{
    struct map map;
    uint32_t key = 7;

    map_init(&map, same_number);
    ck_assert_ptr_null(map_find(&map, 1, &key));
    ck_assert_ptr_null(map_remove(&map, 1, &key));
    map_finish(&map);
}
END_TEST

/* Few distinct hashes make long runs, where a wrong backward shift loses entries. */
START_TEST(random_inserts_and_removes_agree_with_an_array_under_colliding_hashes)
{
    enum { KEYS = 300, STEPS = 20000 };
    static uint32_t keys[KEYS];
    bool there[KEYS] = { false };
    struct map map;
    struct rand rand;

    map_init(&map, same_number);
    rand_init(&rand, 42);
    for (int step = 0; step < STEPS; step++) {
        uint32_t k = (uint32_t)rand_below(&rand, KEYS);
        uint64_t hash = hash_mix(k % 37);
        keys[k] = k;
        if (!there[k])
            ck_assert_int_eq(map_insert(&map, hash, &keys[k]), ERR_OK);
        else
            ck_assert_ptr_eq(map_remove(&map, hash, &k), &keys[k]);
        there[k] = !there[k];
        uint32_t other = (uint32_t)rand_below(&rand, KEYS);
        void *found = map_find(&map, hash_mix(other % 37), &other);
        ck_assert_ptr_eq(found, there[other] ? &keys[other] : NULL);
    }
    size_t count = 0, expected = 0;
    map_each (&map, uint32_t, entry) {
        ck_assert(there[*entry]);
        count++;
    }
    for (int k = 0; k < KEYS; k++)
        expected += there[k];
    ck_assert_uint_eq(count, expected);
    ck_assert_uint_eq(map.count, expected);
    map_finish(&map);
}
END_TEST

/* Entries move a few at a time, and are found, removed and walked over meanwhile. */
START_TEST(a_large_map_grows_a_few_entries_at_a_time)
{
    enum { KEYS = 60000 };
    static uint32_t keys[KEYS];
    static bool there[KEYS];
    size_t growths = 0, moving = 0, count = 0, seen = 0;
    struct map map;
    struct rand rand;

    map_init(&map, same_number);
    rand_init(&rand, 8);
    for (uint32_t k = 0; k < KEYS; k++) {
        size_t cap = map.cap;
        keys[k] = k;
        ck_assert_int_eq(map_insert(&map, hash_mix(k / 3), &keys[k]), ERR_OK);
        there[k] = true;
        growths += cap >= 1 << 14 && map.cap > cap;
        moving += map.move != NULL;
        uint32_t other = (uint32_t)rand_below(&rand, k + 1);
        if (k % 4 == 0) {
            void *gone = map_remove(&map, hash_mix(other / 3), &other);
            ck_assert_ptr_eq(gone, there[other] ? &keys[other] : NULL);
            there[other] = false;
        }
        other = (uint32_t)rand_below(&rand, k + 1);
        void *found = map_find(&map, hash_mix(other / 3), &other);
        ck_assert_ptr_eq(found, there[other] ? &keys[other] : NULL);
        count = seen = 0;
        if (k % 5000 == 0 && map.move) {
            map_each (&map, uint32_t, entry)
                seen += there[*entry];
            ck_assert_uint_eq(seen, map.count);
        }
    }
    ck_assert_uint_ge(growths, 2);
    ck_assert_uint_ge(moving, growths * (1 << 14) / 64);
    for (uint32_t k = 0; k < KEYS; k++)
        count += there[k];
    ck_assert_uint_eq(map.count, count);
    map_finish(&map);
}
END_TEST

/* The reference vector of the SipHash paper, appendix A. */
START_TEST(siphash_gives_the_vector_of_its_paper)
{
    uint8_t bytes[15];

    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    struct hash_key key = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    ck_assert_uint_eq(hash_sip(key, bytes, sizeof bytes), 0xa129ca6149be45e5u);
}
END_TEST

/* It travels between brokers: every length keeps its value. */
START_TEST(the_fast_hash_stays_what_it_is)
{
    uint8_t bytes[64];
    uint64_t all = 0;

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 1);
    for (size_t len = 0; len <= sizeof bytes; len++)
        all = hash_mix(all ^ hash_fast(len, bytes, len));
    ck_assert_uint_eq(all, 0xfc8b6285eeffd347u);
}
END_TEST

UNIT_MAIN("base/map", an_empty_map_finds_and_removes_nothing,
          random_inserts_and_removes_agree_with_an_array_under_colliding_hashes,
          a_large_map_grows_a_few_entries_at_a_time, siphash_gives_the_vector_of_its_paper, the_fast_hash_stays_what_it_is)
