/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands behind the proxies that a request came through. Each appends the address that
 * it sees to X-Forwarded-For; what stands before the first trusted one is hearsay. Pure. */
#pragma once

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>

struct head;

enum forwarded {
    FORWARDED_NOT,     /* the peer itself asks */
    FORWARDED_FOR,     /* somebody else does, and it is known who */
    FORWARDED_UNKNOWN, /* somebody else may: it is hearsay, or not to be understood */
};

struct forwarded_client {
    struct ip ip;
    bool loopback; /* it is on this machine, and so is all that stands between */
};

/* Whose request is it that came from peer? ret_client is written only for FORWARDED_FOR.
 * trusted: the proxies that are believed. */
enum forwarded forwarded_look(const struct head *head, const struct ip *peer,
                              const struct ip_block *trusted, size_t trusted_count,
                              struct forwarded_client *ret_client);
