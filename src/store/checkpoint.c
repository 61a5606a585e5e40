/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoint.h"

#include "base/err.h"
#include "mqtt/wire.h"
#include "store/fetch.h"
#include "store/row.h"

#include <stdlib.h>
#include <string.h>

/* So many rows, and the memory that reading them took is given back. */
enum { DROP_EVERY = 16 * 1024 };

struct checkpoint {
    struct tables *tables;
    struct tables_txn *txn;
    const struct tables_kind *kind;
    const struct delta *delta;
    struct buf value;
    struct tables_cursor *queue;
    uint64_t *damaged;
    struct fetch fetch;
    struct {
        VEC(uint64_t);
    } released; /* messages that a queue row no longer waits with, once for each */
};

/* Set a row to what was appended to c->value since row_begin. */
static int value_put(struct checkpoint *c, enum table table, const struct row_key *key)
{
    row_seal(&c->value, row_key_str(key));
    if (c->value.failed)
        return ERR_NOMEM;
    return c->kind->put(c->txn, table, row_key_str(key), buf_str(&c->value));
}

/* Remove a row that may not be there. */
static int row_remove(struct checkpoint *c, enum table table, const struct row_key *key)
{
    int err = c->kind->remove(c->txn, table, row_key_str(key));

    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The end of a run through rows: where pages make no sense, the rest is out of reach. */
static int run_end(struct checkpoint *c, int err)
{
    *c->damaged += err == ERR_CHECKSUM;
    return err == ERR_NOT_FOUND || err == ERR_CHECKSUM ? ERR_OK : err;
}

/* ---- messages ---- */

static int refs_put(struct checkpoint *c, uint64_t id, uint64_t refs)
{
    struct row_key key = row_key_number(id);

    if (refs == 1)
        return row_remove(c, TABLE_REFS, &key);
    row_begin(&c->value);
    wire_put_leb(&c->value, refs);
    return value_put(c, TABLE_REFS, &key);
}

/* A queue row no longer waits with the message. */
static int message_release(struct checkpoint *c, uint64_t id)
{
    uint64_t *slot = vec_push(&c->released);

    if (!slot)
        return ERR_NOMEM;
    *slot = id;
    return ERR_OK;
}

/* One reference less: the last one takes the message with it. */
static int message_deref(struct checkpoint *c, uint64_t id)
{
    struct row_key key = row_key_number(id);
    struct str value;
    int err = c->kind->get(c->txn, TABLE_REFS, row_key_str(&key), &value);

    if (err == ERR_NOT_FOUND)
        return row_remove(c, TABLE_MESSAGES, &key);
    if (!err)
        err = row_open(row_key_str(&key), value, &value);
    if (err) {
        *c->damaged += err == ERR_CHECKSUM;
        return err == ERR_CHECKSUM ? ERR_OK : err;
    }
    struct wire_reader r = wire_reader(value.ptr, value.len, 0);
    uint64_t refs = wire_get_leb(&r);
    return refs > 1 ? refs_put(c, id, refs - 1) : ERR_OK;
}

static int id_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* In the order of the table, so that pages are done with one by one, and not all in memory
 * at once. */
static int messages_deref(struct checkpoint *c)
{
    int err = ERR_OK;

    if (c->released.len > 1)
        qsort(c->released.at, c->released.len, sizeof *c->released.at, id_compare);
    for (size_t i = 0; i < c->released.len && !err; i++) {
        err = message_deref(c, c->released.at[i]);
        if (i % DROP_EVERY == DROP_EVERY - 1)
            c->tables->kind->drop_resident(c->tables);
    }
    return err;
}

static int messages_put(struct checkpoint *c)
{
    const struct delta *d = c->delta;
    int err = ERR_OK;

    for (size_t i = 0; i < d->messages.len && !err; i++) {
        const struct delta_message *m = &d->messages.at[i];
        uint64_t id = d->first_message + i;
        struct row_key key = row_key_number(id);
        struct str body;
        if (m->refs == 0)
            continue;
        err = fetch_body(&c->fetch, id, m, &body);
        if (err == ERR_CHECKSUM) { /* its queue rows will not find it */
            ++*c->damaged;
            err = ERR_OK;
            continue;
        }
        if (err)
            break;
        row_begin(&c->value);
        buf_append_str(&c->value, body);
        err = value_put(c, TABLE_MESSAGES, &key);
        if (!err && m->refs > 1)
            err = refs_put(c, id, m->refs);
    }
    return err;
}

/* ---- a session ---- */

/* Remove the rows of a table whose key begins with the session's number. */
static int range_remove(struct checkpoint *c, enum table table, uint64_t session)
{
    struct row_key from = row_key_number(session);
    struct tables_cursor *cursor;
    struct str key, value;
    int err = c->kind->cursor(c->txn, table, &cursor);

    if (err)
        return err;
    for (err = c->kind->seek(cursor, row_key_str(&from), &key, &value); !err;
         err = c->kind->next(cursor, &key, &value)) {
        if (key.len < from.len || memcmp(key.ptr, from.data, from.len) != 0)
            break;
        err = c->kind->remove_at(cursor);
        if (err)
            break;
    }
    c->kind->cursor_free(cursor);
    return run_end(c, err);
}

/* Read the queue row; what is not readable counts as damaged, and has no message. */
static int queue_row_open(struct checkpoint *c, struct str key, struct str value,
                          struct queue_row *ret_row)
{
    int err = row_open(key, value, &value);

    if (!err)
        err = queue_row_read(value, ret_row);
    *c->damaged += err != ERR_OK;
    return err;
}

/* Remove the queue rows of [from, end). */
static int queue_remove(struct checkpoint *c, uint64_t session, uint64_t from, uint64_t end)
{
    struct row_key first = row_key_queue(session, from);
    struct str key, value;
    uint64_t of, seq;
    int err;

    for (err = c->kind->seek(c->queue, row_key_str(&first), &key, &value); !err;
         err = c->kind->next(c->queue, &key, &value)) {
        struct queue_row row;
        if (!row_key_read_pair(key, &of, &seq) || of != session || seq >= end)
            return ERR_OK;
        bool holds = queue_row_open(c, key, value, &row) == ERR_OK && !row.received;
        err = c->kind->remove_at(c->queue);
        if (!err && holds)
            err = message_release(c, row.message);
        if (err)
            return err;
        if (c->released.len % DROP_EVERY == DROP_EVERY - 1)
            c->tables->kind->drop_resident(c->tables);
    }
    return run_end(c, err);
}

static int queue_write(struct checkpoint *c, uint64_t session, uint64_t seq,
                       const struct queue_row *row, const uint32_t *ids)
{
    struct row_key key = row_key_queue(session, seq);

    row_begin(&c->value);
    queue_row_write(&c->value, row, ids);
    return value_put(c, TABLE_QUEUE, &key);
}

/* Note in the queue rows of [from, end) that they are received, and let their messages go. */
static int queue_receive(struct checkpoint *c, uint64_t session, uint64_t from, uint64_t end)
{
    int err = ERR_OK;

    while (!err) {
        struct row_key first = row_key_queue(session, from);
        struct str key, value;
        struct queue_row row;
        uint64_t of, seq;
        err = c->kind->seek(c->queue, row_key_str(&first), &key, &value);
        if (err || !row_key_read_pair(key, &of, &seq) || of != session || seq >= end)
            break;
        from = seq + 1;
        if (queue_row_open(c, key, value, &row) != ERR_OK || row.received)
            continue;
        row.received = true;
        row.sub_id_count = 0;
        err = queue_write(c, session, seq, &row, NULL);
        if (!err)
            err = message_release(c, row.message);
    }
    return run_end(c, err);
}

static int entry_put(struct checkpoint *c, uint64_t session, const struct delta_entry *entry)
{
    const struct delta_message *m = delta_message_find(c->delta, entry->message);
    struct queue_row row = { .message = entry->message,
                             .size = m->size,
                             .qos = entry->qos,
                             .retain = entry->retain,
                             .received = entry->received,
                             .sub_id_count = entry->received ? 0 : entry->sub_id_count };

    return queue_write(c, session, entry->seq, &row,
                       entry->sub_id_count > 1 ? entry->sub_ids : &entry->sub_id);
}

static int queue_put(struct checkpoint *c, const struct delta_session *s)
{
    int err = ERR_OK;

    for (size_t i = 0; i < s->done.len && !err; i++)
        err = queue_remove(c, s->number, s->done.at[i].from, s->done.at[i].end);
    for (size_t i = 0; i < s->received.len && !err; i++)
        err = queue_receive(c, s->number, s->received.at[i].from, s->received.at[i].end);
    for (size_t i = s->head; i < s->entries.len && !err; i++) {
        if (!s->entries.at[i].gone)
            err = entry_put(c, s->number, &s->entries.at[i]);
    }
    return err;
}

static int sub_put(struct checkpoint *c, const struct delta_sub *sub)
{
    struct str filter = { sub->filter, sub->len };
    struct row_key key = row_key_sub(sub->session, filter);

    if (sub->deleted)
        return row_remove(c, TABLE_SUBS, &key);
    row_begin(&c->value);
    buf_append_u8(&c->value, sub->options);
    wire_put_leb(&c->value, sub->sub_id);
    buf_append_str(&c->value, filter);
    return value_put(c, TABLE_SUBS, &key);
}

static int incoming_put(struct checkpoint *c, uint64_t session,
                        const struct delta_incoming *incoming)
{
    struct row_key key = row_key_incoming(session, incoming->packet_id);

    if (incoming->deleted)
        return row_remove(c, TABLE_INCOMING, &key);
    row_begin(&c->value);
    return value_put(c, TABLE_INCOMING, &key);
}

static int session_clear(struct checkpoint *c, uint64_t session)
{
    struct row_key key = row_key_number(session);
    int err = row_remove(c, TABLE_SESSIONS, &key);

    if (!err)
        err = range_remove(c, TABLE_SUBS, session);
    if (!err)
        err = range_remove(c, TABLE_INCOMING, session);
    if (!err)
        err = queue_remove(c, session, 0, UINT64_MAX);
    return err;
}

static int session_put(struct checkpoint *c, const struct delta_session *s)
{
    int err = s->dropped ? session_clear(c, s->number) : ERR_OK;
    struct row_key key = row_key_number(s->number);

    if (!err && s->about) {
        row_begin(&c->value);
        buf_append(&c->value, s->about, s->about_len);
        err = value_put(c, TABLE_SESSIONS, &key);
    }
    for (const struct list *node = s->subs.next; node != &s->subs && !err; node = node->next)
        err = sub_put(c, list_entry(node, struct delta_sub, in_session));
    for (size_t i = 0; i < s->incoming.len && !err; i++)
        err = incoming_put(c, s->number, &s->incoming.at[i]);
    return err ? err : queue_put(c, s);
}

/* ---- all of it ---- */

static int retained_put(struct checkpoint *c, const struct delta_retained *retained)
{
    struct row_key key = row_key_text((struct str){ retained->topic, retained->len });
    struct str body;

    if (retained->deleted)
        return row_remove(c, TABLE_RETAINED, &key);
    int err = fetch_body(&c->fetch, retained->id, &retained->message, &body);
    if (err == ERR_CHECKSUM) { /* the older one is not true any more, either */
        ++*c->damaged;
        return row_remove(c, TABLE_RETAINED, &key);
    }
    if (err)
        return err;
    row_begin(&c->value);
    buf_append_str(&c->value, body);
    return value_put(c, TABLE_RETAINED, &key);
}

static int everything_put(struct checkpoint *c)
{
    const struct delta *d = c->delta;
    size_t at = 0;
    struct delta_session *session;
    int err = messages_put(c);

    while (!err && (session = map_next(&d->sessions, &at)))
        err = session_put(c, session);
    if (!err)
        err = messages_deref(c);
    for (const struct list *node = d->topics.next; node != &d->topics && !err; node = node->next)
        err = retained_put(c, list_entry(node, struct delta_retained, in_delta));
    if (!err)
        err = meta_put(c->txn, META_APPLIED, d->last_group);
    if (!err && d->messages.len > 0)
        err = meta_put(c->txn, META_NEXT_MESSAGE, d->first_message + d->messages.len);
    return err;
}

int checkpoint_apply(struct tables *tables, const struct disk *disk, const struct delta *delta,
                     uint64_t *damaged)
{
    struct checkpoint c = { .tables = tables,
                            .kind = tables->kind,
                            .delta = delta,
                            .damaged = damaged,
                            .fetch = { .disk = disk } };
    int err = tables->kind->begin(tables, true, &c.txn);

    if (err)
        return err;
    err = c.kind->cursor(c.txn, TABLE_QUEUE, &c.queue);
    if (!err) {
        err = everything_put(&c);
        c.kind->cursor_free(c.queue);
    }
    buf_finish(&c.value);
    fetch_finish(&c.fetch);
    vec_finish(&c.released);
    if (err) {
        c.kind->abort(c.txn);
        return err;
    }
    err = c.kind->commit(c.txn);
    tables->kind->drop_resident(tables);
    return err;
}
