/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/password_cache.h"

#include "base/err.h"
#include "base/map.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_LEN = 32 };

struct mark {
    uint8_t bytes[MARK_LEN];
};

struct password_cache {
    uint8_t key[PASSWORD_CACHE_KEY_LEN];
    struct map by_mark;
    uint32_t max, next; /* the place that is written next: a ring, oldest first */
    struct mark marks[];
};

static bool is_mark(const void *entry, const void *key)
{
    return memcmp(entry, key, MARK_LEN) == 0;
}

/* A mark is a hash already, and nobody can choose it. */
static uint64_t hash_of(const struct mark *mark)
{
    uint64_t hash;

    memcpy(&hash, mark->bytes, sizeof hash);
    return hash;
}

static bool mark_make(const struct password_cache *cache, const struct scram_secret *secret,
                      struct str password, struct mark *ret_mark)
{
    uint8_t inner[MARK_LEN];
    bool well =
        HMAC(EVP_sha256(), cache->key, sizeof cache->key,
             (const uint8_t *)(password.len ? password.ptr : ""), password.len, inner, NULL) &&
        HMAC(EVP_sha256(), inner, sizeof inner, secret->stored_key, SCRAM_KEY_LEN, ret_mark->bytes,
             NULL);

    OPENSSL_cleanse(inner, sizeof inner);
    return well;
}

struct password_cache *password_cache_new(uint32_t max, const uint8_t key[PASSWORD_CACHE_KEY_LEN])
{
    struct password_cache *cache = calloc(1, sizeof *cache + max * sizeof *cache->marks);

    if (!cache)
        return NULL;
    memcpy(cache->key, key, sizeof cache->key);
    cache->max = max;
    map_init(&cache->by_mark, is_mark);
    return cache;
}

void password_cache_free(struct password_cache *cache)
{
    if (!cache)
        return;
    map_finish(&cache->by_mark);
    OPENSSL_cleanse(cache->key, sizeof cache->key);
    free(cache);
}

bool password_cache_has(const struct password_cache *cache, const struct scram_secret *secret,
                        struct str password)
{
    struct mark mark;

    return mark_make(cache, secret, password, &mark) &&
           map_find(&cache->by_mark, hash_of(&mark), &mark) != NULL;
}

void password_cache_add(struct password_cache *cache, const struct scram_secret *secret,
                        struct str password)
{
    struct mark mark;

    if (cache->max == 0 || !mark_make(cache, secret, password, &mark) ||
        map_find(&cache->by_mark, hash_of(&mark), &mark))
        return;
    struct mark *place = &cache->marks[cache->next];
    map_remove(&cache->by_mark, hash_of(place), place);
    *place = mark;
    if (map_insert(&cache->by_mark, hash_of(place), place) == ERR_OK)
        cache->next = (cache->next + 1) % cache->max;
}

void password_cache_clear(struct password_cache *cache)
{
    map_finish(&cache->by_mark);
    map_init(&cache->by_mark, is_mark);
    cache->next = 0;
    memset(cache->marks, 0, cache->max * sizeof *cache->marks);
}
