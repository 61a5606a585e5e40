/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/password_cache.h"

static const uint8_t key[PASSWORD_CACHE_KEY_LEN] = "any key of this process's own";

static struct scram_secret secret_of(uint8_t number)
{
    return (struct scram_secret){ .salt_len = 1, .iterations = 4096, .stored_key = { number } };
}

START_TEST(it_has_what_was_added_for_that_very_secret)
{
    struct password_cache *cache = password_cache_new(4, key);
    struct scram_secret one = secret_of(1), two = secret_of(2);

    password_cache_add(cache, &one, STR("p"));
    password_cache_add(cache, &one, STR("p"));
    ck_assert(password_cache_has(cache, &one, STR("p")));
    ck_assert(!password_cache_has(cache, &one, STR("q")));
    ck_assert(!password_cache_has(cache, &one, (struct str){ NULL, 0 }));
    ck_assert(!password_cache_has(cache, &two, STR("p"))); /* the user's record changed */
    password_cache_clear(cache);
    ck_assert(!password_cache_has(cache, &one, STR("p")));
    password_cache_add(cache, &one, STR("p"));
    ck_assert(password_cache_has(cache, &one, STR("p")));
    password_cache_free(cache);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
    struct password_cache *cache = password_cache_new(4, key);
    struct scram_secret secrets[100];

    for (uint8_t i = 0; i < 100; i++) {
        secrets[i] = secret_of(i);
        password_cache_add(cache, &secrets[i], STR("p"));
        for (uint8_t j = 0; j <= i; j++)
            ck_assert_int_eq(password_cache_has(cache, &secrets[j], STR("p")), j + 4 > i);
    }
    password_cache_free(cache);
}
END_TEST

START_TEST(one_without_room_holds_nothing)
{
    struct password_cache *cache = password_cache_new(0, key);
    struct scram_secret one = secret_of(1);

    password_cache_add(cache, &one, STR("p"));
    ck_assert(!password_cache_has(cache, &one, STR("p")));
    password_cache_clear(cache);
    password_cache_free(cache);
}
END_TEST

UNIT_MAIN("auth/password_cache", it_has_what_was_added_for_that_very_secret, the_oldest_makes_room,
          one_without_room_holds_nothing)
