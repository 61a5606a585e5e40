/* SPDX-License-Identifier: Apache-2.0 */
#include "store/batch.h"

#include "base/crc.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "mqtt/wire.h"
#include "store/group.h"
#include "store/record.h"

#include <assert.h>

enum { CRC_FROM = 12 };

static struct str retain_topic(const struct durable_op *op)
{
    return op->kind == DURABLE_RETAIN_PUT ? message_topic(op->message) : op->text;
}

static bool is_retain(const struct durable_op *op)
{
    return op->kind == DURABLE_RETAIN_PUT || op->kind == DURABLE_RETAIN_DEL;
}

static bool same_topic(const void *entry, const void *key)
{
    return str_equal(retain_topic(entry), *(const struct str *)key);
}

/* The mark is a secret, too. */
static uint64_t topic_hash(const struct batch *batch, struct str topic)
{
    return hash_fast(batch->header.mark, topic.ptr, topic.len);
}

/* Find the last operation of each retained topic. */
static int retains_collect(const struct batch *batch, struct map *last,
                           const struct durable_op *ops, size_t count)
{
    int err = ERR_OK;

    for (size_t i = count; i-- > 0 && !err;) {
        if (!is_retain(&ops[i]))
            continue;
        struct str topic = retain_topic(&ops[i]);
        uint64_t hash = topic_hash(batch, topic);
        if (!map_find(last, hash, &topic))
            err = map_insert(last, hash, (void *)&ops[i]);
    }
    return err;
}

static bool is_dead(const struct batch *batch, const struct map *last,
                    const struct durable_op *op)
{
    if (op->kind == GROUP_UNDONE)
        return true;
    if (!is_retain(op))
        return false;
    struct str topic = retain_topic(op);
    return map_find(last, topic_hash(batch, topic), &topic) != op;
}

static void records_write(struct batch *batch, const struct map *last,
                          const struct durable_op *ops, size_t count)
{
    const struct message *message = NULL;

    for (const struct durable_op *op = ops; op < ops + count; op++) {
        if (is_dead(batch, last, op))
            continue;
        if (op->message && op->message != message) {
            message = op->message;
            record_write_message(&batch->bytes, batch->header.first_message + batch->messages,
                                 message);
            batch->messages++;
            batch->header.records++;
        }
        record_write(&batch->bytes, op);
        batch->header.records++;
    }
}

static void u32_store(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void u64_store(uint8_t *at, uint64_t value)
{
    u32_store(at, (uint32_t)(value >> 32));
    u32_store(at + 4, (uint32_t)value);
}

static void header_write(struct batch *batch)
{
    struct batch_header *h = &batch->header;
    uint8_t *at = batch->bytes.data + SEGMENT_HEADER_LEN;

    u64_store(at, h->mark);
    u32_store(at + 12, h->records);
    u64_store(at + 16, h->number);
    u64_store(at + 24, h->first_message);
    u32_store(at + 32, h->len);
    u32_store(at + 36, h->crc);
    u32_store(at + 8, crc32c(0, at + CRC_FROM, BATCH_HEADER_LEN - CRC_FROM));
}

int batch_build(struct batch *batch, const struct durable_op *ops, size_t count,
                const struct batch_header *next)
{
    static const uint8_t zeroes[SEGMENT_HEADER_LEN + BATCH_HEADER_LEN] = { 0 };
    struct map last;

    map_init(&last, same_topic);
    buf_clear(&batch->bytes);
    batch->messages = 0;
    batch->header = (struct batch_header){ .mark = next->mark,
                                           .number = next->number,
                                           .first_message = next->first_message };
    int err = retains_collect(batch, &last, ops, count);
    buf_append(&batch->bytes, zeroes, sizeof zeroes);
    if (!err)
        records_write(batch, &last, ops, count);
    map_finish(&last);
    if (err || batch->bytes.failed)
        return ERR_NOMEM;
    struct str records = batch_records(batch);
    assert(records.len <= UINT32_MAX);
    batch->header.len = (uint32_t)records.len;
    batch->header.crc = crc32c(0, records.ptr, records.len);
    header_write(batch);
    buf_append(&batch->bytes, zeroes, batch_size(&batch->header) - BATCH_HEADER_LEN - records.len);
    return batch->bytes.failed ? ERR_NOMEM : ERR_OK;
}

struct str batch_records(const struct batch *batch)
{
    size_t from = SEGMENT_HEADER_LEN + BATCH_HEADER_LEN;
    size_t len = batch->header.len ? batch->header.len : batch->bytes.len - from;

    return (struct str){ (const char *)batch->bytes.data + from, len };
}

void batch_finish(struct batch *batch, size_t keep)
{
    if (batch->bytes.cap > keep)
        buf_finish(&batch->bytes);
}

size_t batch_size(const struct batch_header *header)
{
    size_t size = BATCH_HEADER_LEN + (size_t)header->len;

    return (size + BATCH_ALIGN - 1) / BATCH_ALIGN * BATCH_ALIGN;
}

uint32_t batch_crc(const uint8_t *records, size_t len)
{
    return crc32c(0, records, len);
}

int batch_header_read(const uint8_t *bytes, struct batch_header *ret_header)
{
    struct wire_reader r = wire_reader(bytes, BATCH_HEADER_LEN, 0);
    struct batch_header header = { .mark = wire_get_u64(&r) };
    uint32_t crc = wire_get_u32(&r);

    if (crc != crc32c(0, bytes + CRC_FROM, BATCH_HEADER_LEN - CRC_FROM))
        return ERR_CHECKSUM;
    header.records = wire_get_u32(&r);
    header.number = wire_get_u64(&r);
    header.first_message = wire_get_u64(&r);
    header.len = wire_get_u32(&r);
    header.crc = wire_get_u32(&r);
    *ret_header = header;
    return ERR_OK;
}
