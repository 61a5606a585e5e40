/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them in the configuration. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a listener listens. */
struct config_address {
    char host[48]; /* an IPv4 or IPv6 address, without brackets */
    uint16_t port; /* 0: any free one */
};

/* ADDRESS:PORT, [IPV6]:PORT, localhost:PORT or PORT, which is on 127.0.0.1: nobody is
 * reachable from outside by leaving something out. ERR_OK or ERR_INVALID. */
int config_address_parse(struct str text, struct config_address *ret_address);

/* Can only this machine reach it? */
bool config_address_is_loopback(const struct config_address *address);

/* ws://HOST[:PORT][/PATH] or wss://: ERR_OK or ERR_INVALID. */
int config_url_check(struct str url);
