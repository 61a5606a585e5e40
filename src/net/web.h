/* SPDX-License-Identifier: Apache-2.0 */
/* The web is libwebsockets inside our loop: one context, one virtual host that serves the
 * web listeners and one that dials. We accept and hand the sockets over; the library shakes
 * hands for TLS, dials, and sends. It takes the bytes for raw ones: HTTP and WebSocket are
 * read and written here, so that its own ways with them cannot be reached. */
#pragma once

#include <libwebsockets.h>

#include "net/listener.h"
#include "net/tap.h"

struct carrier;
struct http;
struct net;
struct websocket;

/* What we know of a connection that came to a web listener, and what it has become. */
struct visitor {
    struct listener *listener;
    char *source;  /* where a proxy says that it comes from; NULL: ask the socket */
    bool loopback; /* with a source: it is this machine */
    bool upgraded; /* to a WebSocket: one of the last two, or none any more */
    struct http *http;
    struct websocket *client;
    struct carrier *carrier;
};

enum {
    WEB_CHUNK = 64 * 1024,    /* bytes a write at most */
    WEB_READ_MAX = 17 * 1024, /* bytes that the library reads at once: a record of TLS, whole */
};

struct web {
    struct net *net;
    struct lws_context *context;
    struct lws_vhost *server;
    struct lws_vhost *dialler;
    struct ssl_ctx_st *tls; /* of the dialler */
    unsigned hosts;         /* with TLS, made so far */
    unsigned sessions;      /* WebSockets that are open */
    struct taps taps;       /* what reads them */
};

/* Both hosts, or NULL. */
struct web *web_new(struct net *net);

/* Close everything; runs the loop. Accepts NULL. */
void web_free(struct web *web);

/* A virtual host with the TLS of this listener, which outlives it. NULL when it cannot be. */
struct lws_vhost *web_host(struct web *web, struct listener *listener);

/* libwebsockets made an SSL_CTX for this host: let it be ours. 0. */
int web_secure(struct lws_vhost *host, struct ssl_ctx_st *tls);

/* Serve this accepted socket, by the host of its listener's TLS or with NULL without TLS;
 * owns its fd from now on, also on failure. */
void web_accept(struct web *web, const struct arrival *arrival, struct lws_vhost *host);

/* Send through this socket, which was dialled, and tell dial_callback of it; data is what it
 * finds there. Owns its fd from now on, also on failure: NULL. */
struct lws *web_attach(struct web *web, int fd, void *data);

/* The visitor comes from there, as a proxy says. ERR_OK or ERR_NOMEM. */
int web_set_source(struct visitor *visitor, const char *source, bool loopback);

/* Whose connection it is; NULL for those that we dialled, and early and late. */
struct visitor *web_visitor(struct lws *wsi);

/* Is the peer on this machine? */
bool web_is_loopback(struct lws *wsi);

/* Where the peer is, "127.0.0.1:4711". */
void web_peer(struct lws *wsi, char *out, size_t size);

/* The net that a callback is about. */
struct net *web_net(struct lws *wsi);

/* Close from outside of its callbacks, soon and without ceremony. */
void web_kill(struct lws *wsi);
