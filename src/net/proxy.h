/* SPDX-License-Identifier: Apache-2.0 */
/* The header by which a proxy says where a connection really comes from: PROXY protocol,
 * versions 1 and 2. Pure; who may say so is the listener's to know. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_TEXT_MAX = 64,
    PROXY_HEADER_MAX = 2048, /* longer ones are refused */
};

struct proxy_header {
    size_t len;                /* of the header; what is behind it is the client's */
    bool known;                /* the source is: else ask the socket */
    bool loopback;             /* the source is this machine */
    char text[PROXY_TEXT_MAX]; /* "192.0.2.1:4711", "[2001:db8::1]:4711" */
};

/* The header that bytes begin with. ERR_OK, ERR_MORE, or ERR_MALFORMED: this is none. */
int proxy_parse(const uint8_t *bytes, size_t len, struct proxy_header *ret_header);
