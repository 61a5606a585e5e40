/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of peers, and blocks of them: "10.0.0.0/8". */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IP_TEXT_MAX = 64 };

/* An address, with the port if there is one. */
struct ip {
    bool local; /* a unix socket's: it has no bytes */
    bool has_port;
    uint16_t port;
    uint8_t bytes[16]; /* IPv6; IPv4 is mapped into it. [RFC4291 2.5.5.2] */
};

struct ip_block {
    bool local;   /* whoever comes over a unix socket */
    uint8_t bits; /* of the bytes, that count */
    uint8_t bytes[16];
};

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"; "unix:"
 * and whatever follows. ERR_OK or ERR_INVALID. */
int ip_parse(struct str text, struct ip *ret_ip);

/* The same as text, brackets only with a port or an IPv6 address. */
void ip_print(const struct ip *ip, char text[IP_TEXT_MAX]);

/* Is it this machine? */
bool ip_is_loopback(const struct ip *ip);

/* An address without a port, or with "/bits" behind it; "unix:". ERR_OK or ERR_INVALID. */
int ip_block_parse(struct str text, struct ip_block *ret_block);

/* Is it in one of the blocks? */
bool ip_is_in(const struct ip *ip, const struct ip_block *blocks, size_t count);
