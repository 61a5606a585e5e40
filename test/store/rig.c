/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "rig.h"

#include "base/err.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_durable(void *context, uint64_t token)
{
    struct rig *rig = context;

    assert(token > rig->durable && token <= rig->token);
    rig->durable = token;
}

/* The number that a payload begins with. */
static uint64_t number_of(struct str payload)
{
    uint64_t number = 0;

    for (size_t i = 0; i < payload.len && payload.ptr[i] >= '0' && payload.ptr[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(payload.ptr[i] - '0');
    return number;
}

static void on_loaded(void *context, const struct core_loaded *loaded)
{
    struct rig *rig = context;
    uint64_t before = loaded->from;

    buf_clear(&rig->loaded);
    vec_clear(&rig->entries);
    for (size_t i = 0; i < loaded->count; i++) {
        const struct durable_entry *e = &loaded->entries[i];
        assert(e->seq >= before && e->seq < loaded->end);
        before = e->seq + 1;
        struct rig_entry *entry = vec_push(&rig->entries);
        assert(entry);
        entry->seq = e->seq;
        entry->received = !e->message;
        entry->number = e->message ? number_of(message_payload(e->message)) : 0;
        buf_printf(&rig->loaded, "%s%" PRIu64 ":", i ? " " : "", e->seq);
        if (e->message)
            buf_append_str(&rig->loaded, message_payload(e->message));
        else
            buf_printf(&rig->loaded, "received");
        if (e->qos != 1)
            buf_printf(&rig->loaded, "/q%d", e->qos);
        if (e->retain)
            buf_printf(&rig->loaded, "/r");
        for (size_t j = 0; j < e->sub_id_count; j++)
            buf_printf(&rig->loaded, "/%" PRIu32, e->sub_ids[j]);
    }
    buf_append_u8(&rig->loaded, 0);
    rig->loaded_end = loaded->end;
    rig->loads++;
}

static void on_health(void *context, enum store_health health, const char *why)
{
    struct rig *rig = context;

    rig->health = health;
    rig->healths++;
    snprintf(rig->why, sizeof rig->why, "%s", why);
}

void rig_init(struct rig *rig, const struct store_config *config)
{
    *rig = (struct rig){ .config = *config, .now_ms = 1000 };
    rig->config.durable = on_durable;
    rig->config.loaded = on_loaded;
    rig->config.health = on_health;
    rig->config.context = rig;
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->woken, NULL);
}

void rig_close(struct rig *rig)
{
    store_close(rig->store);
    rig->store = NULL;
}

void rig_finish(struct rig *rig)
{
    rig_close(rig);
    vec_each (&rig->step, op)
        durable_op_finish(op);
    vec_finish(&rig->step);
    buf_finish(&rig->report);
    buf_finish(&rig->loaded);
    vec_finish(&rig->entries);
    pthread_mutex_destroy(&rig->lock);
    pthread_cond_destroy(&rig->woken);
}

int rig_open(struct rig *rig)
{
    buf_clear(&rig->report);
    rig->token = rig->durable = 0;
    rig->health = STORE_WELL;
    return store_open(&rig->config, &rig->store, &rig->report);
}

static struct str text_copy(const char *text)
{
    char *copy = strdup(text);

    assert(copy);
    return str_from_c(copy);
}

/* A new operation of the step; one of the members is set by the caller. */
static struct durable_op *op_new(struct rig *rig, enum durable_kind kind, uint64_t session)
{
    struct durable_op *op = vec_push(&rig->step);

    assert(op);
    op->kind = (uint8_t)kind;
    op->session = session;
    op->token = ++rig->token;
    return op;
}

uint64_t rig_session(struct rig *rig, uint64_t session, const char *client_id)
{
    struct durable_op *op = op_new(rig, DURABLE_SESSION_PUT, session);
    size_t len = strlen(client_id);

    op->about = malloc(sizeof *op->about + len);
    assert(op->about);
    *op->about = (struct durable_session){ .client_id = { (char *)(op->about + 1), len },
                                           .expiry_s = 3600,
                                           .expires_ms = UINT64_MAX };
    memcpy(op->about + 1, client_id, len);
    return op->token;
}

uint64_t rig_session_del(struct rig *rig, uint64_t session)
{
    return op_new(rig, DURABLE_SESSION_DEL, session)->token;
}

uint64_t rig_sub(struct rig *rig, uint64_t session, const char *filter, uint8_t options)
{
    struct durable_op *op = op_new(rig, DURABLE_SUB_PUT, session);

    op->text = text_copy(filter);
    op->options = options;
    return op->token;
}

uint64_t rig_sub_del(struct rig *rig, uint64_t session, const char *filter)
{
    struct durable_op *op = op_new(rig, DURABLE_SUB_DEL, session);

    op->text = text_copy(filter);
    return op->token;
}

uint64_t rig_queue(struct rig *rig, uint64_t session, uint64_t seq, struct message *message)
{
    struct durable_op *op = op_new(rig, DURABLE_QUEUE_PUT, session);

    op->seq = seq;
    op->qos = 1;
    op->message = message;
    return op->token;
}

uint64_t rig_received(struct rig *rig, uint64_t session, uint64_t seq)
{
    struct durable_op *op = op_new(rig, DURABLE_QUEUE_RECEIVED, session);

    op->seq = seq;
    return op->token;
}

uint64_t rig_done(struct rig *rig, uint64_t session, uint64_t seq, uint64_t undoes)
{
    struct durable_op *op = op_new(rig, DURABLE_QUEUE_DEL, session);

    op->seq = seq;
    op->undoes = undoes;
    return op->token;
}

uint64_t rig_incoming(struct rig *rig, uint64_t session, uint16_t packet_id, bool there)
{
    struct durable_op *op = op_new(rig, there ? DURABLE_INCOMING_PUT : DURABLE_INCOMING_DEL,
                                   session);

    op->packet_id = packet_id;
    return op->token;
}

uint64_t rig_retain(struct rig *rig, struct message *message)
{
    struct durable_op *op = op_new(rig, DURABLE_RETAIN_PUT, 0);

    op->message = message;
    return op->token;
}

uint64_t rig_retain_del(struct rig *rig, const char *topic)
{
    struct durable_op *op = op_new(rig, DURABLE_RETAIN_DEL, 0);

    op->text = text_copy(topic);
    return op->token;
}

struct durable_op *rig_last(struct rig *rig)
{
    assert(rig->step.len > 0);
    return &rig->step.at[rig->step.len - 1];
}

void rig_submit(struct rig *rig)
{
    store_submit(rig->store, rig->step.at, rig->step.len);
    vec_clear(&rig->step);
}

void rig_settle(struct rig *rig)
{
    rig_submit(rig);
    do {
        store_flush(rig->store, rig->now_ms);
        while (store_work(rig->store))
            ;
        store_poll(rig->store, rig->now_ms);
        store_flush(rig->store, rig->now_ms);
    } while (store_work(rig->store));
    store_poll(rig->store, rig->now_ms);
}

struct message *rig_message(const char *topic, const char *payload)
{
    struct message *message =
        message_new(str_from_c(topic), (struct str){ NULL, 0 }, str_from_c(payload));

    assert(message);
    message->qos = 1;
    return message;
}

const char *rig_load(struct rig *rig, uint64_t session, uint64_t from, size_t max)
{
    unsigned loads = rig->loads;

    rig_submit(rig);
    store_load(rig->store, session, from, max, SIZE_MAX);
    rig_settle(rig);
    return rig->loads > loads ? (const char *)rig->loaded.data : "no answer";
}

static int op_print(void *context, const struct durable_op *op)
{
    struct buf *out = context;

    switch ((enum durable_kind)op->kind) {
    case DURABLE_SESSION_PUT:
        buf_printf(out, "session %" PRIu64 " %.*s\n", op->session, STR_ARG(op->about->client_id));
        break;
    case DURABLE_SUB_PUT:
        buf_printf(out, "sub %" PRIu64 " %.*s %d\n", op->session, STR_ARG(op->text), op->options);
        break;
    case DURABLE_INCOMING_PUT:
        buf_printf(out, "incoming %" PRIu64 " %d\n", op->session, op->packet_id);
        break;
    case DURABLE_RETAIN_PUT:
        buf_printf(out, "retain %.*s=%.*s\n", STR_ARG(message_topic(op->message)),
                   STR_ARG(message_payload(op->message)));
        break;
    case DURABLE_QUEUE_STATE:
        buf_printf(out, "queue %" PRIu64 " %" PRIu64 "..%" PRIu64 " %" PRIu64 "\n", op->session,
                   op->seq, op->queue.end, op->queue.count);
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

int rig_restore(struct rig *rig, struct buf *out, struct store_recovery *ret_recovery)
{
    struct store_recovery recovery;
    int err = store_restore(rig->store, op_print, out, &recovery);

    buf_append_u8(out, 0);
    if (ret_recovery)
        *ret_recovery = recovery;
    return err;
}

static void on_wake(void *context)
{
    struct rig *rig = context;

    pthread_mutex_lock(&rig->lock);
    rig->awake = true;
    pthread_cond_signal(&rig->woken);
    pthread_mutex_unlock(&rig->lock);
}

void rig_start(struct rig *rig)
{
    int err = store_start(rig->store, on_wake, rig);

    assert(!err);
}

void rig_hear(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    while (!rig->awake)
        pthread_cond_wait(&rig->woken, &rig->lock);
    rig->awake = false;
    pthread_mutex_unlock(&rig->lock);
    store_poll(rig->store, rig->now_ms);
    store_flush(rig->store, rig->now_ms);
}

void rig_await(struct rig *rig, uint64_t token)
{
    store_flush(rig->store, rig->now_ms);
    while (rig->durable < token)
        rig_hear(rig);
}

void rig_await_loads(struct rig *rig, unsigned loads)
{
    while (rig->loads < loads)
        rig_hear(rig);
}

void rig_dir_make(char path[64])
{
    strcpy(path, "/tmp/plexus-store-XXXXXX");
    char *made = mkdtemp(path);

    assert(made);
}

void rig_dir_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[400];

    assert(dir);
    while ((entry = readdir(dir))) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        unlink(name);
    }
    closedir(dir);
    rmdir(path);
}
