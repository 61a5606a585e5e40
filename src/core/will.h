/* SPDX-License-Identifier: Apache-2.0 */
/* A will is what a client asks us to say for it when it vanishes. [MQTT5 3.1.2.5] */
#pragma once

#include "mqtt/message.h"
#include "mqtt/packet.h"

struct session;
struct core;

struct will {
    struct message *message; /* a reference */
    uint32_t delay_s;
    uint32_t expiry_s; /* of the message, from when it is published */
    bool has_expiry;
    uint64_t due_ms; /* while the client is away; UINT64_MAX: not set */
};

/* Make a will of a CONNECT's, or NULL when out of memory. */
struct will *will_new(const struct mqtt_will *packet, uint64_t publisher);

/* Free it. Accepts NULL. */
void will_free(struct will *will);

/* Publish the session's will, if it has one, and forget it; the caller has the session
 * recorded. [MQTT-3.1.2-8] */
void will_publish(struct core *core, struct session *session);

/* Forget the session's will, if it has one; the caller has the session recorded.
 * [MQTT-3.1.2-10] */
void will_discard(struct session *session);
