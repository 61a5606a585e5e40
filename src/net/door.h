/* SPDX-License-Identifier: Apache-2.0 */
/* The door is where a connection stands until it is known where it comes from (PROXY
 * protocol) and what it speaks (protocol auto). It does not stand there for long. */
#pragma once

struct arrival;
struct net;

/* Look at the first bytes of this accepted socket, then hand it to listener_admit. Owns its
 * fd from now on, also on failure. */
void door_open(struct net *net, const struct arrival *arrival);

/* Turn everybody away who still stands there. */
void door_close_all(struct net *net);
