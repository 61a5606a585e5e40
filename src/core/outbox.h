/* SPDX-License-Identifier: Apache-2.0 */
/* An outbox holds the QoS 1 and 2 messages on their way to one client, in order: first
 * those in flight, then those that wait. It is one ring; a message's place in the session's
 * history, its seq, also gives its packet identifier, so that an acknowledgement finds its
 * message without a search and retransmission keeps the original order. [MQTT-4.4.0-1]
 * [MQTT-4.6.0-1]
 *
 *     head            next            fresh           tail               end
 *      | sent on this  | sent on an    | never sent    | in the store only |
 *      | connection    | earlier one   |               | (paging.c)        |
 */
#pragma once

#include "mqtt/message.h"

#include <stdbool.h>
#include <stdint.h>

enum outbox_state {
    OUTBOX_WAITING,  /* not sent yet */
    OUTBOX_SENT,     /* PUBLISH sent; PUBACK or PUBREC awaited */
    OUTBOX_RECEIVED, /* PUBREC came; PUBCOMP awaited */
    OUTBOX_DONE,     /* nothing left to do; waits for earlier ones to leave */
};

/* Packet identifiers run from 1 to this and then again. */
enum { OUTBOX_IDS = 65535 };

struct outbox_entry {
    struct message *message; /* a reference; NULL once received or done */
    union {
        uint32_t sub_id;   /* sub_id_count 1 */
        uint32_t *sub_ids; /* sub_id_count above 1: on the heap */
        uint64_t receipt;  /* OUTBOX_RECEIVED: grows with each PUBREC; 0: before all others */
    };
    uint16_t sub_id_count;
    uint8_t state; /* enum outbox_state */
    uint8_t qos : 2;
    uint8_t retain : 1;
    uint8_t begun : 1; /* its delivery waits for its record alone: it was in time */
    uint32_t share;    /* came by the share of this number plus one; 0: by no share */
    uint64_t token;    /* of the record that must be durable before it goes out; 0: none */
};

struct outbox {
    struct outbox_entry *ring;
    uint32_t cap;      /* 0 or a power of two */
    uint32_t inflight; /* sent on this connection and not done */
    uint64_t head, next, fresh, tail, end;
    uint64_t waiting_bytes; /* of messages from fresh on, those in the store included */
    uint64_t paged;         /* messages in the store only */
    uint64_t paged_bytes;   /* of those, as far as it is known */
    uint64_t sent_until;    /* restored: what comes from the store below this was or may have
                               been sent before */
    uint64_t asked_end;     /* the store was asked for [tail, asked_end) */
    uint64_t receipts;      /* PUBRECs so far */
    bool loading;           /* ... and has not answered */
    bool stalled;           /* among core.stalled */
    uint32_t holes;         /* from fresh on: messages that were withdrawn */
    uint32_t zeros;         /* messages of QoS 0 that wait */
    uint32_t shared;        /* messages that came by a share and are not done */
};

/* How one message goes to one session. */
struct copy {
    uint8_t qos;
    bool retain;
    uint16_t sub_id_count;
    uint32_t sub_ids_at; /* in core_out.sub_ids */
    uint32_t share;      /* see outbox_entry */
};

/* Give all references back and free the memory. Accepts NULL. */
void outbox_free(struct outbox *box);

/* Put a message at the tail; takes a reference. sub_ids: copy->sub_id_count numbers. ERR_OK
 * or ERR_NOMEM (nothing changed). */
int outbox_push(struct outbox *box, struct message *message, const struct copy *copy,
                const uint32_t *sub_ids);

/* The entry at a place in [head, tail). */
static inline struct outbox_entry *outbox_at(const struct outbox *box, uint64_t seq)
{
    return &box->ring[seq & (box->cap - 1)];
}

/* The packet identifier of a place. */
static inline uint16_t outbox_packet_id(uint64_t seq)
{
    return (uint16_t)(seq % OUTBOX_IDS + 1);
}

/* Messages that were never sent. */
static inline uint64_t outbox_waiting(const struct outbox *box)
{
    return box->tail - box->fresh - box->holes + box->paged;
}

/* A message goes to the end, into the store alone; its place. */
uint64_t outbox_push_paged(struct outbox *box, const struct message *message);

/* The place at tail comes back from the store, as entry says, whose message reference and
 * identifiers go over to the outbox. ERR_OK or ERR_NOMEM (nothing changed). */
int outbox_bring_back(struct outbox *box, const struct outbox_entry *entry);

/* Nothing of [tail, end) is to be had: forget it. */
void outbox_lose_paged(struct outbox *box);

/* The place of a message that was sent with this identifier and is not done; false when
 * there is none. */
bool outbox_find(const struct outbox *box, uint16_t packet_id, uint64_t *ret_seq);

/* The entry's message is no longer needed: give it back. */
void outbox_entry_release(struct outbox_entry *entry);

/* The entry at seq has nothing left to do; those at the head that are done leave. */
void outbox_done(struct outbox *box, uint64_t seq);

/* Somebody else gets the message at seq, waiting or sent: it has nothing left to do here. */
void outbox_withdraw(struct outbox *box, uint64_t seq);

/* The entry at next is done: go on to the one behind it. */
void outbox_pass(struct outbox *box);

/* The session has left the share (number plus one): what came by it is now its own. */
void outbox_forget_share(struct outbox *box, uint32_t share);

/* The connection is gone: what was sent on it will be sent again. */
void outbox_rewind(struct outbox *box);
