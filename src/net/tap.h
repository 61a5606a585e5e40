/* SPDX-License-Identifier: Apache-2.0 */
/* A tap reads the frames of a WebSocket that we dialled, past libwebsockets: its client
 * side goes byte by byte, ten times as dear as the rest of a link. The handshake and
 * everything that is sent stay with the library. Only for sockets without TLS. */
#pragma once

#include <stdbool.h>

struct carrier;
struct tap;

/* Read for this carrier from now on; its WebSocket has just opened and nothing has come
 * yet. NULL when that cannot be: then the library goes on reading. */
struct tap *tap_open(struct carrier *carrier);

/* Stop reading and free. Accepts NULL. */
void tap_close(struct tap *tap);
