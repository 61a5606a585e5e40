/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "base/err.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_of(size_t index)
{
    return index + 1;
}

void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < MODEL_SESSIONS; i++) {
        model->sessions[i].next_seq = 1;
        for (size_t j = 0; j < MODEL_SUBS; j++)
            model->sessions[i].subs[j] = -1;
    }
}

static const char *text_of(char text[32], const char *what, uint64_t number)
{
    snprintf(text, 32, "%s%" PRIu64, what, number);
    return text;
}

static void session_step(struct model *m, struct rig *rig, struct rand *rand, size_t i)
{
    struct model_session *s = &m->sessions[i];
    char text[32];

    if (s->there && rand_below(rand, 6) == 0) {
        uint64_t next_seq = s->next_seq;
        struct model fresh;
        model_init(&fresh);
        *s = fresh.sessions[i];
        s->next_seq = next_seq;
        rig_session_del(rig, number_of(i));
        return;
    }
    s->there = true;
    s->about = ++m->payload;
    rig_session(rig, number_of(i), text_of(text, "client", s->about));
}

static void sub_step(struct model *m, struct rig *rig, struct rand *rand, size_t i)
{
    struct model_session *s = &m->sessions[i];
    size_t j = (size_t)rand_below(rand, MODEL_SUBS);
    char text[32];

    text_of(text, "filter/", j);
    if (rand_next(rand) & 1) {
        s->subs[j] = (int)rand_below(rand, 40);
        rig_sub(rig, number_of(i), text, (uint8_t)s->subs[j]);
    } else {
        s->subs[j] = -1;
        rig_sub_del(rig, number_of(i), text);
    }
}

static void incoming_step(struct model *m, struct rig *rig, struct rand *rand, size_t i)
{
    size_t j = (size_t)rand_below(rand, MODEL_INCOMING);
    bool there = !m->sessions[i].incoming[j];

    m->sessions[i].incoming[j] = there;
    rig_incoming(rig, number_of(i), (uint16_t)(j + 1), there);
}

/* A publish: to some sessions, and retained, perhaps; with a payload that may be large. */
static void publish_step(struct model *m, struct rig *rig, struct rand *rand)
{
    char topic[32], payload[2000];
    size_t j = (size_t)rand_below(rand, MODEL_TOPICS);
    int fill = rand_below(rand, 8) == 0 ? 1500 : (int)rand_below(rand, 80);

    m->payload++;
    snprintf(payload, sizeof payload, "%" PRIu32 "%*s", m->payload, fill, "");
    struct message *message = rig_message(text_of(topic, "topic/", j), payload);
    for (size_t i = 0; i < MODEL_SESSIONS; i++) {
        struct model_session *s = &m->sessions[i];
        if (!s->there || s->count == MODEL_QUEUE || rand_below(rand, 3) == 0)
            continue;
        uint64_t seq = s->next_seq++;
        uint64_t token = rig_queue(rig, number_of(i), seq, message_ref(message));
        s->queue[s->count++] = (struct model_entry){ seq, m->payload, false, token };
        if (rand_below(rand, 4) == 0) { /* the QoS 2 publish it came with */
            size_t k = (size_t)rand_below(rand, MODEL_INCOMING);
            if (!s->incoming[k])
                rig_incoming(rig, number_of(i), (uint16_t)(k + 1), true);
            s->incoming[k] = true;
        }
    }
    if (rand_below(rand, 4) == 0) {
        m->retained[j] = m->payload;
        rig_retain(rig, message_ref(message));
    }
    message_unref(message);
}

/* Something in a queue gets on: the first, mostly. */
static void queue_step(struct model *m, struct rig *rig, struct rand *rand, size_t i)
{
    struct model_session *s = &m->sessions[i];
    size_t at = rand_below(rand, 3) ? 0 : (size_t)rand_below(rand, s->count);
    struct model_entry entry = s->queue[at];

    if (!entry.received && rand_below(rand, 4) == 0) {
        s->queue[at].received = true;
        rig_received(rig, number_of(i), entry.seq);
        return;
    }
    s->count--;
    memmove(&s->queue[at], &s->queue[at + 1], (s->count - at) * sizeof s->queue[0]);
    rig_done(rig, number_of(i), entry.seq, entry.put_token);
    rig_last(rig)->lazy = rand_next(rand) & 1;
}

void model_step(struct model *m, struct rig *rig, struct rand *rand)
{
    size_t i = (size_t)rand_below(rand, MODEL_SESSIONS);
    char text[32];

    switch (m->sessions[i].there ? rand_below(rand, 16) : 0) {
    case 0: session_step(m, rig, rand, i); break;
    case 1: sub_step(m, rig, rand, i); break;
    case 2: incoming_step(m, rig, rand, i); break;
    case 3:
        m->retained[i] = 0;
        rig_retain_del(rig, text_of(text, "topic/", i));
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        if (m->sessions[i].count > 0)
            queue_step(m, rig, rand, i);
        break;
    default: publish_step(m, rig, rand); break;
    }
}

