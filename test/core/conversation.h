/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a conversation with a core: what a fuzzer needs. Each turn is a byte that
 * says who does what, and what belongs to it:
 *
 *     bits 0-2  the connection, 1 to 8
 *     bits 3-7  0-22 a packet follows; 23 the client answers a message as it should; 24 the
 *               transport breaks; 25 it is congested, 26 not any more; 27 so many quarter
 *               seconds pass; 28 all is durable; 29 a message comes over the mesh; 30 a new
 *               limit on everything; 31 shutdown
 *
 * All effects are checked: sends go to connections that are open and not being closed, bytes
 * are whole packets, no identifier is in flight twice, windows are kept, tokens count up. A
 * broken promise aborts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Have the conversation from beginning to end, then let everybody leave. */
void conversation_replay(const uint8_t *data, size_t size);
