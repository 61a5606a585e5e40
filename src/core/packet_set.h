/* SPDX-License-Identifier: Apache-2.0 */
/* A set of packet identifiers: the QoS 2 messages a client sent and has not released yet.
 * Two bytes a place, nothing when empty. [MQTT-4.3.3-10] */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct packet_set {
    uint16_t *slots; /* 0: free; an identifier is never 0 */
    uint32_t cap;    /* 0 or a power of two */
    uint32_t count;
};

/* Free the memory and leave an empty set. */
void packet_set_finish(struct packet_set *set);

/* Is the identifier, not 0, in the set? */
bool packet_set_has(const struct packet_set *set, uint16_t id);

/* Put in an identifier that is not there. ERR_OK or ERR_NOMEM (nothing changed). */
int packet_set_add(struct packet_set *set, uint16_t id);

/* Take the identifier out; false if it was not there. */
bool packet_set_remove(struct packet_set *set, uint16_t id);
