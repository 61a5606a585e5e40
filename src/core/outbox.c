/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outbox.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 4 };

void outbox_entry_release(struct outbox_entry *entry)
{
    message_unref(entry->message);
    entry->message = NULL;
    if (entry->sub_id_count > 1)
        free(entry->sub_ids);
    entry->sub_id_count = 0;
}

void outbox_free(struct outbox *box)
{
    if (!box)
        return;
    for (uint64_t seq = box->head; seq < box->tail; seq++)
        outbox_entry_release(outbox_at(box, seq));
    free(box->ring);
    free(box);
}

static int grow(struct outbox *box)
{
    struct outbox bigger = *box;

    bigger.cap = box->cap ? box->cap * 2 : CAP_MIN;
    bigger.ring = malloc(bigger.cap * sizeof *bigger.ring);
    if (!bigger.ring)
        return ERR_NOMEM;
    for (uint64_t seq = box->head; seq < box->tail; seq++)
        *outbox_at(&bigger, seq) = *outbox_at(box, seq);
    free(box->ring);
    *box = bigger;
    return ERR_OK;
}

int outbox_push(struct outbox *box, struct message *message, const struct copy *copy,
                const uint32_t *sub_ids)
{
    struct outbox_entry entry = { .sub_id_count = copy->sub_id_count,
                                  .state = OUTBOX_WAITING,
                                  .qos = copy->qos & 3,
                                  .retain = copy->retain };

    if (box->tail - box->head == box->cap) {
        int err = grow(box);
        if (err)
            return err;
    }
    if (copy->sub_id_count == 1) {
        entry.sub_id = sub_ids[0];
    } else if (copy->sub_id_count > 1) {
        entry.sub_ids = malloc(copy->sub_id_count * sizeof *sub_ids);
        if (!entry.sub_ids)
            return ERR_NOMEM;
        memcpy(entry.sub_ids, sub_ids, copy->sub_id_count * sizeof *sub_ids);
    }
    entry.message = message_ref(message);
    *outbox_at(box, box->tail++) = entry;
    box->waiting_bytes += message_size(message);
    return ERR_OK;
}

bool outbox_find(const struct outbox *box, uint16_t packet_id, uint64_t *ret_seq)
{
    if (packet_id == 0)
        return false;
    uint64_t ahead = (packet_id - 1 + OUTBOX_IDS - box->head % OUTBOX_IDS) % OUTBOX_IDS;
    uint64_t seq = box->head + ahead;
    if (seq >= box->fresh || outbox_at(box, seq)->state == OUTBOX_DONE)
        return false;
    *ret_seq = seq;
    return true;
}

void outbox_done(struct outbox *box, uint64_t seq)
{
    struct outbox_entry *entry = outbox_at(box, seq);

    assert(seq >= box->head && seq < box->fresh && entry->state != OUTBOX_DONE);
    outbox_entry_release(entry);
    entry->state = OUTBOX_DONE;
    while (box->head < box->fresh && outbox_at(box, box->head)->state == OUTBOX_DONE)
        box->head++;
    if (box->next < box->head)
        box->next = box->head;
}

void outbox_rewind(struct outbox *box)
{
    box->next = box->head;
    box->inflight = 0;
    if (box->head == box->tail) {
        free(box->ring);
        box->ring = NULL;
        box->cap = 0;
    }
}
