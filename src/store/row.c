/* SPDX-License-Identifier: Apache-2.0 */
#include "store/row.h"

#include "base/crc.h"
#include "base/digest.h"
#include "base/err.h"
#include "mqtt/wire.h"

#include <string.h>

enum { TEXT_KEPT = 400, TEXT_MAX = TEXT_KEPT + DIGEST_LEN, CRC_LEN = 4 };

enum { QUEUE_QOS = 0x03, QUEUE_RETAIN = 0x04, QUEUE_RECEIVED = 0x08 };

const char *table_name(enum table table)
{
    static const char *const names[TABLE_COUNT] = {
        [TABLE_META] = "meta",         [TABLE_SESSIONS] = "sessions", [TABLE_SUBS] = "subs",
        [TABLE_INCOMING] = "incoming", [TABLE_QUEUE] = "queue",       [TABLE_MESSAGES] = "messages",
        [TABLE_REFS] = "refs",         [TABLE_RETAINED] = "retained",
    };

    return names[table];
}

static void key_u64(struct row_key *key, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        key->data[key->len++] = (char)(value >> shift);
}

/* Texts of TEXT_MAX bytes are shortened too, so that no other's short form can be one. */
static void key_text(struct row_key *key, struct str text)
{
    size_t kept = text.len < TEXT_MAX ? text.len : TEXT_KEPT;

    if (kept > 0)
        memcpy(key->data + key->len, text.ptr, kept);
    key->len += kept;
    if (text.len < TEXT_MAX)
        return;
    digest_sha256(text.ptr, text.len, (uint8_t *)key->data + key->len);
    key->len += DIGEST_LEN;
}

struct row_key row_key_number(uint64_t number)
{
    struct row_key key;

    key.len = 0;
    key_u64(&key, number);
    return key;
}

struct row_key row_key_text(struct str text)
{
    struct row_key key;

    key.len = 0;
    key_text(&key, text);
    return key;
}

struct row_key row_key_sub(uint64_t session, struct str filter)
{
    struct row_key key = row_key_number(session);

    key_text(&key, filter);
    return key;
}

struct row_key row_key_incoming(uint64_t session, uint16_t packet_id)
{
    struct row_key key = row_key_number(session);

    key.data[key.len++] = (char)(packet_id >> 8);
    key.data[key.len++] = (char)packet_id;
    return key;
}

struct row_key row_key_queue(uint64_t session, uint64_t seq)
{
    struct row_key key = row_key_number(session);

    key_u64(&key, seq);
    return key;
}

struct str row_key_str(const struct row_key *key)
{
    return (struct str){ key->data, key->len };
}

bool row_key_read(struct str key, uint64_t *ret_number)
{
    struct wire_reader r = wire_reader(key.ptr, key.len, 0);
    uint64_t number = wire_get_u64(&r);

    if (wire_finish(&r) != ERR_OK)
        return false;
    *ret_number = number;
    return true;
}

bool row_key_read_pair(struct str key, uint64_t *ret_session, uint64_t *ret_seq)
{
    struct wire_reader r = wire_reader(key.ptr, key.len, 0);
    uint64_t session = wire_get_u64(&r), seq = wire_get_u64(&r);

    if (wire_finish(&r) != ERR_OK)
        return false;
    *ret_session = session;
    *ret_seq = seq;
    return true;
}

void row_begin(struct buf *value)
{
    buf_clear(value);
    wire_put_u32(value, 0);
}

void row_seal(struct buf *value, struct str key)
{
    if (value->failed)
        return;
    uint32_t crc = crc32c(crc32c(0, key.ptr, key.len), value->data + CRC_LEN,
                          value->len - CRC_LEN);
    for (int i = 0; i < CRC_LEN; i++)
        value->data[i] = (uint8_t)(crc >> (24 - 8 * i));
}

int row_open(struct str key, struct str value, struct str *ret_content)
{
    struct wire_reader r = wire_reader(value.ptr, value.len, 0);
    uint32_t crc = wire_get_u32(&r);
    struct str content = wire_get_rest(&r);

    if (r.err || crc != crc32c(crc32c(0, key.ptr, key.len), content.ptr, content.len))
        return ERR_CHECKSUM;
    *ret_content = content;
    return ERR_OK;
}

void queue_row_write(struct buf *value, const struct queue_row *row, const uint32_t *ids)
{
    buf_append_u8(value, (uint8_t)(row->qos | (row->retain ? QUEUE_RETAIN : 0) |
                                   (row->received ? QUEUE_RECEIVED : 0)));
    wire_put_leb(value, row->message);
    wire_put_leb(value, row->size);
    wire_put_leb(value, row->sub_id_count);
    for (size_t i = 0; i < row->sub_id_count; i++)
        wire_put_leb(value, ids[i]);
}

int queue_row_read(struct str content, struct queue_row *ret_row)
{
    struct wire_reader r = wire_reader(content.ptr, content.len, 0);
    uint8_t flags = wire_get_u8(&r);
    struct queue_row row = { .qos = flags & QUEUE_QOS,
                             .retain = flags & QUEUE_RETAIN,
                             .received = flags & QUEUE_RECEIVED };

    row.message = wire_get_leb(&r);
    row.size = wire_get_leb(&r);
    row.sub_id_count = (uint16_t)wire_get_leb(&r);
    row.sub_ids = wire_get_rest(&r);
    if (r.err || row.sub_ids.len < row.sub_id_count)
        return ERR_CHECKSUM;
    *ret_row = row;
    return ERR_OK;
}

void queue_row_sub_ids(const struct queue_row *row, uint32_t *ids)
{
    struct wire_reader r = wire_reader(row->sub_ids.ptr, row->sub_ids.len, 0);

    for (size_t i = 0; i < row->sub_id_count; i++)
        ids[i] = (uint32_t)wire_get_leb(&r);
}

int meta_get(struct tables_txn *txn, const char *name, uint64_t *ret_value)
{
    struct str key = str_from_c(name), value;
    int err = txn->kind->get(txn, TABLE_META, key, &value);

    if (!err)
        err = row_open(key, value, &value);
    if (err)
        return err;
    struct wire_reader r = wire_reader(value.ptr, value.len, 0);
    uint64_t number = wire_get_u64(&r);
    if (wire_finish(&r) != ERR_OK)
        return ERR_CHECKSUM;
    *ret_value = number;
    return ERR_OK;
}

int meta_put(struct tables_txn *txn, const char *name, uint64_t value)
{
    struct buf row = { 0 };
    struct str key = str_from_c(name);

    row_begin(&row);
    wire_put_u64(&row, value);
    row_seal(&row, key);
    int err = row.failed ? ERR_NOMEM : txn->kind->put(txn, TABLE_META, key, buf_str(&row));
    buf_finish(&row);
    return err;
}
