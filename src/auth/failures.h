/* SPDX-License-Identifier: Apache-2.0 */
/* What is held against addresses from which wrong passwords came: how many, lately. The more
 * there were, the longer the next refusal waits, and while as many of those waits as PARALLEL
 * are under way no more passwords of that address are looked at, so that neither haste nor
 * many connections find a password sooner. Nobody is kept out for the sake of others: each
 * address has its own account, an IPv6 network of 64 bits one together.
 *
 * It remembers so many addresses at most, the ones that failed last, and each for a while. */
#pragma once

#include "base/hash.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failures;

/* Refusals of one address that may wait at the same time. */
enum { FAILURES_PARALLEL = 10 };

struct failures_config {
    uint32_t delay_ms;     /* the first wait; doubles with each failure. 0: none ever */
    uint32_t delay_max_ms; /* the longest */
    uint32_t forget_ms;    /* after the last failure an address is as good as new */
    uint32_t addresses_max;
};

/* Nothing is held against anybody. key: secret, as strangers choose their addresses. NULL
 * when out of memory. */
struct failures *failures_new(const struct failures_config *config, struct hash_key key);

/* Free it. Accepts NULL. */
void failures_free(struct failures *failures);

/* Take another configuration. What is known stays, as far as there is room. */
void failures_configure(struct failures *failures, const struct failures_config *config);

/* The account of a peer, "192.0.2.1:4711", "[2001:db8::1]:4711" or without the port. 0: it
 * has no address (a unix socket), and nothing is held against it. */
uint64_t failures_account(struct str peer);

/* May one more password of this account be looked at now? */
bool failures_may_try(const struct failures *failures, uint64_t account, uint64_t now_ms);

/* A password was wrong: how long the refusal has to wait. */
uint32_t failures_note(struct failures *failures, uint64_t account, uint64_t now_ms);

/* Addresses that are remembered, those whose time is over included. */
size_t failures_addresses(const struct failures *failures);
