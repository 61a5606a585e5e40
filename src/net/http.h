/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP on the web listeners: requests go to the caller's routes, answers go out whole, and a
 * request for a WebSocket ends it. Time and size of a request are bounded from its first
 * byte; what is not understood is answered and closed. [RFC9110] [RFC9112] */
#pragma once

#include "base/str.h"

#include <libwebsockets.h>

struct http;

/* Wait for the first request of a visitor. False: out of memory. */
bool http_open(struct lws *wsi);

/* Bytes came. -1: close. */
int http_receive(struct lws *wsi, struct str bytes);

/* The socket takes more. -1: close. */
int http_writable(struct lws *wsi);

/* Accepts NULL. */
void http_free(struct http *http);
