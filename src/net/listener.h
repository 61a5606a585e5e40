/* SPDX-License-Identifier: Apache-2.0 */
/* A listener accepts connections on one address and hands them to what serves them. */
#pragma once

#include "base/buf.h"
#include "net/hello.h"
#include "net/net.h"

#include <uv.h>

enum { LISTENER_ADDRESS_MAX = 128 };

struct tls;
struct lws_vhost;

struct listener {
    struct net *net;
    const struct listener_config *config;
    uv_poll_t poll;
    uv_timer_t pause; /* while too many came */
    uint64_t due_us;  /* when all that came so far would have come at the rate allowed */
    int fd;
    bool open;
    uint32_t connections;
    struct tls *tls;                    /* NULL: none */
    struct lws_vhost *vhost;            /* of libwebsockets, with this listener's TLS; NULL: none */
    char address[LISTENER_ADDRESS_MAX]; /* where it really listens */
};

/* A socket on its way to what serves it. */
struct arrival {
    struct listener *listener;
    int fd;
    char source[LISTENER_ADDRESS_MAX]; /* where a proxy says that it comes from; "": no proxy */
    bool loopback;                     /* with a source: it is this machine */
};

/* Hand it to what serves it. HELLO_MORE: what the listener is for. */
void listener_admit(const struct arrival *arrival, enum hello hello);

/* Bind and accept from now on. ERR_OK, or ERR_IO and a line about it in errors. */
int listener_open(struct net *net, struct listener *listener, const struct listener_config *config,
                  struct buf *errors);

/* The name for the log. */
const char *listener_name(const struct listener *listener);

/* Stop accepting everywhere; accepted connections stay. */
void listener_close_all(struct net *net);

/* Does it answer this? */
bool listener_serves(const struct listener *listener, enum listener_serve what);

/* Free what they hold; after the streams and the web. */
void listener_finish_all(struct net *net);

/* The address of a socket's peer, "127.0.0.1:4711", or "-". */
void listener_peer(int fd, char *out, size_t size);

/* Is a socket's peer on this machine? That of a unix socket is. */
bool listener_peer_is_loopback(int fd);
