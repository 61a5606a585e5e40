/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP on the web listeners: requests go to the caller's routes, answers go out whole. */
#pragma once

#include "base/buf.h"
#include "net/net.h"

#include <libwebsockets.h>

/* What libwebsockets keeps for each HTTP request. */
struct http_exchange {
    struct buf path;
    struct buf query;
    struct buf authorization;
    struct buf host;
    struct buf body; /* of the request */
    struct http_response response;
    size_t sent; /* of the response's body */
    const char *method;
    bool head;        /* the answer has no body */
    bool awaits_body; /* the request's, before it is answered */
    uint64_t body_due_ms;
};

/* What libwebsockets calls for requests, and for upgrades before they happen. */
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);
