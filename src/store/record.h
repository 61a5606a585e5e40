/* SPDX-License-Identifier: Apache-2.0 */
/* A record is one operation in the journal: a byte of its kind and what belongs to it. A
 * message comes once, before the records that refer to it: they mean the last one. */
#pragma once

#include "base/buf.h"
#include "core/durable.h"
#include "mqtt/wire.h"

/* These numbers are in files: they never change. */
enum record_kind {
    RECORD_MESSAGE = 1,
    RECORD_SESSION_PUT = 2,
    RECORD_SESSION_DEL = 3,
    RECORD_SUB_PUT = 4,
    RECORD_SUB_DEL = 5,
    RECORD_QUEUE_PUT = 6,
    RECORD_QUEUE_RECEIVED = 7,
    RECORD_QUEUE_DEL = 8,
    RECORD_INCOMING_PUT = 9,
    RECORD_INCOMING_DEL = 10,
    RECORD_RETAIN_PUT = 11,
    RECORD_RETAIN_DEL = 12,
};

struct record {
    enum record_kind kind;
    uint8_t qos;
    uint8_t options;
    uint16_t packet_id;
    uint32_t sub_id;
    uint32_t crc;      /* MESSAGE: body_crc */
    uint64_t session;
    uint64_t seq;
    struct str text;   /* MESSAGE: body; SESSION_PUT: about; SUB_*: filter; RETAIN_*: topic */
    uint64_t sub_id_count;
    struct str sub_ids; /* QUEUE_PUT: as LEB128, record_sub_ids reads them */
};

/* Append the message that the following records refer to. */
void record_write_message(struct buf *out, uint64_t id, const struct message *message);

/* Append an operation, whose message, if it has one, is the last that was written. */
void record_write(struct buf *out, const struct durable_op *op);

/* Read the next record; its texts are borrowed. ERR_OK, ERR_NOT_FOUND at the end, or
 * ERR_MALFORMED. */
int record_next(struct wire_reader *r, struct record *ret_record);

/* The subscription identifiers of a QUEUE_PUT, into an array of sub_id_count. */
void record_sub_ids(const struct record *record, uint32_t *ids);
