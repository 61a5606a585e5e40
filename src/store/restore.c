/* SPDX-License-Identifier: Apache-2.0 */
#include "store/restore.h"

#include "base/err.h"
#include "base/os.h"
#include "mqtt/wire.h"
#include "store/about.h"
#include "store/body.h"
#include "store/face.h"
#include "store/fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct restore {
    const struct layers *layers;
    const struct delta *delta;
    struct tables_txn *txn;
    const struct tables_kind *kind;
    struct fetch fetch;
    int (*fn)(void *context, const struct durable_op *op);
    void *context;
    struct store_recovery *recovery;
};

typedef int (*row_fn)(struct restore *r, struct str key, struct str content);

/* Is it damage, which is counted and stepped over? */
static bool is_damage(struct restore *r, int err)
{
    bool is = err == ERR_CHECKSUM || err == ERR_MALFORMED;

    r->recovery->damaged += is;
    return is;
}

/* The end of a run through a table: where its pages make no sense, the rest is out of reach. */
static int run_end(struct restore *r, int err)
{
    return err == ERR_NOT_FOUND || is_damage(r, err) ? ERR_OK : err;
}

/* Call fn with every row whose key begins with prefix. Only a checksum that is right tells
 * where they end: a wrong bit may be in the key. */
static int rows_each(struct restore *r, enum table table, struct str prefix, row_fn fn)
{
    struct tables_cursor *cursor;
    struct str key, value;
    int err = r->kind->cursor(r->txn, table, &cursor);

    if (err)
        return err;
    for (err = r->kind->seek(cursor, prefix, &key, &value); !err;
         err = r->kind->next(cursor, &key, &value)) {
        if (is_damage(r, row_open(key, value, &value)))
            continue;
        if (key.len < prefix.len || (prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) != 0))
            break;
        err = fn(r, key, value);
        if (err && !is_damage(r, err))
            break;
    }
    r->kind->cursor_free(cursor);
    return run_end(r, err);
}

/* ---- a session ---- */

static int about_give(struct restore *r, uint64_t session, struct str about)
{
    struct durable_op op = { .kind = DURABLE_SESSION_PUT, .session = session };
    int err = about_read(about, &op.about);

    if (err)
        return err;
    r->recovery->sessions++;
    err = r->fn(r->context, &op);
    durable_op_finish(&op);
    return err;
}

static int sub_give(struct restore *r, uint64_t session, struct str filter, uint8_t options,
                    uint32_t sub_id)
{
    const struct durable_op op = { .kind = DURABLE_SUB_PUT, .session = session, .text = filter,
                                   .options = options, .sub_id = sub_id };

    r->recovery->subscriptions++;
    return r->fn(r->context, &op);
}

static int incoming_give(struct restore *r, uint64_t session, uint16_t packet_id)
{
    const struct durable_op op = { .kind = DURABLE_INCOMING_PUT, .session = session,
                                   .packet_id = packet_id };

    return r->fn(r->context, &op);
}

static int sub_row(struct restore *r, struct str key, struct str content)
{
    struct wire_reader reader = wire_reader(content.ptr, content.len, 0);
    struct wire_reader key_reader = wire_reader(key.ptr, key.len, 0);
    uint64_t session = wire_get_u64(&key_reader);
    uint8_t options = wire_get_u8(&reader);
    uint64_t sub_id = wire_get_leb(&reader);
    struct str filter = wire_get_rest(&reader);

    if (reader.err || key_reader.err)
        return ERR_CHECKSUM;
    if (delta_sub_find(r->delta, session, filter))
        return ERR_OK; /* which says it, or says that it is gone */
    return sub_give(r, session, filter, options, (uint32_t)sub_id);
}

