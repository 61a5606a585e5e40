/* SPDX-License-Identifier: Apache-2.0 */
#include "store/delta.h"

#include "base/err.h"
#include "base/hash.h"
#include "store/body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sub_key {
    uint64_t session;
    struct str filter;
};

static bool session_equal(const void *entry, const void *key)
{
    return ((const struct delta_session *)entry)->number == *(const uint64_t *)key;
}

static bool sub_equal(const void *entry, const void *key)
{
    const struct delta_sub *sub = entry;
    const struct sub_key *k = key;

    return sub->session == k->session &&
           str_equal((struct str){ sub->filter, sub->len }, k->filter);
}

static bool retained_equal(const void *entry, const void *key)
{
    const struct delta_retained *retained = entry;

    return str_equal((struct str){ retained->topic, retained->len }, *(const struct str *)key);
}

static uint64_t sub_hash(const struct delta *delta, const struct sub_key *key)
{
    return hash_fast(delta->secret ^ hash_mix(key->session), key->filter.ptr, key->filter.len);
}

static uint64_t topic_hash(const struct delta *delta, struct str topic)
{
    return hash_fast(delta->secret, topic.ptr, topic.len);
}

struct delta *delta_new(uint64_t first_message, uint64_t secret)
{
    struct delta *delta = calloc(1, sizeof *delta);

    if (!delta)
        return NULL;
    map_init(&delta->sessions, session_equal);
    map_init(&delta->subs, sub_equal);
    map_init(&delta->retained, retained_equal);
    list_init(&delta->topics);
    delta->first_message = first_message;
    delta->secret = secret;
    return delta;
}

static void entry_finish(struct delta_entry *entry)
{
    if (entry->sub_id_count > 1)
        free(entry->sub_ids);
    entry->sub_id_count = 0;
}

static void session_free(struct delta_session *session)
{
    vec_each (&session->entries, entry)
        entry_finish(entry);
    vec_finish(&session->entries);
    spans_finish(&session->done);
    spans_finish(&session->received);
    vec_finish(&session->incoming);
    free(session->about);
    free(session);
}

void delta_free(struct delta *delta)
{
    if (!delta)
        return;
    map_each (&delta->subs, struct delta_sub, sub)
        free(sub);
    map_each (&delta->retained, struct delta_retained, retained)
        free(retained);
    map_each (&delta->sessions, struct delta_session, session)
        session_free(session);
    map_finish(&delta->subs);
    map_finish(&delta->retained);
    map_finish(&delta->sessions);
    vec_finish(&delta->messages);
    free(delta);
}

struct delta_session *delta_session_find(const struct delta *delta, uint64_t number)
{
    return map_find(&delta->sessions, hash_mix(number), &number);
}

struct delta_retained *delta_retained_find(const struct delta *delta, struct str topic)
{
    return map_find(&delta->retained, topic_hash(delta, topic), &topic);
}

struct delta_sub *delta_sub_find(const struct delta *delta, uint64_t session, struct str filter)
{
    struct sub_key key = { session, filter };

    return map_find(&delta->subs, sub_hash(delta, &key), &key);
}

struct delta_message *delta_message_find(const struct delta *delta, uint64_t id)
{
    assert(id >= delta->first_message && id - delta->first_message < delta->messages.len);
    return &delta->messages.at[id - delta->first_message];
}

