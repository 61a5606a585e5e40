/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/err.h"
#include "store/about.h"
#include "store/body.h"

#include <assert.h>

enum { FLAG_QOS = 0x03, FLAG_RETAIN = 0x04 };

static void text_put(struct buf *out, struct str text)
{
    wire_put_leb(out, text.len);
    buf_append_str(out, text);
}

void record_write_message(struct buf *out, uint64_t id, const struct message *message)
{
    size_t len = body_len(message);

    buf_append_u8(out, RECORD_MESSAGE);
    size_t crc_at = out->len;
    wire_put_u32(out, 0);
    wire_put_leb(out, len);
    body_write(out, message);
    if (out->failed)
        return;
    uint32_t crc = body_crc(id, (struct str){ (const char *)out->data + out->len - len, len });
    for (size_t i = 0; i < 4; i++)
        out->data[crc_at + i] = (uint8_t)(crc >> (24 - 8 * i));
}

/* A session's number behind the kind, as almost all records begin. */
static void session_put(struct buf *out, enum record_kind kind, const struct durable_op *op)
{
    buf_append_u8(out, (uint8_t)kind);
    wire_put_leb(out, op->session);
}

static void queue_put(struct buf *out, const struct durable_op *op)
{
    const uint32_t *ids = op->sub_id_count > 1 ? op->sub_ids : &op->sub_id;

    session_put(out, RECORD_QUEUE_PUT, op);
    wire_put_leb(out, op->seq);
    buf_append_u8(out, (uint8_t)(op->qos | (op->options & 1 ? FLAG_RETAIN : 0)));
    wire_put_leb(out, op->sub_id_count);
    for (size_t i = 0; i < op->sub_id_count; i++)
        wire_put_leb(out, ids[i]);
}

static void session_about_put(struct buf *out, const struct durable_op *op)
{
    struct buf about = { 0 };

    session_put(out, RECORD_SESSION_PUT, op);
    about_write(&about, op->about);
    text_put(out, buf_str(&about));
    out->failed |= about.failed;
    buf_finish(&about);
}

void record_write(struct buf *out, const struct durable_op *op)
{
    switch ((enum durable_kind)op->kind) {
    case DURABLE_SESSION_PUT: session_about_put(out, op); break;
    case DURABLE_SESSION_DEL: session_put(out, RECORD_SESSION_DEL, op); break;
    case DURABLE_SUB_PUT:
        session_put(out, RECORD_SUB_PUT, op);
        buf_append_u8(out, op->options);
        wire_put_leb(out, op->sub_id);
        text_put(out, op->text);
        break;
    case DURABLE_SUB_DEL:
        session_put(out, RECORD_SUB_DEL, op);
        text_put(out, op->text);
        break;
    case DURABLE_QUEUE_PUT: queue_put(out, op); break;
    case DURABLE_QUEUE_RECEIVED:
    case DURABLE_QUEUE_DEL:
        session_put(out, op->kind == DURABLE_QUEUE_DEL ? RECORD_QUEUE_DEL : RECORD_QUEUE_RECEIVED,
                    op);
        wire_put_leb(out, op->seq);
        break;
    case DURABLE_INCOMING_PUT:
    case DURABLE_INCOMING_DEL:
        session_put(out,
                    op->kind == DURABLE_INCOMING_PUT ? RECORD_INCOMING_PUT : RECORD_INCOMING_DEL,
                    op);
        wire_put_u16(out, op->packet_id);
        break;
    case DURABLE_RETAIN_PUT: buf_append_u8(out, RECORD_RETAIN_PUT); break;
    case DURABLE_RETAIN_DEL:
        buf_append_u8(out, RECORD_RETAIN_DEL);
        text_put(out, op->text);
        break;
    case DURABLE_QUEUE_STATE: assert(!"only given back"); break;
    }
}

static struct str text_get(struct wire_reader *r)
{
    return wire_get_bytes(r, wire_get_leb(r));
}

static uint32_t u32_get(struct wire_reader *r)
{
    uint64_t value = wire_get_leb(r);

    if (value > UINT32_MAX)
        wire_fail(r, ERR_MALFORMED);
    return (uint32_t)value;
}

static void queue_get(struct wire_reader *r, struct record *record)
{
    record->session = wire_get_leb(r);
    record->seq = wire_get_leb(r);
    uint8_t flags = wire_get_u8(r);
    record->qos = flags & FLAG_QOS;
    record->options = flags & FLAG_RETAIN ? 1 : 0;
    record->sub_id_count = wire_get_leb(r);
    if (record->sub_id_count > UINT16_MAX)
        wire_fail(r, ERR_MALFORMED);
    const uint8_t *from = r->at;
    for (uint64_t i = 0; i < record->sub_id_count && !r->err; i++) {
        uint32_t id = u32_get(r);
        if (i == 0)
            record->sub_id = id;
    }
    if (!r->err)
        record->sub_ids = (struct str){ (const char *)from, (size_t)(r->at - from) };
}

/* What stands behind the kind. */
static void content_get(struct wire_reader *r, struct record *record)
{
    switch (record->kind) {
    case RECORD_MESSAGE:
        record->crc = wire_get_u32(r);
        record->text = text_get(r);
        break;
    case RECORD_SESSION_PUT:
    case RECORD_SUB_DEL:
        record->session = wire_get_leb(r);
        record->text = text_get(r);
        break;
    case RECORD_SESSION_DEL: record->session = wire_get_leb(r); break;
    case RECORD_SUB_PUT:
        record->session = wire_get_leb(r);
        record->options = wire_get_u8(r);
        record->sub_id = u32_get(r);
        record->text = text_get(r);
        break;
    case RECORD_QUEUE_PUT: queue_get(r, record); break;
    case RECORD_QUEUE_RECEIVED:
    case RECORD_QUEUE_DEL:
        record->session = wire_get_leb(r);
        record->seq = wire_get_leb(r);
        break;
    case RECORD_INCOMING_PUT:
    case RECORD_INCOMING_DEL:
        record->session = wire_get_leb(r);
        record->packet_id = wire_get_u16(r);
        break;
    case RECORD_RETAIN_PUT: break;
    case RECORD_RETAIN_DEL: record->text = text_get(r); break;
    default: wire_fail(r, ERR_MALFORMED);
    }
}

int record_next(struct wire_reader *r, struct record *ret_record)
{
    if (r->err)
        return ERR_MALFORMED;
    if (wire_left(r) == 0)
        return ERR_NOT_FOUND;
    struct record record = { .kind = (enum record_kind)wire_get_u8(r) };
    content_get(r, &record);
    if (r->err)
        return ERR_MALFORMED;
    *ret_record = record;
    return ERR_OK;
}

void record_sub_ids(const struct record *record, uint32_t *ids)
{
    struct wire_reader r = wire_reader(record->sub_ids.ptr, record->sub_ids.len, 0);

    for (uint64_t i = 0; i < record->sub_id_count; i++)
        ids[i] = (uint32_t)wire_get_leb(&r);
}
