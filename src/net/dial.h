/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling: from a seed's URL to an open WebSocket, or to words about why not. */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

struct carrier;
struct dial;
struct net;

/* Carry out MESH_DIAL: the answer comes later, as a link that is up or as words. */
void dial_seed(struct net *net, uint32_t seed);

/* Tell the mesh of dials that did not even begin, for want of memory. Were there any? */
bool dial_tell_lost(struct net *net);

/* An attempt of this dialled carrier ended before the WebSocket was open: try the name's
 * next address. false: there is none. */
bool dial_again(struct carrier *carrier);

/* Give up what is under way and free it. Accepts NULL. */
void dial_drop(struct dial *dial);

/* What libwebsockets calls for the sockets that we dialled. */
int dial_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);
