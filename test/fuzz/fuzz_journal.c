/* SPDX-License-Identifier: Apache-2.0 */
/* A segment of the journal, as it may be found after anything. By the first byte the bytes are
 * a segment as it is, or records, which are put into a batch with the right checksums, since
 * no fuzzer guesses these. What was whole goes through the delta; nothing else does. The same
 * bytes are read as what stands inside records and rows, too. */
#include "fuzz.h"

#include "base/err.h"
#include "store/about.h"
#include "store/batch.h"
#include "store/body.h"
#include "store/delta.h"
#include "store/record.h"
#include "store/replay.h"
#include "store/row.h"

#include <string.h>

static const uint64_t MARK = 0x0102030405060708u;

static int batch_note(void *context, const struct batch_header *header, struct str records,
                      struct journal_place place)
{
    int err = delta_apply(context, header, records, place);

    assert(err == ERR_OK || err == ERR_MALFORMED);
    return ERR_OK;
}

/* Scan the segment; the number of batches. */
static uint64_t scan(const uint8_t *bytes, size_t len)
{
    struct delta *delta = delta_new(1, 7);
    struct segment segment = { .number = 1, .size = len };
    struct buf report = { 0 };
    struct replay replay = { .mark = MARK, .batch = batch_note, .context = delta,
                             .report = &report };

    assert(delta);
    int err = replay_scan(&replay, &segment, bytes, len, false);
    assert(err == ERR_OK && segment.end <= len);
    assert(replay.damaged == 0 || report.len > 0);
    delta_free(delta);
    buf_finish(&report);
    return replay.batches;
}

static void u32_store(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The bytes as the records of a batch that is whole. */
static void records_try(const uint8_t *records, size_t len)
{
    struct batch batch = { 0 };
    const struct batch_header next = { .mark = MARK, .number = 1, .first_message = 1 };
    int err = batch_build(&batch, NULL, 0, &next);

    assert(err == ERR_OK);
    batch.bytes.len = SEGMENT_HEADER_LEN + BATCH_HEADER_LEN;
    batch.header.len = (uint32_t)len;
    batch.header.records = (uint32_t)len; /* more than there are: the end is met */
    buf_append(&batch.bytes, records, len);
    batch.header.crc = batch_crc(records, len);
    uint8_t *head = batch.bytes.data + SEGMENT_HEADER_LEN;
    u32_store(head + 12, batch.header.records);
    u32_store(head + 32, batch.header.len);
    u32_store(head + 36, batch.header.crc);
    u32_store(head + 8, batch_crc(head + 12, BATCH_HEADER_LEN - 12));
    while (batch.bytes.len % BATCH_ALIGN)
        buf_append_u8(&batch.bytes, 0);
    assert(!batch.bytes.failed);
    uint64_t batches = scan(batch.bytes.data, batch.bytes.len);
    assert(batches == 1);
    batch_finish(&batch, 0);
}

/* What stands inside records and rows. */
static void pieces_try(struct str bytes)
{
    struct durable_session *about;
    struct message *message;
    struct queue_row row;
    struct record record;
    struct wire_reader r = wire_reader(bytes.ptr, bytes.len, 0);

    if (about_read(bytes, &about) == ERR_OK) {
        message_unref(about->will);
        free(about);
    }
    if (body_read(bytes, &message) == ERR_OK) {
        struct buf again = { 0 };
        assert(message_size(message) == body_message_size(bytes));
        assert(str_equal(message_topic(message), body_topic(bytes)));
        body_write(&again, message);
        assert(again.len == body_len(message));
        buf_finish(&again);
        message_unref(message);
    }
    if (queue_row_read(bytes, &row) == ERR_OK) {
        uint32_t *ids = calloc((size_t)row.sub_id_count + 1, sizeof *ids);
        assert(ids);
        queue_row_sub_ids(&row, ids);
        free(ids);
    }
    while (record_next(&r, &record) == ERR_OK)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct str bytes = { (const char *)data + 1, size - 1 };
    if (data[0] & 1)
        records_try(data + 1, size - 1);
    else
        scan(data + 1, size - 1);
    pieces_try(bytes);
    return 0;
}
