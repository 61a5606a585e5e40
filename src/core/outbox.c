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
                                  .retain = copy->retain,
                                  .share = copy->share };

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
    assert(box->end == box->tail);
    *outbox_at(box, box->tail++) = entry;
    box->end = box->tail;
    box->waiting_bytes += message_size(message);
    box->shared += entry.share != 0;
    box->zeros += entry.qos == 0;
    return ERR_OK;
}

/* What is done at the head leaves. */
static void move_head(struct outbox *box)
{
    while (box->head < box->fresh && outbox_at(box, box->head)->state == OUTBOX_DONE)
        box->head++;
    if (box->next < box->head)
        box->next = box->head;
}

uint64_t outbox_push_paged(struct outbox *box, const struct message *message)
{
    box->paged++;
    box->paged_bytes += message_size(message);
    box->waiting_bytes += message_size(message);
    return box->end++;
}

int outbox_bring_back(struct outbox *box, const struct outbox_entry *entry)
{
    bool sent = box->tail < box->sent_until;
    size_t size = entry->message ? message_size(entry->message) : 0;

    assert(box->tail < box->end);
    if (box->tail - box->head == box->cap) {
        int err = grow(box);
        if (err)
            return err;
    }
    *outbox_at(box, box->tail++) = *entry;
    if (entry->state != OUTBOX_DONE) {
        box->paged -= box->paged > 0;
        box->paged_bytes -= size < box->paged_bytes ? size : box->paged_bytes;
        box->zeros += entry->qos == 0;
    }
    if (sent) { /* nothing that was never sent is below */
        assert(box->fresh == box->tail - 1);
        box->fresh = box->tail;
        box->waiting_bytes -= size < box->waiting_bytes ? size : box->waiting_bytes;
        move_head(box);
    } else if (entry->state == OUTBOX_DONE) {
        box->holes++;
    }
    return ERR_OK;
}

void outbox_lose_paged(struct outbox *box)
{
    box->waiting_bytes -=
        box->paged_bytes < box->waiting_bytes ? box->paged_bytes : box->waiting_bytes;
    box->paged = 0;
    box->paged_bytes = 0;
    if (box->head == box->tail)
        box->head = box->next = box->fresh = box->tail = box->end;
    else
        box->end = box->tail;
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

/* The entry's part is over, wherever it stands. */
static void close_entry(struct outbox *box, struct outbox_entry *entry)
{
    outbox_entry_release(entry);
    entry->state = OUTBOX_DONE;
    box->zeros -= entry->qos == 0;
    box->shared -= entry->share != 0;
    entry->share = 0;
}

void outbox_done(struct outbox *box, uint64_t seq)
{
    struct outbox_entry *entry = outbox_at(box, seq);

    assert(seq >= box->head && seq < box->fresh && entry->state != OUTBOX_DONE);
    close_entry(box, entry);
    move_head(box);
}

void outbox_withdraw(struct outbox *box, uint64_t seq)
{
    struct outbox_entry *entry = outbox_at(box, seq);

    if (seq < box->fresh) {
        outbox_done(box, seq);
        return;
    }
    assert(seq < box->tail && entry->state == OUTBOX_WAITING);
    box->waiting_bytes -= message_size(entry->message);
    close_entry(box, entry);
    box->holes++;
    while (box->fresh < box->tail && outbox_at(box, box->fresh)->state == OUTBOX_DONE) {
        box->fresh++;
        box->holes--;
    }
    move_head(box);
}

void outbox_pass(struct outbox *box)
{
    assert(outbox_at(box, box->next)->state == OUTBOX_DONE);
    if (box->next == box->fresh) {
        box->fresh++;
        box->holes--;
    }
    box->next++;
    move_head(box);
}

void outbox_forget_share(struct outbox *box, uint32_t share)
{
    for (uint64_t seq = box->head; seq < box->tail && box->shared; seq++) {
        struct outbox_entry *entry = outbox_at(box, seq);
        if (entry->share == share) {
            entry->share = 0;
            box->shared--;
        }
    }
}

void outbox_rewind(struct outbox *box)
{
    /* Only then anything is begun and not sent. */
    for (uint64_t seq = box->next; box->stalled && seq < box->tail; seq++)
        outbox_at(box, seq)->begun = false;
    box->next = box->head;
    box->inflight = 0;
    if (box->head == box->tail) {
        free(box->ring);
        box->ring = NULL;
        box->cap = 0;
    }
}
