/* SPDX-License-Identifier: Apache-2.0 */
/* Taps read WebSockets past libwebsockets, with and without TLS: what a peer sends after
 * the handshake meets our own framing and nobody else's. The handshake, and everything that
 * is sent, stay with the library. Its server side lets unmasked frames pass and answers pings
 * in the middle of frames that we send; its client side goes byte by byte, ten times as dear
 * as the rest of a link. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct lws;
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

/* Read for this owner; the WebSocket has just opened. served: the peer dialled us, and masks.
 * Reading begins with tap_read. NULL when it cannot be. */
struct tap *tap_open(struct taps *taps, struct lws *wsi, bool served, const struct tap_owner *calls,
                     void *owner);

/* Start or stop reading. ERR_OK or ERR_IO. */
int tap_read(struct tap *tap, bool on);

/* Stop reading and free. Accepts NULL. */
void tap_close(struct tap *tap);
