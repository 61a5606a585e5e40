/* SPDX-License-Identifier: Apache-2.0 */
/* A batch is a group as bytes in the journal: a header and its records. All or nothing: one
 * that does not fit its checksums never was.
 *
 *     mark u64, crc u32 of the rest of the header, number of records u32, number u64,
 *     id of the first message u64, bytes of records u32, crc u32 of the records;
 *     the records; zeroes up to a multiple of 8
 *
 * Numbers count up by one. The messages of a batch have consecutive ids. The mark is a random
 * number of the directory: where damage makes us look for the next batch, nothing that a
 * client put into a payload can pass for one. */
#pragma once

#include "base/buf.h"
#include "core/durable.h"
#include "store/segment.h"

enum { BATCH_HEADER_LEN = 40, BATCH_ALIGN = 8 };

struct batch_header {
    uint64_t mark;
    uint64_t number;
    uint64_t first_message;
    uint32_t len; /* bytes of records */
    uint32_t records;
    uint32_t crc;
};

struct batch {
    struct buf bytes; /* SEGMENT_HEADER_LEN of room, then the batch as it is in the file */
    struct batch_header header;
    uint64_t messages;
};

/* Make the batch of a group's operations, with the mark, number and first message id that next
 * says; what is dead is left out: the undone, and retained
 * messages that a later one of the same topic replaces. ERR_OK or ERR_NOMEM. */
int batch_build(struct batch *batch, const struct durable_op *ops, size_t count,
                const struct batch_header *next);

/* Its records. */
struct str batch_records(const struct batch *batch);

/* Free the memory; or, with keep, only what is beyond keep bytes. */
void batch_finish(struct batch *batch, size_t keep);

/* Bytes that a batch with this header takes. */
size_t batch_size(const struct batch_header *header);

/* The checksum that a header has of the records. */
uint32_t batch_crc(const uint8_t *records, size_t len);

/* Read a header of BATCH_HEADER_LEN bytes. ERR_OK or ERR_CHECKSUM. */
int batch_header_read(const uint8_t *bytes, struct batch_header *ret_header);
