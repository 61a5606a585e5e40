/* SPDX-License-Identifier: Apache-2.0 */
/* An intake cuts a stream of bytes into MQTT packets. It keeps the start of a packet that
 * has not come whole, and nothing else: between packets it holds no memory. It can be held:
 * then it keeps whatever comes until it is let go. */
#pragma once

#include "base/buf.h"
#include "mqtt/packet.h"

#include <stdbool.h>
#include <stddef.h>

/* A zeroed struct is an empty intake. */
struct intake {
    struct buf rest;
    bool held;
};

/* Told of each packet; its bytes are borrowed for the call. true: go on; false: stop, and
 * drop what follows, or keep it where held was set. */
typedef bool (*intake_fn)(void *context, const struct mqtt_frame *frame);

/* Take bytes and hand out the packets that are whole with them. *max is the largest packet
 * accepted and is read anew before each packet. ERR_OK (also when the function stopped
 * it), ERR_MALFORMED, ERR_TOO_LARGE, ERR_NOMEM: the stream cannot be read on. */
int intake_take(struct intake *intake, const void *bytes, size_t len, const uint32_t *max,
                intake_fn packet, void *context);

/* Let go: hand out what has gathered since held was set, as intake_take does; it may be
 * held again meanwhile. */
int intake_let_go(struct intake *intake, const uint32_t *max, intake_fn packet, void *context);

/* Free the memory. */
void intake_finish(struct intake *intake);
