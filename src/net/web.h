/* SPDX-License-Identifier: Apache-2.0 */
/* The web is libwebsockets inside our loop: one context, one virtual host that serves the
 * web listeners and one that dials. We accept and hand the sockets over. */
#pragma once

#include <libwebsockets.h>

struct listener;
struct net;

enum { WEB_CHUNK = 64 * 1024 }; /* bytes a write at most */

struct web {
    struct net *net;
    struct lws_context *context;
    struct lws_vhost *server;
    struct lws_vhost *dialler;
    struct ssl_ctx_st *tls; /* of the dialler */
    unsigned sessions;      /* WebSockets that are open */
};

/* Both hosts, or NULL. */
struct web *web_new(struct net *net);

/* Close everything; runs the loop. Accepts NULL. */
void web_free(struct web *web);

/* Serve this accepted socket; owns fd from now on, also on failure. */
void web_accept(struct web *web, struct listener *listener, int fd);

/* The net that a callback is about. */
struct net *web_net(struct lws *wsi);

/* Close from outside of its callbacks, soon and without ceremony. */
void web_kill(struct lws *wsi);
