/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over TLS: what net/tcp.h does, through OpenSSL. */
#pragma once

#include <uv.h>

struct arrival;
struct net;

/* Serve this accepted, non-blocking socket; owns its fd from now on, also on failure. */
void secure_accept(struct net *net, const struct arrival *arrival);

/* What the loop calls for its sockets. */
void secure_poll(uv_poll_t *poll, int status, int events);

/* Go on reading where a turn's share was used up, or reading was off, with bytes left in
 * OpenSSL: the loop cannot know of those. */
void secure_read_on(struct net *net);
