/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over WebSocket [MQTT5 6]: ordinary clients at /mqtt as streams, other brokers at
 * /mesh as carriers. */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct carrier;
struct websocket;

enum { WEBSOCKET_HEAD_MAX = 10 };

/* What libwebsockets keeps for each WebSocket: one of the two. */
struct websocket_session {
    struct websocket *client;
    struct carrier *carrier;
    bool mesh; /* it came to /mesh */
};

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

/* What libwebsockets calls for the subprotocols mqtt and mqttv3.1. */
int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len);

/* May an upgrade to this path with these subprotocols go on? An HTTP status if not, else 0. */
int websocket_refusal(struct lws *wsi);

/* The carrier at the other end of this socket is gone: close it. */
void websocket_forget_carrier(struct lws *wsi);
