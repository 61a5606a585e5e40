/* SPDX-License-Identifier: Apache-2.0 */
/* What must survive leaves the core as ordered operations. The store makes them durable
 * in this order and answers "durable up to token N"; acknowledgements that promise
 * something wait for that answer. After a restart the store gives operations of the same
 * kinds back, in an order that rebuilds the core.
 *
 * All operations of one step become durable together or not at all: the exactly-once of
 * QoS 2 rests on a publish's queue entries and its packet identifier sharing that fate. */
#pragma once

#include "base/str.h"
#include "mqtt/message.h"

#include <stdbool.h>
#include <stdint.h>

enum durable_kind {
    DURABLE_SESSION_PUT,    /* session, about: made, or changed */
    DURABLE_SESSION_DEL,    /* session and all that belongs to it */
    DURABLE_SUB_PUT,        /* session, filter (text), options, sub_id */
    DURABLE_SUB_DEL,        /* session, filter (text) */
    DURABLE_QUEUE_PUT,      /* session, seq, message, qos, sub_ids: waits for this session;
                               options 1: goes out with the retain flag */
    DURABLE_QUEUE_RECEIVED, /* session, seq: PUBREC came; message no longer needed */
    DURABLE_QUEUE_DEL,      /* session, seq: done, or never to be */
    DURABLE_INCOMING_PUT,   /* session, packet_id: a QoS 2 publish was taken over */
    DURABLE_INCOMING_DEL,   /* session, packet_id: PUBREL came */
    DURABLE_RETAIN_PUT,     /* message */
    DURABLE_RETAIN_DEL,     /* topic (text) */
    DURABLE_QUEUE_STATE,    /* only in a restore: session, seq, and queue */
};

/* A session as DURABLE_SESSION_PUT says it. */
struct durable_session {
    struct str client_id;
    uint32_t expiry_s;   /* how long it outlives its connection; UINT32_MAX: for ever. 0: it is
                            here for its will alone, and has nothing else */
    bool connected;      /* else it is away, and expires_ms and will_due_ms count */
    uint64_t expires_ms; /* node time; UINT64_MAX: never */
    uint64_t sent_seq;   /* while away: what is queued from here on was never sent */
    struct message *will; /* or NULL: none. Its expires_ms means nothing */
    uint32_t will_delay_s;
    uint32_t will_expiry_s; /* of the message once it is published */
    bool will_has_expiry;
    uint64_t will_due_ms;
};

/* A session's queue as a restore finds it: seq is the place of the first entry. */
struct durable_queue {
    uint64_t end;   /* the place behind the last entry */
    uint64_t count; /* entries in between, those of QUEUE_RECEIVED included */
    uint64_t bytes; /* message_size of what is not received yet */
};

struct durable_op {
    uint8_t kind;    /* enum durable_kind */
    uint8_t qos;
    uint8_t options; /* DURABLE_SUB_PUT: subscription options as on the wire of MQTT 5 */
    bool lazy;       /* nobody waits for it: soon is good enough */
    uint16_t packet_id;
    uint16_t sub_id_count;
    uint32_t sub_id;
    uint64_t token;   /* counts up by one an operation, from 1 */
    uint64_t session; /* a number that is never reused while its records exist */
    uint64_t seq;     /* position in the session's queue; grows */
    uint64_t undoes;  /* DURABLE_QUEUE_DEL: token of the QUEUE_PUT of this run of the process
                         that it answers, or 0. Where that is not on its way to the disk yet,
                         neither needs to be */
    union {
        struct str text;               /* owned, heap; SUB_*, RETAIN_DEL */
        struct durable_session *about; /* owned, heap, one block with its text, and a
                                          reference to will; SESSION_PUT */
        uint32_t *sub_ids;             /* owned, heap; QUEUE_PUT, where sub_id_count > 1: all of
                                          them. One alone is sub_id */
        struct durable_queue queue;    /* QUEUE_STATE */
    };
    struct message *message; /* a reference, or NULL */
};

/* One entry of a session's queue, read back. */
struct durable_entry {
    uint64_t seq;
    struct message *message; /* NULL: received */
    uint32_t *sub_ids;       /* sub_id_count of them */
    uint16_t sub_id_count;
    uint8_t qos;
    bool retain;
};

/* A part of a session's queue, from the store: what it holds of [from, end), in order. Places
 * in between that are not there are done. end is UINT64_MAX where there is nothing more, and
 * from where nothing could be read. */
struct core_loaded {
    uint64_t session; /* its number */
    uint64_t from, end;
    const struct durable_entry *entries;
    size_t count;
};

/* Give back what the operation owns. */
void durable_op_finish(struct durable_op *op);