static int incoming_row(struct restore *r, struct str key, struct str content)
{
    struct wire_reader reader = wire_reader(key.ptr, key.len, 0);
    uint64_t session = wire_get_u64(&reader);
    uint16_t packet_id = wire_get_u16(&reader);
    const struct delta_session *s = delta_session_find(r->delta, session);

    (void)content;
    if (wire_finish(&reader) != ERR_OK)
        return ERR_CHECKSUM;
    if (s && delta_incoming_find(s, packet_id))
        return ERR_OK;
    return incoming_give(r, session, packet_id);
}

/* Count the queue; say it where there is one. */
static int queue_give(struct restore *r, uint64_t session)
{
    struct durable_op op = { .kind = DURABLE_QUEUE_STATE, .session = session };
    struct walk walk;
    struct walk_place place;
    int err = walk_begin(&walk, r->layers, r->txn, session, 0);

    while (!err && (err = walk_next(&walk, &place)) == ERR_OK) {
        if (op.queue.count++ == 0)
            op.seq = place.seq;
        op.queue.end = place.seq + 1;
        if (!place.received)
            op.queue.bytes += place.entry ? delta_message_find(place.delta,
                                                               place.entry->message)->size
                                          : place.row.size;
        if (op.queue.count % 65536 == 0)
            r->layers->tables->kind->drop_resident(r->layers->tables);
    }
    r->recovery->damaged += walk.damaged;
    walk_finish(&walk);
    if (err != ERR_NOT_FOUND)
        return err;
    r->recovery->queued += op.queue.count;
    return op.queue.count > 0 ? r->fn(r->context, &op) : ERR_OK;
}

/* What belongs to the session, in the delta's part of it and in the tables. */
static int belongings_give(struct restore *r, uint64_t session)
{
    const struct delta_session *s = delta_session_find(r->delta, session);
    struct row_key key = row_key_number(session);
    int err = ERR_OK;

    if (!s || !s->dropped) {
        err = rows_each(r, TABLE_SUBS, row_key_str(&key), sub_row);
        if (!err)
            err = rows_each(r, TABLE_INCOMING, row_key_str(&key), incoming_row);
    }
    if (s) {
        for (const struct list *node = s->subs.next; node != &s->subs && !err;
             node = node->next) {
            const struct delta_sub *sub = list_entry(node, struct delta_sub, in_session);
            if (!sub->deleted)
                err = sub_give(r, session, (struct str){ sub->filter, sub->len }, sub->options,
                               sub->sub_id);
        }
        for (size_t i = 0; i < s->incoming.len && !err; i++) {
            if (!s->incoming.at[i].deleted)
                err = incoming_give(r, session, s->incoming.at[i].packet_id);
        }
    }
    return err ? err : queue_give(r, session);
}

static int session_give(struct restore *r, uint64_t session, struct str about)
{
    int err = about_give(r, session, about);

    return err ? err : belongings_give(r, session);
}

/* ---- all sessions: those that only the delta has come between those of the tables ---- */

struct numbers {
    VEC(uint64_t);
};

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The sessions that the delta says something of, in order. */
static int numbers_collect(const struct delta *delta, struct numbers *numbers)
{
    map_each (&delta->sessions, struct delta_session, session) {
        uint64_t *slot = vec_push(numbers);
        if (!slot)
            return ERR_NOMEM;
        *slot = session->number;
    }
    if (numbers->len > 1)
        qsort(numbers->at, numbers->len, sizeof *numbers->at, number_compare);
    return ERR_OK;
}

/* The session as the delta knows it; nothing, where that says that it is gone. */
static int delta_session_give(struct restore *r, uint64_t number)
{
    const struct delta_session *s = delta_session_find(r->delta, number);

    return s->about ? session_give(r, number, (struct str){ s->about, s->about_len }) : ERR_OK;
}

/* One session of the tables. */
static int table_session_give(struct restore *r, uint64_t number, struct str about)
{
    const struct delta_session *s = delta_session_find(r->delta, number);
    if (s && (s->dropped || s->about))
        return delta_session_give(r, number);
    return session_give(r, number, about);
}

