/* SPDX-License-Identifier: Apache-2.0 */
/* A queue that grows beyond what is worth holding in memory goes on in the store alone, and
 * comes back in parts as the client drains it. After a restart every queue begins like that,
 * so that a million messages that wait cost no memory and no time. */
#include "base/err.h"
#include "core/broker.h"

#include <stdlib.h>

enum {
    RING_MESSAGES = 1024,       /* a session has no more waiting in memory; */
    RING_BYTES = 1024 * 1024,   /* nor of these */
    PART_MESSAGES = 1024,       /* come back at once */
    PART_BYTES = 1024 * 1024,
    LOW = PART_MESSAGES / 2,    /* the store is asked when so few are left */
};

bool paging_is_due(const struct core *core, const struct session *session)
{
    const struct outbox *box = session->outbox;

    if (core->config.volatile_ || !session->persistent)
        return false;
    if (box->end > box->tail)
        return true;
    return outbox_waiting(box) >= RING_MESSAGES || box->waiting_bytes >= RING_BYTES ||
           core->stats.queued_bytes - core->paged_bytes >= core->config.queue_memory_bytes_max;
}

bool session_has_number(const void *entry, const void *key)
{
    return ((const struct session *)entry)->number == *(const uint64_t *)key;
}

void paging_ask(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;

    if (box->end == box->tail || box->loading || box->tail - box->next > LOW)
        return;
    if (map_insert(&core->loading, hash_mix(session->number), session)) {
        core_failed(core);
        return;
    }
    box->loading = true;
    box->asked_end = box->end;
    effects_load(core->out, (struct core_load){ .session = session->number,
                                                .from = box->tail,
                                                .entries_max = PART_MESSAGES,
                                                .bytes_max = PART_BYTES });
}

/* What the counters say of the rest is not there. */
static void lose_rest(struct core *core, struct outbox *box)
{
    core->stats.queued -= box->paged;
    core->stats.queued_bytes -= box->paged_bytes;
    core->stats.messages_dropped += box->paged;
    core->paged_bytes -= box->paged_bytes;
    outbox_lose_paged(box);
}

/* The entry as it is to stand in the ring, its identifiers its own; false: out of memory. */
static bool revive(struct core *core, const struct durable_entry *from, bool sent,
                   struct outbox_entry *ret_entry)
{
    struct outbox_entry entry = { .qos = from->qos & 3,
                                  .retain = from->retain,
                                  .sub_id_count = from->message ? from->sub_id_count : 0,
                                  .state = !from->message ? OUTBOX_RECEIVED
                                           : sent         ? OUTBOX_SENT
                                                          : OUTBOX_WAITING };

    if (entry.sub_id_count == 1) {
        entry.sub_id = from->sub_ids[0];
    } else if (entry.sub_id_count > 1) {
        entry.sub_ids = malloc(entry.sub_id_count * sizeof *entry.sub_ids);
        if (!entry.sub_ids)
            return false;
        for (uint16_t i = 0; i < entry.sub_id_count; i++)
            entry.sub_ids[i] = from->sub_ids[i];
    }
    if (from->message) {
        struct str topic = message_topic(from->message);
        entry.message = message_ref(from->message);
        entry.message->topic_hash = hash_fast(core->config.seed, topic.ptr, topic.len);
    }
    *ret_entry = entry;
    return true;
}

/* Put one place back, with its entry or, where that is NULL, as done. */
static bool bring_back(struct core *core, struct outbox *box, const struct durable_entry *from)
{
    struct outbox_entry entry = { .state = OUTBOX_DONE };
    bool sent = box->tail < box->sent_until;

    if (from && !revive(core, from, sent, &entry))
        return false;
    size_t size = entry.message ? message_size(entry.message) : 0;
    if (outbox_bring_back(box, &entry)) {
        outbox_entry_release(&entry);
        return false;
    }
    core->paged_bytes -= size;
    if (from && sent) { /* it no longer waits */
        core->stats.queued--;
        core->stats.queued_bytes -= size;
    }
    return true;
}

/* What the client has received was sent, and so was all before it. */
static uint64_t sent_until(const struct outbox *box, const struct core_loaded *loaded)
{
    for (size_t i = loaded->count; i-- > 0;) {
        if (!loaded->entries[i].message && loaded->entries[i].seq >= box->sent_until)
            return loaded->entries[i].seq + 1;
    }
    return box->sent_until;
}

void on_loaded(struct core *core, const struct core_loaded *loaded)
{
    struct session *session =
        map_remove(&core->loading, hash_mix(loaded->session), &loaded->session);
    uint64_t end = loaded->end;
    size_t at = 0;

    if (!session)
        return;
    struct outbox *box = session->outbox;
    box->loading = false;
    if (loaded->from != box->tail || end <= loaded->from)
        return; /* it could not be read: the next occasion asks again */
    if (end > box->asked_end) /* what came behind that the store did not look at */
        end = box->asked_end;
    if (loaded->count == 0 && end == box->end)
        lose_rest(core, box);
    if (box->tail == box->fresh)
        box->sent_until = sent_until(box, loaded);
    while (box->tail < end && box->tail < box->end) {
        bool there = at < loaded->count && loaded->entries[at].seq == box->tail;
        if (!bring_back(core, box, there ? &loaded->entries[at] : NULL)) {
            core_failed(core); /* the rest is asked for again */
            break;
        }
        at += there;
    }
    if (box->end == box->tail && box->paged > 0)
        lose_rest(core, box);
    deliver_note_queued(core, session);
    if (release_again(core, session, loaded->from > box->head ? loaded->from : box->head))
        deliver_more(core, session);
}

void paging_forget(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;

    if (!box)
        return;
    if (box->loading)
        map_remove(&core->loading, hash_mix(session->number), &session->number);
    core->paged_bytes -= box->paged_bytes;
}

int paging_restore(struct core *core, struct session *session, uint64_t head,
                   const struct durable_queue *queue)
{
    struct outbox *box = calloc(1, sizeof *box);

    if (!box)
        return ERR_NOMEM;
    box->head = box->next = box->fresh = box->tail = head;
    box->end = queue->end;
    box->paged = queue->count;
    box->paged_bytes = box->waiting_bytes = queue->bytes;
    session->outbox = box;
    core->stats.queued += queue->count;
    core->stats.queued_bytes += queue->bytes;
    core->paged_bytes += queue->bytes;
    return ERR_OK;
}
