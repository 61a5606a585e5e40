/* SPDX-License-Identifier: Apache-2.0 */
/* Which passwords were verified lately, so that a thousand clients that come back at once
 * need not cost a thousand times some milliseconds. It holds neither passwords nor hashes
 * of them that could be tried out elsewhere: an entry is an HMAC of user's secret and
 * password under a random key that only this process has, and never writes down. Whose
 * record changes is not found any more. */
#pragma once

#include "auth/scram.h"

#include <stdbool.h>
#include <stdint.h>

struct password_cache;

enum { PASSWORD_CACHE_KEY_LEN = 32 };

/* An empty cache of at most max entries, 0 for one that holds none; the oldest makes room.
 * key: random. NULL when out of memory. */
struct password_cache *password_cache_new(uint32_t max, const uint8_t key[PASSWORD_CACHE_KEY_LEN]);

/* Free it. Accepts NULL. */
void password_cache_free(struct password_cache *cache);

/* Was it verified, and is it remembered? */
bool password_cache_has(const struct password_cache *cache, const struct scram_secret *secret,
                        struct str password);

/* Remember that the password fits the secret. Without memory nothing is remembered. */
void password_cache_add(struct password_cache *cache, const struct scram_secret *secret,
                        struct str password);

/* Forget all. */
void password_cache_clear(struct password_cache *cache);
