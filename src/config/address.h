/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them in the configuration. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum config_address_kind {
    CONFIG_ADDRESS_IP,
    CONFIG_ADDRESS_UNIX,    /* a socket in the file system */
    CONFIG_ADDRESS_SYSTEMD, /* a socket that was opened for us, by its name */
};

/* Where a listener listens. */
struct config_address {
    enum config_address_kind kind;
    char host[108]; /* an IPv4 or IPv6 address, without brackets; a path; a name */
    uint16_t port;  /* 0: any free one */
};

/* ADDRESS:PORT, [IPV6]:PORT, localhost:PORT or PORT, which is on 127.0.0.1: nobody is
 * reachable from outside by leaving something out. unix:/PATH. systemd:NAME. ERR_OK or
 * ERR_INVALID. */
int config_address_parse(struct str text, struct config_address *ret_address);

/* Can only this machine reach it? */
bool config_address_is_loopback(const struct config_address *address);

/* ws://HOST[:PORT][/PATH] or wss://: ERR_OK or ERR_INVALID. */
int config_url_check(struct str url);
