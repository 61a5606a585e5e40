/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over a stream socket: a stream on a socket that the loop polls. Plain here; with
 * TLS in net/secure.h, on the same ground. */
#pragma once

#include "net/stream.h"

#include <uv.h>

/* After a reset, read so often at most: what came before it may lie in the kernel still, all
 * that a client said which sends, closes and reads nothing. */
enum { TCP_RESET_READS_MAX = 64 };

struct arrival;
struct net;

struct tcp {
    struct stream stream;
    uv_poll_t poll;
    struct listener *listener;
    char *source; /* where a proxy says that it comes from; NULL: ask the socket */
    int fd;       /* < 0: closed */
    bool reading : 1;
    bool writing : 1;   /* waiting until the socket takes more */
    bool lingering : 1; /* all is said; waiting for the peer to close */
    bool secure : 1;    /* it is the ground of TLS */
    uint8_t armed;      /* the events that the loop was given */
};

/* Serve this accepted, non-blocking socket; owns its fd from now on, also on failure. */
void tcp_accept(struct net *net, const struct arrival *arrival);

/* ---- the ground that TLS shares ---- */

/* Fill in zeroed memory that free() takes back once it is closed. ERR_OK, or ERR_NOMEM:
 * the socket is closed and the memory the caller's. */
int tcp_init(struct tcp *tcp, struct net *net, const struct arrival *arrival);

/* Give the loop the events that are wanted now. */
void tcp_rearm(struct tcp *tcp);

/* These are a transport's. */
void tcp_abort(struct stream *stream);
void tcp_finish(struct stream *stream);
void tcp_peer(const struct stream *stream, char *out, size_t size);

/* The peer is gone, or will not be heard any more. */
void tcp_hang_up(struct tcp *tcp);
