/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT over plain TCP: a stream on a socket that the loop polls. */
#pragma once

struct listener;
struct net;

/* Serve this accepted, non-blocking socket; owns fd from now on, also on failure. */
void tcp_accept(struct net *net, struct listener *listener, int fd);
