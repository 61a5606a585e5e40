/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that promise something wait here, in order, until the store has said that it is
 * durable. */
#pragma once

#include "core/core.h"

struct ack {
    uint64_t token; /* durable up to here, and it may go */
    conn_id conn;
    uint32_t serial; /* of the connection, whose number may have been given out again */
    uint16_t packet_id;
    uint8_t kind; /* enum mqtt_kind */
    uint8_t reason;
    uint32_t len;   /* of bytes */
    uint8_t *bytes; /* owned: the packet, encoded; NULL: one of the four acknowledgements */
    struct granted *granted; /* owned: what follows a SUBACK, or NULL */
};

struct ack_queue {
    struct ack *ring;
    uint32_t cap; /* 0 or a power of two */
    uint32_t head, tail;
};

/* Free the memory, and the answers' own. */
void ack_queue_finish(struct ack_queue *queue);

/* Put one at the end. ERR_OK or ERR_NOMEM (nothing changed). */
int ack_queue_push(struct ack_queue *queue, struct ack ack);

/* The one at the end; there is one. */
struct ack *ack_queue_last(const struct ack_queue *queue);

/* Take out the first one, with its bytes, if token covers it. */
bool ack_queue_pop(struct ack_queue *queue, uint64_t token, struct ack *ret_ack);