size_t delta_entry_at(const struct delta_session *session, uint64_t seq)
{
    size_t low = session->head, high = session->entries.len;

    if (high > low && session->entries.at[high - 1].seq < seq)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (session->entries.at[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t incoming_at(const struct delta_session *session, uint16_t packet_id)
{
    size_t low = 0, high = session->incoming.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (session->incoming.at[middle].packet_id < packet_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct delta_incoming *delta_incoming_find(const struct delta_session *session,
                                           uint16_t packet_id)
{
    size_t at = incoming_at(session, packet_id);

    return at < session->incoming.len && session->incoming.at[at].packet_id == packet_id
               ? &session->incoming.at[at]
               : NULL;
}

/* The session's part, made where there is none; NULL: out of memory. */
static struct delta_session *session_of(struct delta *delta, uint64_t number)
{
    if (delta->recent && delta->recent->number == number)
        return delta->recent;
    struct delta_session *session = delta_session_find(delta, number);
    if (!session) {
        session = calloc(1, sizeof *session);
        if (!session)
            return NULL;
        session->number = number;
        list_init(&session->subs);
        if (map_insert(&delta->sessions, hash_mix(number), session) != ERR_OK) {
            free(session);
            return NULL;
        }
        delta->marks++;
    }
    delta->recent = session;
    return session;
}

/* A queue entry no longer waits with its message. */
static void message_drop(struct delta *delta, uint64_t id)
{
    struct delta_message *message = delta_message_find(delta, id);

    assert(message->refs > 0);
    if (--message->refs == 0)
        delta->live_bytes -= message->len;
}

/* An entry is done. */
static void entry_drop(struct delta *delta, struct delta_session *session,
                       struct delta_entry *entry)
{
    if (!entry->received)
        message_drop(delta, entry->message);
    entry_finish(entry);
    entry->gone = true;
    session->live--;
    delta->marks--;
    while (session->head < session->entries.len && session->entries.at[session->head].gone)
        session->head++;
    if (session->head > 64 && session->head > session->entries.len / 2) {
        session->entries.len -= session->head;
        memmove(session->entries.at, session->entries.at + session->head,
                session->entries.len * sizeof *session->entries.at);
        session->head = 0;
    }
}

/* The entry of this run at seq that is not done, or NULL. */
static struct delta_entry *entry_find(const struct delta_session *session, uint64_t seq)
{
    size_t at = delta_entry_at(session, seq);
    struct delta_entry *entry = session->entries.at + at;

    return at < session->entries.len && entry->seq == seq && !entry->gone ? entry : NULL;
}

/* A place for the entry with this seq, which is not there. */
static struct delta_entry *entry_insert(struct delta_session *session, uint64_t seq)
{
    size_t at = delta_entry_at(session, seq), len = session->entries.len;

    if (at < len && session->entries.at[at].seq == seq)
        return &session->entries.at[at]; /* done, and used again */
    if (!vec_push(&session->entries))
        return NULL;
    struct delta_entry *entry = &session->entries.at[at];
    memmove(entry + 1, entry, (len - at) * sizeof *entry);
    return entry;
}

static int queue_put(struct delta *delta, const struct record *r)
{
    struct delta_session *session = session_of(delta, r->session);

    if (delta->messages.len == 0)
        return ERR_MALFORMED;
    if (!session)
        return ERR_NOMEM;
    struct delta_entry *old = entry_find(session, r->seq);
    if (old) /* whose end was in a batch that is lost */
        entry_drop(delta, session, old);
    uint32_t *sub_ids = NULL;
    if (r->sub_id_count > 1) {
        sub_ids = malloc((size_t)r->sub_id_count * sizeof *sub_ids);
        if (!sub_ids)
            return ERR_NOMEM;
        record_sub_ids(r, sub_ids);
    }
    struct delta_entry *entry = entry_insert(session, r->seq);
    if (!entry) {
        free(sub_ids);
        return ERR_NOMEM;
    }
    *entry = (struct delta_entry){ .seq = r->seq,
                                   .message = delta->first_message + delta->messages.len - 1,
                                   .sub_id_count = (uint16_t)r->sub_id_count,
                                   .qos = r->qos & 3,
                                   .retain = r->options & 1 };
    if (sub_ids)
        entry->sub_ids = sub_ids;
    else
        entry->sub_id = r->sub_id;
    struct delta_message *message = &delta->messages.at[delta->messages.len - 1];
    if (message->refs++ == 0)
        delta->live_bytes += message->len;
    session->live++;
    delta->marks++;
    return ERR_OK;
}

static int queue_done(struct delta *delta, const struct record *r)
{
    struct delta_session *session = session_of(delta, r->session);

    if (!session)
        return ERR_NOMEM;
    struct delta_entry *entry = entry_find(session, r->seq);
    if (entry) {
        entry_drop(delta, session, entry);
        return ERR_OK;
    }
    size_t spans = session->done.len;
    int err = session->dropped ? ERR_OK : spans_add(&session->done, r->seq);
    delta->marks += session->done.len > spans;
    delta->removals++;
    return err;
}

static int queue_received(struct delta *delta, const struct record *r)
{
    struct delta_session *session = session_of(delta, r->session);

    if (!session)
        return ERR_NOMEM;
    struct delta_entry *entry = entry_find(session, r->seq);
    if (entry) {
        if (!entry->received)
            message_drop(delta, entry->message);
        entry->received = true;
        return ERR_OK;
    }
    size_t spans = session->received.len;
    int err = session->dropped ? ERR_OK : spans_add(&session->received, r->seq);
    delta->marks += session->received.len > spans;
    delta->removals++;
    return err;
}

static int session_put(struct delta *delta, const struct record *r)
{
    struct delta_session *session = session_of(delta, r->session);
    char *about = malloc(r->text.len + 1);

    if (!session || !about) {
        free(about);
        return ERR_NOMEM;
    }
    if (r->text.len)
        memcpy(about, r->text.ptr, r->text.len);
    free(session->about);
    session->about = about;
    session->about_len = r->text.len;
    return ERR_OK;
}

static void subs_drop(struct delta *delta, struct delta_session *session)
{
    struct list *node;

    while ((node = list_pop_front(&session->subs))) {
        struct delta_sub *sub = list_entry(node, struct delta_sub, in_session);
        struct sub_key key = { sub->session, { sub->filter, sub->len } };
        map_remove(&delta->subs, sub_hash(delta, &key), &key);
        delta->marks--;
        free(sub);
    }
}

static int session_del(struct delta *delta, const struct record *r)
{
    struct delta_session *session = session_of(delta, r->session);

    if (!session)
        return ERR_NOMEM;
    for (size_t i = session->head; i < session->entries.len; i++) {
        struct delta_entry *entry = &session->entries.at[i];
        if (entry->gone)
            continue;
        if (!entry->received)
            message_drop(delta, entry->message);
        entry_finish(entry);
        delta->marks--;
    }
    subs_drop(delta, session);
    delta->marks -= session->done.len + session->received.len + session->incoming.len;
    vec_finish(&session->entries);
    vec_finish(&session->incoming);
    spans_finish(&session->done);
    spans_finish(&session->received);
    free(session->about);
    session->about = NULL;
    session->head = session->live = 0;
    session->dropped = true;
    return ERR_OK;
}

static int sub_set(struct delta *delta, const struct record *r, bool deleted)
{
    struct delta_session *session = session_of(delta, r->session);
    struct delta_sub *sub = delta_sub_find(delta, r->session, r->text);

    if (!session)
        return ERR_NOMEM;
    if (!sub) {
        struct sub_key key = { r->session, r->text };
        sub = malloc(sizeof *sub + r->text.len);
        if (!sub)
            return ERR_NOMEM;
        *sub = (struct delta_sub){ .session = r->session, .len = r->text.len };
        if (r->text.len)
            memcpy(sub->filter, r->text.ptr, r->text.len);
        if (map_insert(&delta->subs, sub_hash(delta, &key), sub) != ERR_OK) {
            free(sub);
            return ERR_NOMEM;
        }
        list_init(&sub->in_session);
        list_push_back(&session->subs, &sub->in_session);
        delta->marks++;
    }
    sub->sub_id = r->sub_id;
    sub->options = r->options;
    sub->deleted = deleted;
    return ERR_OK;
}

static int incoming_set(struct delta *delta, const struct record *r, bool deleted)
{
    struct delta_session *session = session_of(delta, r->session);

    if (!session)
        return ERR_NOMEM;
    struct delta_incoming *incoming = delta_incoming_find(session, r->packet_id);
    if (!incoming) {
        size_t at = incoming_at(session, r->packet_id), len = session->incoming.len;
        if (!vec_push(&session->incoming))
            return ERR_NOMEM;
        incoming = &session->incoming.at[at];
        memmove(incoming + 1, incoming, (len - at) * sizeof *incoming);
        delta->marks++;
    }
    *incoming = (struct delta_incoming){ r->packet_id, deleted };
    return ERR_OK;
}

static int retained_set(struct delta *delta, struct str topic, const struct delta_message *message)
{
    struct delta_retained *retained = delta_retained_find(delta, topic);

    if (topic.len == 0)
        return ERR_MALFORMED;
    if (!retained) {
        retained = malloc(sizeof *retained + topic.len);
        if (!retained)
            return ERR_NOMEM;
        *retained = (struct delta_retained){ .len = topic.len };
        memcpy(retained->topic, topic.ptr, topic.len);
        if (map_insert(&delta->retained, topic_hash(delta, topic), retained) != ERR_OK) {
            free(retained);
            return ERR_NOMEM;
        }
        list_init(&retained->in_delta);
        list_push_back(&delta->topics, &retained->in_delta);
        delta->marks++;
    }
    retained->deleted = !message;
    if (message) {
        retained->message = *message;
        retained->id = delta->first_message + delta->messages.len - 1;
    }
    return ERR_OK;
}

/* What stays the same while a batch is applied. */
struct run {
    struct delta *delta;
    struct str records;
    struct journal_place place;
    struct str body; /* of the last message */
};

static int message_add(struct run *run, const struct record *r)
{
    struct delta_message *message = vec_push(&run->delta->messages);

    if (!message)
        return ERR_NOMEM;
    *message = (struct delta_message){
        .segment = run->place.segment,
        .offset = (uint32_t)(run->place.offset + (uint64_t)(r->text.ptr - run->records.ptr)),
        .len = (uint32_t)r->text.len,
        .crc = r->crc,
        .size = (uint32_t)body_message_size(r->text),
    };
    run->body = r->text;
    return ERR_OK;
}

static int record_apply(struct run *run, const struct record *r)
{
    struct delta *delta = run->delta;

    switch (r->kind) {
    case RECORD_MESSAGE: return message_add(run, r);
    case RECORD_SESSION_PUT: return session_put(delta, r);
    case RECORD_SESSION_DEL: return session_del(delta, r);
    case RECORD_SUB_PUT: return sub_set(delta, r, false);
    case RECORD_SUB_DEL: return sub_set(delta, r, true);
    case RECORD_QUEUE_PUT: return run->body.ptr ? queue_put(delta, r) : ERR_MALFORMED;
    case RECORD_QUEUE_RECEIVED: return queue_received(delta, r);
    case RECORD_QUEUE_DEL: return queue_done(delta, r);
    case RECORD_INCOMING_PUT: return incoming_set(delta, r, false);
    case RECORD_INCOMING_DEL: return incoming_set(delta, r, true);
    case RECORD_RETAIN_PUT:
        return run->body.ptr ? retained_set(delta, body_topic(run->body),
                                            &delta->messages.at[delta->messages.len - 1])
                             : ERR_MALFORMED;
    case RECORD_RETAIN_DEL: return retained_set(delta, r->text, NULL);
    }
    return ERR_MALFORMED;
}

/* Ids of messages that were lost with a damaged batch keep their places. */
static int messages_skip(struct delta *delta, uint64_t first)
{
    enum { SKIP_MAX = 1 << 24 };
    uint64_t next = delta->first_message + delta->messages.len;

    if (delta->messages.len == 0) {
        delta->first_message = first;
        return ERR_OK;
    }
    if (first < next || first - next > SKIP_MAX)
        return ERR_MALFORMED;
    for (; next < first; next++) {
        if (!vec_push(&delta->messages))
            return ERR_NOMEM;
    }
    return ERR_OK;
}

int delta_apply(struct delta *delta, const struct batch_header *header, struct str records,
                struct journal_place place)
{
    struct run run = { .delta = delta, .records = records, .place = place };
    struct wire_reader r = wire_reader(records.ptr, records.len, 0);
    struct record record;
    int err = messages_skip(delta, header->first_message);

    for (uint32_t i = 0; i < header->records && !err; i++) {
        err = record_next(&r, &record);
        if (!err)
            err = record_apply(&run, &record);
    }
    delta->last_group = header->number;
    delta->batch_bytes += batch_size(header);
    if (err)
        return err == ERR_NOMEM ? err : ERR_MALFORMED;
    return wire_finish(&r);
}
