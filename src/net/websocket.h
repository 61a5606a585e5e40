/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over WebSocket [MQTT5 6]: ordinary clients at /mqtt as streams, other brokers at
 * /mesh as carriers. */
#pragma once

#include "base/str.h"

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listener_config;

enum { WEBSOCKET_HEAD_MAX = 10 };

/* Write the head of a server's binary frame with len bytes of payload; at has room for
 * WEBSOCKET_HEAD_MAX. How many bytes it is. [RFC6455 5.2] */
static inline size_t websocket_head(uint8_t *at, size_t len)
{
    at[0] = 0x82;
    if (len < 126) {
        at[1] = (uint8_t)len;
        return 2;
    }
    if (len < 65536) {
        at[1] = 126;
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
        return 4;
    }
    at[1] = 127;
    for (int i = 0; i < 8; i++)
        at[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    return 10;
}

/* The upgrade at this path was answered: go on with what came behind the request. mesh: it
 * was /mesh. False: it cannot be, close. */
bool websocket_open(struct lws *wsi, bool mesh, struct str early);

/* The library has read some more of an open one. */
void websocket_put(struct lws *wsi, struct str early);

/* The socket of an open one takes more. -1: close it. */
int websocket_writable(struct lws *wsi);

/* An open one is gone. */
void websocket_gone(struct lws *wsi);

/* May a WebSocket that comes from a page of this origin be served? */
bool websocket_origin_is_good(const struct listener_config *config, struct str origin);

/* The carrier at the other end of this socket is gone: close it. */
void websocket_forget_carrier(struct lws *wsi);