static int sessions_give(struct restore *r, const struct numbers *numbers)
{
    struct tables_cursor *cursor;
    struct str key, value;
    size_t at = 0;
    int err = r->kind->cursor(r->txn, TABLE_SESSIONS, &cursor);

    if (err)
        return err;
    for (err = r->kind->seek(cursor, (struct str){ "", 0 }, &key, &value); !err;
         err = r->kind->next(cursor, &key, &value)) {
        uint64_t number;
        if (is_damage(r, row_open(key, value, &value)) || !row_key_read(key, &number))
            continue;
        for (; at < numbers->len && numbers->at[at] < number && !err; at++)
            err = delta_session_give(r, numbers->at[at]);
        if (at < numbers->len && numbers->at[at] == number)
            at++;
        if (!err)
            err = table_session_give(r, number, value);
        if (err && !is_damage(r, err))
            break;
    }
    r->kind->cursor_free(cursor);
    err = run_end(r, err);
    for (; at < numbers->len && !err; at++)
        err = delta_session_give(r, numbers->at[at]);
    return err;
}

/* ---- retained messages ---- */

static int retained_give(struct restore *r, struct str body)
{
    struct durable_op op = { .kind = DURABLE_RETAIN_PUT };
    int err = body_read(body, &op.message);

    if (err)
        return err;
    r->recovery->retained++;
    err = r->fn(r->context, &op);
    durable_op_finish(&op);
    return err;
}

static int retained_row(struct restore *r, struct str key, struct str content)
{
    (void)key;
    return delta_retained_find(r->delta, body_topic(content)) ? ERR_OK
                                                              : retained_give(r, content);
}

static int delta_retained_give(struct restore *r)
{
    int err = ERR_OK;

    for (const struct list *node = r->delta->topics.next; node != &r->delta->topics;
         node = node->next) {
        const struct delta_retained *retained =
            list_entry(node, struct delta_retained, in_delta);
        struct str body;
        if (retained->deleted)
            continue;
        err = fetch_body(&r->fetch, retained->id, &retained->message, &body);
        if (!err)
            err = retained_give(r, body);
        if (err && !is_damage(r, err))
            return err;
    }
    return ERR_OK;
}

static int everything_give(struct restore *r)
{
    struct numbers numbers = { 0 };
    int err = numbers_collect(r->delta, &numbers);

    if (!err)
        err = sessions_give(r, &numbers);
    vec_finish(&numbers);
    if (!err)
        err = rows_each(r, TABLE_RETAINED, (struct str){ "", 0 }, retained_row);
    return err ? err : delta_retained_give(r);
}

int restore_run(struct worker *w, int (*fn)(void *context, const struct durable_op *op),
                void *context, struct store_recovery *ret_recovery)
{
    struct layers layers = worker_layers(w);
    struct store_recovery recovery = w->recovery;
    struct restore r = { .layers = &layers,
                         .delta = w->active,
                         .kind = w->tables->kind,
                         .fetch = { .disk = w->disk },
                         .fn = fn,
                         .context = context,
                         .recovery = &recovery };
    uint64_t start = os_monotonic_ms();
    int err = r.kind->begin(w->tables, false, &r.txn);

    if (err)
        return err;
    err = everything_give(&r);
    fetch_finish(&r.fetch);
    r.kind->abort(r.txn);
    w->tables->kind->drop_resident(w->tables);
    recovery.took_ms += (uint32_t)(os_monotonic_ms() - start);
    *ret_recovery = recovery;
    return err;
}

int store_restore(struct store *store, int (*fn)(void *context, const struct durable_op *op),
                  void *context, struct store_recovery *ret_recovery)
{
    assert(!store->threaded && !store->worker->frozen);
    int err = restore_run(store->worker, fn, context, ret_recovery);
    if (err)
        return err;
    store->worker->stats.damaged += ret_recovery->damaged;
    face_publish(store);
    return ERR_OK;
}
