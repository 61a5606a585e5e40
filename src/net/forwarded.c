/* SPDX-License-Identifier: Apache-2.0 */
#include "net/forwarded.h"

#include "base/err.h"
#include "net/head.h"

enum { HOPS_MAX = 16 };

/* The last addresses of the list, as they stand; how many. */
static size_t last_hops(const struct head *head, struct str hops[HOPS_MAX])
{
    struct head_walk walk = { .head = head, .name = HEAD_FORWARDED_FOR };
    struct str word;
    size_t count = 0;

    while (head_next(&walk, &word))
        hops[count++ % HOPS_MAX] = word;
    return count;
}

enum forwarded forwarded_look(const struct head *head, const struct ip *peer,
                              const struct ip_block *trusted, size_t trusted_count,
                              struct forwarded_client *ret_client)
{
    struct str hops[HOPS_MAX];
    size_t count = last_hops(head, hops);
    struct forwarded_client client = { *peer, ip_is_loopback(peer) };
    bool spoken = count > 0 || head_count(head, HEAD_FORWARDED) > 0;

    if (count == 0 || !ip_is_in(peer, trusted, trusted_count))
        return spoken ? FORWARDED_UNKNOWN : FORWARDED_NOT;
    size_t first = count > HOPS_MAX ? count - HOPS_MAX : 0;

    for (size_t i = count; i > first && ip_is_in(&client.ip, trusted, trusted_count); i--) {
        if (ip_parse(hops[(i - 1) % HOPS_MAX], &client.ip) != ERR_OK)
            return FORWARDED_UNKNOWN;
        client.loopback &= ip_is_loopback(&client.ip);
    }
    *ret_client = client;
    return FORWARDED_FOR;
}
