/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/hash.h"
#include "base/rand.h"
#include "topic/match_cache.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

static bool find(const struct match_cache *cache, struct str topic)
{
    struct match_result result;

    return match_cache_find(cache, topic, hash_fast(9, topic.ptr, topic.len), &result);
}

static void put(struct match_cache *cache, struct str topic, uint32_t value)
{
    struct match_result result = { NULL, 1, &value };

    match_cache_put(cache, topic, hash_fast(9, topic.ptr, topic.len), &result, sizeof value);
}

START_TEST(a_change_forgets_what_it_may_match_and_little_else)
{
    static const char *const filters[] = { "#",     "+/b",   "a/#", "a/+",      "a/b/#", "a/b/+",
                                           "a/b/c", "a/+/c", "a/b", "a",        "x/y/z", "$S/#",
                                           "/#",    "a//#",  "+",   "a/b/c/d/#" };
    static const char *const topics[] = { "a",    "a/b", "a/b/c", "a/c",    "x/y/z",
                                          "$S/x", "/",   "a//b",  "a/b/c/d" };
    struct match_cache *cache = match_cache_new(1, 1024, 1 << 20);

    for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        for (size_t t = 0; t < sizeof topics / sizeof *topics; t++)
            put(cache, str_from_c(topics[t]), 1);
        match_cache_touch(cache, str_from_c(filters[f]));
        for (size_t t = 0; t < sizeof topics / sizeof *topics; t++) {
            if (topic_filter_matches(str_from_c(filters[f]), str_from_c(topics[t])))
                ck_assert_msg(!find(cache, str_from_c(topics[t])), "%s %s", filters[f], topics[t]);
        }
        ck_assert(filters[f][0] == '#' || filters[f][0] == '+' || filters[f][0] == 'x' ||
                  find(cache, STR("x/y/z")));
    }
    put(cache, STR("a/b/c"), 1);
    match_cache_touch(cache, STR("a/b/d"));
    match_cache_touch(cache, STR("a/c/#"));
    match_cache_touch(cache, STR("b/#"));
    ck_assert(find(cache, STR("a/b/c")));
    match_cache_free(cache);
}
END_TEST

START_TEST(it_stays_within_its_bounds)
{
    struct match_cache *cache = match_cache_new(1, 512, 4096);
    char text[32];
    uint32_t list[1024] = { 0 };

    for (uint32_t i = 0; i < 20000; i++) {
        size_t len = (size_t)sprintf(text, "topic/%u", i);
        put(cache, (struct str){ text, len }, i);
        put(cache, (struct str){ text, len }, i);
        ck_assert(find(cache, (struct str){ text, len }));
        ck_assert_uint_le(match_cache_bytes(cache), 20000 + 512 * 64 + 4096);
    }
    struct match_result large = { NULL, 1024, list };
    match_cache_put(cache, STR("large"), 1, &large, sizeof *list);
    ck_assert(!match_cache_find(cache, STR("large"), 1, &large));
    match_cache_free(cache);
}
END_TEST

START_TEST(equal_hashes_do_not_confuse_it)
{
    struct match_cache *cache = match_cache_new(1, 512, 4096);
    uint32_t first, second;
    struct match_result a = { &first, 0, NULL }, b = { &second, 0, NULL }, got;

    match_cache_put(cache, STR("a"), 7, &a, 1);
    match_cache_put(cache, STR("b"), 7, &b, 1);
    ck_assert(match_cache_find(cache, STR("a"), 7, &got));
    ck_assert_ptr_eq(got.only, &first);
    ck_assert(match_cache_find(cache, STR("b"), 7, &got));
    ck_assert_ptr_eq(got.only, &second);
    ck_assert(!match_cache_find(cache, STR("c"), 7, &got));
    match_cache_put(cache, STR("c"), 7, &b, 1);
    ck_assert(!match_cache_find(cache, STR("a"), 7, &got));
    match_cache_free(cache);
}
END_TEST

START_TEST(a_topic_pushes_another_out_only_when_it_comes_again)
{
    struct match_cache *cache = match_cache_new(1, 2, 4096);

    put(cache, STR("a"), 1);
    put(cache, STR("b"), 1);
    put(cache, STR("c"), 1);
    ck_assert(find(cache, STR("a")) && find(cache, STR("b")) && !find(cache, STR("c")));
    put(cache, STR("d"), 1);
    put(cache, STR("c"), 1);
    ck_assert(!find(cache, STR("a")) && find(cache, STR("b")) && find(cache, STR("c")));
    match_cache_free(cache);
}
END_TEST

UNIT_MAIN("topic/match_cache", a_change_forgets_what_it_may_match_and_little_else,
          it_stays_within_its_bounds, equal_hashes_do_not_confuse_it,
          a_topic_pushes_another_out_only_when_it_comes_again)
