/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ack_queue.h"

#include "base/err.h"

#include <stdlib.h>

enum { CAP_MIN = 64 };

void ack_queue_finish(struct ack_queue *queue)
{
    for (uint32_t at = queue->head; at != queue->tail; at++) {
        free(queue->ring[at & (queue->cap - 1)].bytes);
        free(queue->ring[at & (queue->cap - 1)].granted);
    }
    free(queue->ring);
    *queue = (struct ack_queue){ 0 };
}

static int grow(struct ack_queue *queue)
{
    uint32_t cap = queue->cap ? queue->cap * 2 : CAP_MIN, count = queue->tail - queue->head;
    struct ack *ring = malloc(cap * sizeof *ring);

    if (!ring)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        ring[i] = queue->ring[(queue->head + i) & (queue->cap - 1)];
    free(queue->ring);
    *queue = (struct ack_queue){ .ring = ring, .cap = cap, .tail = count };
    return ERR_OK;
}

int ack_queue_push(struct ack_queue *queue, struct ack ack)
{
    if (queue->tail - queue->head == queue->cap) {
        int err = grow(queue);
        if (err)
            return err;
    }
    queue->ring[queue->tail++ & (queue->cap - 1)] = ack;
    return ERR_OK;
}

struct ack *ack_queue_last(const struct ack_queue *queue)
{
    return &queue->ring[(queue->tail - 1) & (queue->cap - 1)];
}

bool ack_queue_pop(struct ack_queue *queue, uint64_t token, struct ack *ret_ack)
{
    if (queue->head == queue->tail)
        return false;
    struct ack *first = &queue->ring[queue->head & (queue->cap - 1)];
    if (first->token > token)
        return false;
    *ret_ack = *first;
    queue->head++;
    return true;
}
