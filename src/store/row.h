/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the tables. Numbers in keys are big endian, so that rows sort by them. Every
 * value begins with a CRC-32C of its key and of what follows:
 *
 *     meta      name                  number u64
 *     sessions  session               about
 *     subs      session, filter       options u8, identifier LEB128, filter
 *     incoming  session, packet id    nothing
 *     queue     session, seq          flags u8, message LEB128, its size in memory LEB128,
 *                                     subscription identifiers: count and each, LEB128
 *     messages  message               body; its CRC is the journal's
 *     refs      message               queue rows that wait with it LEB128; no row: one
 *     retained  topic                 body
 *
 * A filter or topic that is too long for a key stands there with its beginning and a digest. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "store/tables.h"

#include <stdbool.h>
#include <stdint.h>

struct row_key {
    size_t len;
    char data[TABLES_KEY_MAX];
};

/* Keys. A session's rows of a table are those from (session, nothing) on that begin so. */
struct row_key row_key_number(uint64_t number);
struct row_key row_key_text(struct str text);
struct row_key row_key_sub(uint64_t session, struct str filter);
struct row_key row_key_incoming(uint64_t session, uint16_t packet_id);
struct row_key row_key_queue(uint64_t session, uint64_t seq);

/* The key, borrowed. */
struct str row_key_str(const struct row_key *key);

/* The numbers in a key; false: it has another length. */
bool row_key_read(struct str key, uint64_t *ret_number);
bool row_key_read_pair(struct str key, uint64_t *ret_session, uint64_t *ret_seq);

/* Begin a value in an empty buf: room for the checksum. */
void row_begin(struct buf *value);

/* What was appended since is the value: set its checksum. */
void row_seal(struct buf *value, struct str key);

/* The value behind its checksum, borrowed. ERR_OK or ERR_CHECKSUM. */
int row_open(struct str key, struct str value, struct str *ret_content);

struct queue_row {
    uint64_t message;
    uint64_t size; /* message_size */
    uint8_t qos;
    bool retain;
    bool received;
    uint16_t sub_id_count;
    struct str sub_ids; /* as LEB128 */
};

/* Append a queue row's content; ids: all subscription identifiers. */
void queue_row_write(struct buf *value, const struct queue_row *row, const uint32_t *ids);

/* Read it. ERR_OK or ERR_CHECKSUM. */
int queue_row_read(struct str content, struct queue_row *ret_row);

/* Its subscription identifiers, into an array of sub_id_count. */
void queue_row_sub_ids(const struct queue_row *row, uint32_t *ids);

/* A number of the meta table. ERR_NOT_FOUND: it was never set. */
int meta_get(struct tables_txn *txn, const char *name, uint64_t *ret_value);
int meta_put(struct tables_txn *txn, const char *name, uint64_t value);
