/* SPDX-License-Identifier: Apache-2.0 */
/* The MQTT 5 that a mesh link speaks below its bundles: the handshake, pings, goodbye.
 * MESH.md 3.2 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct carrier;
struct mqtt_frame;

/* A dialled WebSocket is open: send CONNECT. */
void handshake_begin(struct carrier *carrier);

/* One packet of the peer. An intake_fn; context is the carrier. */
bool handshake_take(void *context, const struct mqtt_frame *frame);

/* Queue a DISCONNECT that says why. */
void handshake_goodbye(struct carrier *carrier, struct str why);
