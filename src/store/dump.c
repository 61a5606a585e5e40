/* SPDX-License-Identifier: Apache-2.0 */
/* Say what is in a directory: sessions, counts, sizes. Never payloads. */
#include "base/err.h"
#include "store/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct dump {
    struct buf *out;
    bool json;
    bool open; /* a session is being gathered */
    uint64_t session;
    struct buf client_id;
    uint32_t expiry_s;
    bool connected, will;
    uint64_t subscriptions, incoming, queued, bytes;
    uint64_t sessions, retained_bytes;
};

/* A JSON string. */
static void json_text(struct buf *out, struct str text)
{
    buf_append_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_u8(out, c);
    }
    buf_append_u8(out, '"');
}

static void session_json(const struct dump *d)
{
    buf_printf(d->out, "%s\n    {\"session\": %" PRIu64 ", \"client_id\": ", d->sessions ? "," : "",
               d->session);
    json_text(d->out, buf_str(&d->client_id));
    buf_printf(d->out, ", \"connected\": %s, \"expiry_s\": %" PRIu32 ", \"will\": %s",
               d->connected ? "true" : "false", d->expiry_s, d->will ? "true" : "false");
    buf_printf(d->out,
               ", \"subscriptions\": %" PRIu64 ", \"incoming\": %" PRIu64 ", \"queued\": %" PRIu64
               ", \"queued_bytes\": %" PRIu64 "}",
               d->subscriptions, d->incoming, d->queued, d->bytes);
}

static void session_text(const struct dump *d)
{
    if (d->sessions == 0)
        buf_printf(d->out, "%10s %-9s %13s %10s %14s  %s\n", "session", "state", "subscriptions",
                   "queued", "bytes", "client");
    buf_printf(d->out, "%10" PRIu64 " %-9s %13" PRIu64 " %10" PRIu64 " %14" PRIu64 "  %.*s%s\n",
               d->session, d->connected ? "connected" : "away", d->subscriptions, d->queued,
               d->bytes, STR_ARG(buf_str(&d->client_id)), d->will ? " (will)" : "");
}

/* The session that was gathered is complete. */
static void session_end(struct dump *d)
{
    if (!d->open)
        return;
    if (d->json)
        session_json(d);
    else
        session_text(d);
    d->sessions++;
    d->open = false;
}

static void session_begin(struct dump *d, const struct durable_op *op)
{
    session_end(d);
    d->open = true;
    d->session = op->session;
    buf_clear(&d->client_id);
    buf_append_str(&d->client_id, op->about->client_id);
    d->expiry_s = op->about->expiry_s;
    d->connected = op->about->connected;
    d->will = op->about->will != NULL;
    d->subscriptions = d->incoming = d->queued = d->bytes = 0;
}

static int op_note(void *context, const struct durable_op *op)
{
    struct dump *d = context;

    switch ((enum durable_kind)op->kind) {
    case DURABLE_SESSION_PUT: session_begin(d, op); break;
    case DURABLE_SUB_PUT: d->subscriptions++; break;
    case DURABLE_INCOMING_PUT: d->incoming++; break;
    case DURABLE_QUEUE_STATE:
        d->queued = op->queue.count;
        d->bytes = op->queue.bytes;
        break;
    case DURABLE_RETAIN_PUT: d->retained_bytes += message_size(op->message); break;
    case DURABLE_SESSION_DEL:
    case DURABLE_SUB_DEL:
    case DURABLE_QUEUE_PUT:
    case DURABLE_QUEUE_RECEIVED:
    case DURABLE_QUEUE_DEL:
    case DURABLE_INCOMING_DEL:
    case DURABLE_RETAIN_DEL: break; /* a restore has none of these */
    }
    return ERR_OK;
}

static void totals(const struct dump *d, const struct worker *w, const struct store_recovery *r)
{
    uint64_t tables = w->tables->kind->bytes(w->tables), journal = journal_bytes(&w->journal);

    if (d->json)
        buf_printf(d->out,
                   "\n  ],\n  \"subscriptions\": %" PRIu64 ", \"queued\": %" PRIu64
                   ", \"retained\": %" PRIu64 ", \"retained_bytes\": %" PRIu64
                   ",\n  \"table_bytes\": %" PRIu64 ", \"journal_bytes\": %" PRIu64
                   ", \"journal_batches\": %" PRIu64 ", \"damaged\": %" PRIu64 "\n}\n",
                   r->subscriptions, r->queued, r->retained, d->retained_bytes, tables, journal,
                   r->batches, r->damaged);
    else
        buf_printf(d->out,
                   "sessions %" PRIu64 ", subscriptions %" PRIu64 ", queued %" PRIu64
                   ", retained %" PRIu64 " (%" PRIu64 " bytes), damaged %" PRIu64
                   "\ntables %" PRIu64 " bytes, journal %" PRIu64 " bytes (%" PRIu64
                   " batches not in the tables)\n",
                   r->sessions, r->subscriptions, r->queued, r->retained, d->retained_bytes,
                   r->damaged, tables, journal, r->batches);
}

int store_dump(const char *dir, bool json, struct buf *out)
{
    struct dump dump = { .out = out, .json = json };
    struct buf report = { 0 };
    struct store_recovery recovery;
    struct worker *worker;
    int err = worker_look(dir, &report, &worker);

    if (err) {
        buf_append_str(out, buf_str(&report));
        buf_finish(&report);
        return err;
    }
    if (json)
        buf_printf(out, "{\n  \"sessions\": [");
    err = restore_run(worker, op_note, &dump, &recovery);
    session_end(&dump);
    if (!err)
        totals(&dump, worker, &recovery);
    worker_free(worker);
    buf_finish(&dump.client_id);
    buf_finish(&report);
    return err ? err : out->failed ? ERR_NOMEM : ERR_OK;
}
