/* SPDX-License-Identifier: Apache-2.0 */
/* An attempt dials one address: it connects, shakes hands for TLS, and asks for the
 * WebSocket. What it gives is a socket on which nothing but frames comes any more. */
#pragma once

#include "base/str.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct addrinfo;
struct attempt;
struct net;

/* What to dial; borrowed while the attempt lasts. */
struct attempt_target {
    const struct addrinfo *address;
    const char *where; /* that address as text, for messages: "192.0.2.1:443" */
    const char *host;  /* the name that was asked for, and that a certificate must bear */
    const char *path;
    uint16_t port;
    SSL_CTX *tls; /* whom to believe; NULL: no TLS */
};

/* What became of it. */
struct attempt_end {
    int fd;           /* the caller's from now on; -1: it failed */
    SSL *ssl;         /* likewise; NULL: no TLS. It reads from the socket, and writes into memory */
    struct str early; /* what came behind the handshake; borrowed for the call */
    const char *words; /* why it failed; borrowed for the call */
};

/* Called once, never from inside attempt_start; the attempt is over then. */
typedef void (*attempt_fn)(void *context, const struct attempt_end *end);

/* Begin. NULL: it cannot be begun. */
struct attempt *attempt_start(struct net *net, const struct attempt_target *target, attempt_fn fn,
                              void *context);

/* Give up; fn is not called any more. Accepts NULL. */
void attempt_cancel(struct attempt *attempt);
