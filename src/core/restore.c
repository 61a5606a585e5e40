/* SPDX-License-Identifier: Apache-2.0 */
/* The core as a store has kept it, operation by operation. */
#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"
#include "core/will.h"
#include "topic/topic.h"

#include <assert.h>
#include <stdlib.h>

static struct session *find(const struct core *core, uint64_t number)
{
    return core->restored && core->restored->number == number ? core->restored : NULL;
}

/* The will of a record; a client that was connected is gone since the end of the broker. */
static int restore_will(struct core *core, struct session *session,
                        const struct durable_session *about)
{
    struct will *will = calloc(1, sizeof *will);

    if (!will)
        return ERR_NOMEM;
    *will = (struct will){ .message = message_ref(about->will),
                           .delay_s = about->will_delay_s,
                           .expiry_s = about->will_expiry_s,
                           .has_expiry = about->will_has_expiry,
                           .due_ms = about->will_due_ms };
    if (about->connected)
        will->due_ms = core->now_ms + will->delay_s * (uint64_t)1000;
    session->will = will;
    return ERR_OK;
}

static int restore_session(struct core *core, const struct durable_op *op)
{
    const struct durable_session *about = op->about;
    struct session *session = session_new(core, about->client_id);

    if (!session)
        return ERR_NOMEM;
    session->number = op->session;
    session->recorded = true;
    session->persistent = about->expiry_s > 0;
    session->expiry_s = about->expiry_s;
    session->expires_ms = about->expires_ms;
    /* Nobody knows since when the client is away: no session ends before its time. */
    if (about->connected && about->expiry_s != SESSION_EXPIRY_NEVER)
        session->expires_ms = core->now_ms + about->expiry_s * (uint64_t)1000;
    if (core->session_number < op->session)
        core->session_number = op->session;
    core->restored = session;
    core->restored_sent = about->connected ? UINT64_MAX : about->sent_seq;
    int err = about->will ? restore_will(core, session, about) : ERR_OK;
    session_wait(core, session);
    if (!err && about->connected) {
        core->restoring = false; /* it is away now, and its time runs */
        record_session(core, session);
        core->restoring = true;
    }
    return err;
}

static int restore_sub(struct core *core, const struct durable_op *op)
{
    struct session *session = find(core, op->session);
    struct sub_entry entry = { .sub_id = op->sub_id,
                               .qos = op->options & 3,
                               .no_local = op->options >> 2 & 1,
                               .retain_as_published = op->options >> 3 & 1,
                               .retain_handling = op->options >> 4 & 3 };
    bool existed;

    if (!session)
        return ERR_OK;
    int err = subscription_put(core, session, op->text, entry, &existed);
    return err == ERR_NOMEM ? err : ERR_OK; /* a text that is no filter is nobody's */
}

static int restore_queue(struct core *core, const struct durable_op *op)
{
    struct session *session = find(core, op->session);

    if (!session || session->outbox)
        return ERR_OK;
    int err = paging_restore(core, session, op->seq, &op->queue);
    uint64_t sent = core->restored_sent == UINT64_MAX ? op->seq + core->config.inflight_max
                                                      : core->restored_sent;
    if (!err) /* places from the end on are given anew */
        session->outbox->sent_until = sent < op->queue.end ? sent : op->queue.end;
    return err;
}

static int restore_incoming(struct core *core, const struct durable_op *op)
{
    struct session *session = find(core, op->session);

    if (!session)
        return ERR_OK;
    if (!session->incoming && !(session->incoming = calloc(1, sizeof *session->incoming)))
        return ERR_NOMEM;
    return packet_set_add(session->incoming, op->packet_id);
}

static int restore_one(struct core *core, const struct durable_op *op)
{
    switch ((enum durable_kind)op->kind) {
    case DURABLE_SESSION_PUT: return restore_session(core, op);
    case DURABLE_SUB_PUT: return restore_sub(core, op);
    case DURABLE_QUEUE_STATE: return restore_queue(core, op);
    case DURABLE_INCOMING_PUT: return restore_incoming(core, op);
    case DURABLE_RETAIN_PUT: return retained_put(&core->retained, op->message);
    case DURABLE_SESSION_DEL:
    case DURABLE_SUB_DEL:
    case DURABLE_QUEUE_PUT:
    case DURABLE_QUEUE_RECEIVED:
    case DURABLE_QUEUE_DEL:
    case DURABLE_INCOMING_DEL:
    case DURABLE_RETAIN_DEL: break; /* a restore says what there is */
    }
    return ERR_OK;
}

int core_restore(struct core *core, const struct durable_op *op, struct core_out *out)
{
    core->out = out;
    core->restoring = true;
    int err = restore_one(core, op);
    core->restoring = false;
    core->out = NULL;
    return err;
}