void model_restart(struct model *model)
{
    for (size_t i = 0; i < MODEL_SESSIONS; i++) {
        for (size_t j = 0; j < model->sessions[i].count; j++)
            model->sessions[i].queue[j].put_token = 0;
    }
}

static void session_print(const struct model_session *s, uint64_t number, struct buf *out)
{
    buf_printf(out, "session %" PRIu64 " client%" PRIu32 "\n", number, s->about);
    for (size_t j = 0; j < MODEL_SUBS; j++) {
        if (s->subs[j] >= 0)
            buf_printf(out, "sub %" PRIu64 " filter/%zu %d\n", number, j, s->subs[j]);
    }
    for (size_t j = 0; j < MODEL_INCOMING; j++) {
        if (s->incoming[j])
            buf_printf(out, "incoming %" PRIu64 " %zu\n", number, j + 1);
    }
    for (size_t j = 0; j < s->count; j++) {
        buf_printf(out, "entry %" PRIu64 " %" PRIu64 " ", number, s->queue[j].seq);
        if (s->queue[j].received)
            buf_printf(out, "received\n");
        else
            buf_printf(out, "%" PRIu32 "\n", s->queue[j].payload);
    }
}

void model_print(const struct model *m, struct buf *out)
{
    for (size_t i = 0; i < MODEL_SESSIONS; i++) {
        if (m->sessions[i].there)
            session_print(&m->sessions[i], number_of(i), out);
    }
    for (size_t j = 0; j < MODEL_TOPICS; j++) {
        if (m->retained[j])
            buf_printf(out, "retain topic/%zu=%" PRIu32 "\n", j, m->retained[j]);
    }
}

/* What a restore said, in the model's order. */
struct found {
    struct model model;
    struct rig *rig;
    uint64_t queued[MODEL_SESSIONS];
};

static size_t index_of(const char *text)
{
    size_t index = 0;

    sscanf(text, "%*[^0-9]%zu", &index);
    return index;
}

static int found_note(void *context, const struct durable_op *op)
{
    struct found *f = context;
    struct model_session *s = op->session ? &f->model.sessions[op->session - 1] : NULL;
    char text[64];
    size_t index;

    switch ((enum durable_kind)op->kind) {
    case DURABLE_SESSION_PUT:
        snprintf(text, sizeof text, "%.*s", STR_ARG(op->about->client_id));
        assert(!s->there && f->queued[op->session - 1] == 0);
        s->there = true;
        s->about = (uint32_t)index_of(text);
        break;
    case DURABLE_SUB_PUT:
        snprintf(text, sizeof text, "%.*s", STR_ARG(op->text));
        assert(s->there && s->subs[index_of(text)] < 0);
        s->subs[index_of(text)] = op->options;
        break;
    case DURABLE_INCOMING_PUT:
        assert(s->there && !s->incoming[op->packet_id - 1]);
        s->incoming[op->packet_id - 1] = true;
        break;
    case DURABLE_QUEUE_STATE:
        assert(s->there && op->queue.count > 0);
        f->queued[op->session - 1] = op->queue.count;
        break;
    case DURABLE_RETAIN_PUT:
        snprintf(text, sizeof text, "%.*s", STR_ARG(message_topic(op->message)));
        assert(f->model.retained[index_of(text)] == 0);
        index = index_of(text);
        snprintf(text, sizeof text, "%.*s", STR_ARG(message_payload(op->message)));
        f->model.retained[index] = (uint32_t)strtoul(text, NULL, 10);
        break;
    case DURABLE_SESSION_DEL:
    case DURABLE_SUB_DEL:
    case DURABLE_QUEUE_PUT:
    case DURABLE_QUEUE_RECEIVED:
    case DURABLE_QUEUE_DEL:
    case DURABLE_INCOMING_DEL:
    case DURABLE_RETAIN_DEL: assert(!"a restore gives only what is there"); break;
    }
    return ERR_OK;
}

/* Load the session's queue, a few entries at a time. */
static void queue_load(struct found *f, size_t i)
{
    struct model_session *s = &f->model.sessions[i];
    uint64_t from = 0;

    do {
        rig_load(f->rig, number_of(i), from, 7);
        vec_each (&f->rig->entries, e) {
            assert(s->count < MODEL_QUEUE);
            s->queue[s->count++] = (struct model_entry){ .seq = e->seq,
                                                         .payload = (uint32_t)e->number,
                                                         .received = e->received };
        }
        from = f->rig->loaded_end;
    } while (from != UINT64_MAX);
    assert(s->count == f->queued[i]);
}

int model_print_store(struct rig *rig, struct buf *out)
{
    struct found found = { .rig = rig };
    struct store_recovery recovery;

    model_init(&found.model);
    int err = store_restore(rig->store, found_note, &found, &recovery);
    if (err)
        return err;
    for (size_t i = 0; i < MODEL_SESSIONS; i++) {
        if (found.model.sessions[i].there)
            queue_load(&found, i);
    }
    model_print(&found.model, out);
    return ERR_OK;
}
