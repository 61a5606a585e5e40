/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out what the node wants done: packets into out-queues, operations to the store,
 * facts to the log, bundles and dials for the mesh. */
#pragma once

#include <stddef.h>

struct net;
struct stream;

/* Queue whole packets for the client, each in its own frame where the transport frames.
 * What the queue cannot take costs the client its connection. */
void carry_bytes(struct stream *stream, const void *bytes, size_t len);

/* Carry out everything in net->out, in order. The output is not cleared. */
void carry_out(struct net *net);
