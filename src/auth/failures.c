/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/failures.h"

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { DOUBLINGS_MAX = 31 };

/* What no IPv6 network of the internet begins with. */
#define ACCOUNT_IPV4 (UINT64_C(0xFFFF) << 32)
#define ACCOUNT_ZERO 1 /* the network ::/64, where ::1 is */

struct record {
    struct list node; /* in order of the last failure */
    uint64_t account;
    uint64_t last_ms;
    uint64_t busy_until_ms; /* the waits so far, one behind the other, PARALLEL times as fast */
    uint32_t count;
};

struct failures {
    struct failures_config config;
    struct hash_key key;
    struct map by_account;
    struct list records; /* the one that failed longest ago first */
};

static bool has_account(const void *entry, const void *key)
{
    return ((const struct record *)entry)->account == *(const uint64_t *)key;
}

static uint64_t hash_of(const struct failures *failures, uint64_t account)
{
    return hash_sip(failures->key, &account, sizeof account);
}

static void drop(struct failures *failures, struct record *record)
{
    map_remove(&failures->by_account, hash_of(failures, record->account), &record->account);
    list_remove(&record->node);
    free(record);
}

/* Make room: those go whose time is over, and those that are too many. */
static void tidy(struct failures *failures, uint32_t max, uint64_t now_ms)
{
    while (!list_empty(&failures->records)) {
        struct record *record = list_entry(failures->records.next, struct record, node);
        if (failures->by_account.count <= max &&
            now_ms - record->last_ms < failures->config.forget_ms)
            return;
        drop(failures, record);
    }
}

struct failures *failures_new(const struct failures_config *config, struct hash_key key)
{
    struct failures *failures = calloc(1, sizeof *failures);

    if (!failures)
        return NULL;
    failures->config = *config;
    failures->key = key;
    map_init(&failures->by_account, has_account);
    list_init(&failures->records);
    return failures;
}

void failures_free(struct failures *failures)
{
    struct list *node;

    if (!failures)
        return;
    while ((node = list_pop_front(&failures->records)))
        free(list_entry(node, struct record, node));
    map_finish(&failures->by_account);
    free(failures);
}

void failures_configure(struct failures *failures, const struct failures_config *config)
{
    failures->config = *config;
}

uint64_t failures_account(struct str peer)
{
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t address[16];
    uint64_t account = 0;
    bool bracket = peer.len > 0 && peer.ptr[0] == '[';
    bool six = bracket || str_find(peer, ':', str_find(peer, ':', 0) + 1) < peer.len;
    struct str host = bracket ? str_slice(peer, 1, str_find(peer, ']', 1))
                      : six   ? peer
                              : str_slice(peer, 0, str_find(peer, ':', 0));

    host = str_slice(host, 0, str_find(host, '%', 0)); /* a zone is no part of the address */
    if (host.len >= sizeof text)
        return 0;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (!six && inet_pton(AF_INET, text, address) == 1) {
        for (int i = 0; i < 4; i++)
            account = account << 8 | address[i];
        return ACCOUNT_IPV4 | account;
    }
    if (!six || inet_pton(AF_INET6, text, address) != 1)
        return 0;
    static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
    bool is_mapped = memcmp(address, mapped, sizeof mapped) == 0;
    for (int i = is_mapped ? 12 : 0; i < (is_mapped ? 16 : 8); i++)
        account = account << 8 | address[i];
    return is_mapped ? ACCOUNT_IPV4 | account : account ? account : ACCOUNT_ZERO;
}

/* How long a refusal waits after so many failures. */
static uint32_t delay_of(const struct failures *failures, uint32_t count)
{
    uint64_t delay_ms = failures->config.delay_ms;

    delay_ms <<= count - 1 < DOUBLINGS_MAX ? count - 1 : DOUBLINGS_MAX;
    return delay_ms < failures->config.delay_max_ms ? (uint32_t)delay_ms
                                                    : failures->config.delay_max_ms;
}

static struct record *find(const struct failures *failures, uint64_t account, uint64_t now_ms)
{
    struct record *record = map_find(&failures->by_account, hash_of(failures, account), &account);

    return record && now_ms - record->last_ms < failures->config.forget_ms ? record : NULL;
}

bool failures_may_try(const struct failures *failures, uint64_t account, uint64_t now_ms)
{
    const struct record *record =
        failures->config.delay_ms && account ? find(failures, account, now_ms) : NULL;

    return !record || record->busy_until_ms <= now_ms ||
           record->busy_until_ms - now_ms < delay_of(failures, record->count);
}

/* A record for an account that has none; NULL when out of memory. */
static struct record *make(struct failures *failures, uint64_t account, uint64_t now_ms)
{
    uint32_t max = failures->config.addresses_max;

    tidy(failures, max ? max - 1 : 0, now_ms);
    struct record *record = calloc(1, sizeof *record);
    if (!record)
        return NULL;
    record->account = account;
    list_init(&record->node);
    if (map_insert(&failures->by_account, hash_of(failures, account), record) == ERR_OK)
        return record;
    free(record);
    return NULL;
}

uint32_t failures_note(struct failures *failures, uint64_t account, uint64_t now_ms)
{
    if (failures->config.delay_ms == 0 || account == 0)
        return 0;
    tidy(failures, failures->config.addresses_max, now_ms);
    struct record *record = find(failures, account, now_ms);
    if (!record && !(record = make(failures, account, now_ms)))
        return failures->config.delay_max_ms;
    record->count += record->count < UINT32_MAX;
    record->last_ms = now_ms;
    list_remove(&record->node);
    list_push_back(&failures->records, &record->node);
    uint32_t delay_ms = delay_of(failures, record->count);
    if (record->busy_until_ms < now_ms)
        record->busy_until_ms = now_ms;
    record->busy_until_ms += (delay_ms + FAILURES_PARALLEL - 1) / FAILURES_PARALLEL;
    return delay_ms;
}

size_t failures_addresses(const struct failures *failures)
{
    return failures->by_account.count;
}
