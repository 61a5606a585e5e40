/* SPDX-License-Identifier: Apache-2.0 */
/* What must survive leaves the core as ordered operations. The store makes them durable
 * in this order and answers "durable up to token N"; acknowledgements that promise
 * something wait for that answer.
 *
 * Each operation carries everything it needs: text and messages are borrowed from the
 * step's output and are valid until the output is cleared; a store that keeps a message
 * takes a reference. */
#pragma once

#include "base/str.h"
#include "mqtt/message.h"

#include <stdint.h>

enum durable_kind {
    DURABLE_SESSION_PUT,  /* session, client_id (text), expiry_s, will (message) or NULL */
    DURABLE_SESSION_DEL,  /* session and all that belongs to it */
    DURABLE_SUB_PUT,      /* session, filter (text), options */
    DURABLE_SUB_DEL,      /* session, filter (text) */
    DURABLE_QUEUE_PUT,    /* session, seq, message, qos: waits for this session; options 1: goes
                             out with the retain flag; sub_id: the first, or 0 */
    DURABLE_QUEUE_SENT,   /* session, seq, packet_id: handed to the client */
    DURABLE_QUEUE_RECEIVED, /* session, seq, packet_id: PUBREC came; message no longer needed */
    DURABLE_QUEUE_DEL,    /* session, seq: done */
    DURABLE_INCOMING_PUT, /* session, packet_id: a QoS 2 publish was taken over */
    DURABLE_INCOMING_DEL, /* session, packet_id: PUBREL came */
    DURABLE_RETAIN_PUT,   /* message */
    DURABLE_RETAIN_DEL,   /* topic (text) */
};

struct durable_op {
    enum durable_kind kind;
    uint64_t token;   /* counts up by one an operation, from 1 */
    uint64_t session; /* a number that is never reused while its records exist */
    uint64_t seq;     /* position in the session's queue; grows */
    struct str text;
    struct message *message;
    uint32_t expiry_s;
    uint32_t sub_id;
    uint16_t packet_id;
    uint8_t qos;
    uint8_t options; /* subscription options as on the wire of MQTT 5 */
};
