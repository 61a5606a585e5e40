/* SPDX-License-Identifier: Apache-2.0 */
/* An out-queue holds the bytes that wait for one connection's socket. Small things are
 * copied into one run that goes out with one write; large payloads stay where they are,
 * held by a reference. A run that begins with bytes that others send, too, may be borrowed
 * until something else follows. All memory is given back when the queue is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct message;
struct out_refs;

/* A zeroed struct is an empty queue. */
struct out_queue {
    uint8_t *data;
    uint32_t len;          /* bytes in data */
    uint32_t cap;          /* 0: data is borrowed */
    uint32_t sent;         /* of len, already gone */
    uint32_t hint;         /* how much was needed lately: the next run starts with this */
    size_t bytes;          /* not sent yet, payloads by reference included */
    struct out_refs *refs; /* NULL while no payload is held by reference */
};

/* Drop everything and free the memory. Accepts an empty queue. */
void out_queue_finish(struct out_queue *queue);

/* Room for len more bytes, or NULL when out of memory (nothing changed). The caller
 * writes there and calls out_queue_advance. */
uint8_t *out_queue_reserve(struct out_queue *queue, size_t len);

/* Count len bytes, written at the place that out_queue_reserve gave. */
static inline void out_queue_advance(struct out_queue *queue, size_t len)
{
    queue->len += (uint32_t)len;
    queue->bytes += len;
}

/* Append a copy of bytes. ERR_OK or ERR_NOMEM. */
int out_queue_append(struct out_queue *queue, const void *bytes, size_t len);

/* Append bytes without a copy, if the queue is empty or they lie behind those that it
 * borrows. They must stay until out_queue_own, or until nothing waits. False: nothing was
 * done. */
bool out_queue_borrow(struct out_queue *queue, const uint8_t *bytes, size_t len);

/* Copy what is still borrowed. ERR_OK, or ERR_NOMEM: it still is. */
int out_queue_own(struct out_queue *queue);

/* Append a message's payload by reference. ERR_OK or ERR_NOMEM. */
int out_queue_append_payload(struct out_queue *queue, struct message *message);

/* Describe what waits in at most max pieces, in order; how many there are. They are
 * valid until the queue changes. */
size_t out_queue_pieces(const struct out_queue *queue, struct iovec *pieces, size_t max);

/* What waits, as one run of at most size bytes: as it lies, or put together in scratch, which
 * has size bytes. The queue is not empty. */
const void *out_queue_run(const struct out_queue *queue, uint8_t *scratch, size_t size,
                          size_t *ret_len);

/* The first len bytes are sent. len <= queue->bytes. */
void out_queue_consume(struct out_queue *queue, size_t len);
