/* SPDX-License-Identifier: Apache-2.0 */
/* Taps read WebSockets past libwebsockets, with and without TLS: what a peer sends behind
 * the handshake meets our own framing and nobody else's. Sockets and all that is sent stay
 * with the library. It would read into a buffer of its own and call for each piece. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct lws;
struct ssl_st;
struct net;
struct tap;

/* All taps of a net wait on one descriptor, which the loop polls: a socket of the library's
 * own is already in the loop, and may not be there twice. */
struct taps {
    struct net *net;
    uv_poll_t poll;
    int fd;
    bool open, busy;
    struct list closed; /* to be freed when nobody is in the middle of one */
    struct list early;  /* bytes that came with the handshake, to be taken */
};

/* Whom a tap reads for. The tap may be closed in each of these. */
struct tap_owner {
    /* A piece of a message. */
    void (*receive)(void *owner, const void *bytes, size_t len);
    /* A ping, to be answered with these bytes. */
    void (*ping)(void *owner, const void *bytes, size_t len);
    /* The peer closes, and is to be answered with this code; nothing more is read. */
    void (*closed)(void *owner, uint16_t code);
    /* The peer broke the rules: close with this code; nothing more is read. */
    void (*failed)(void *owner, uint16_t code);
    /* The connection has ended. */
    void (*gone)(void *owner);
};

/* ERR_OK or ERR_IO. */
int taps_open(struct taps *taps, struct net *net);

/* Every tap is closed: leave the loop. Accepts what is not open. */
void taps_close(struct taps *taps);

/* Read for this owner; the WebSocket has just opened. ssl: NULL for none. served: the peer
 * dialled us, and masks. Reading begins with tap_read. NULL when it cannot be. */
struct tap *tap_open(struct taps *taps, struct lws *wsi, struct ssl_st *ssl, bool served,
                     const struct tap_owner *calls, void *owner);

/* Take these bytes, which the library has read, before what the socket has. ERR_OK or
 * ERR_NOMEM. */
int tap_put(struct tap *tap, const void *bytes, size_t len);

/* Are there such bytes, and somebody who reads? Then taps_read_on is due. */
bool taps_any_early(const struct taps *taps);

/* Take them. */
void taps_read_on(struct taps *taps);

/* Start or stop reading. ERR_OK or ERR_IO. */
int tap_read(struct tap *tap, bool on);

/* Stop reading and free. Accepts NULL. */
void tap_close(struct tap *tap);
