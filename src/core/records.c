/* SPDX-License-Identifier: Apache-2.0 */
#include "core/records.h"

#include "core/will.h"

#include <stdlib.h>
#include <string.h>

/* Is anything written down at all? */
static bool keeps(const struct core *core)
{
    return !core->config.volatile_ && !core->restoring;
}

/* Is anything of this session's? Asked of its queue before an operation is put together: most
 * sessions are not kept, and that is the path of each of their messages. */
static bool keeps_of(const struct core *core, const struct session *session)
{
    return session->persistent && keeps(core);
}

/* Hand an operation over; its token. */
static uint64_t put(struct core *core, struct durable_op *op)
{
    op->token = core->token + 1;
    if (!effects_store(core->out, op)) {
        durable_op_finish(op);
        return 0;
    }
    core->token = op->token;
    if (!op->lazy)
        core->urgent = op->token;
    return op->token;
}

/* Text for an operation to own. */
static bool own_text(struct core *core, struct str text, struct str *ret_text)
{
    char *copy = malloc(text.len + 1);

    if (!copy) {
        core_failed(core);
        return false;
    }
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    *ret_text = (struct str){ copy, text.len };
    return true;
}

/* ---- sessions ---- */

/* The session as a record: one block with the client id behind it. NULL: out of memory. */
static struct durable_session *describe(const struct session *session)
{
    struct durable_session *about = calloc(1, sizeof *about + session->client_id_len + 1);
    const struct will *will = session->will;

    if (!about)
        return NULL;
    char *id = (char *)(about + 1);
    memcpy(id, session->client_id, session->client_id_len);
    about->client_id = (struct str){ id, session->client_id_len };
    about->expiry_s = session->expiry_s;
    about->connected = session->conn != NULL;
    about->expires_ms = session->expires_ms;
    about->sent_seq = session->outbox ? session->outbox->fresh : 0;
    if (will) {
        about->will = message_ref(will->message);
        about->will_delay_s = will->delay_s;
        about->will_expiry_s = will->expiry_s;
        about->will_has_expiry = will->has_expiry;
        about->will_due_ms = will->due_ms;
    }
    return about;
}

void record_session(struct core *core, struct session *session)
{
    struct durable_op op = { .kind = DURABLE_SESSION_PUT, .session = session->number };

    if (!keeps(core))
        return;
    if (!session->persistent && !session->will) {
        record_session_end(core, session);
        return;
    }
    /* Who leaves waits for nothing; who comes is told that the session is kept. */
    op.lazy = core->relaxed || !session->conn || !session->persistent;
    op.about = describe(session);
    if (!op.about)
        core_failed(core);
    else if (put(core, &op))
        session->recorded = true;
}

void record_session_end(struct core *core, struct session *session)
{
    struct durable_op op = { .kind = DURABLE_SESSION_DEL, .session = session->number };

    if (!keeps(core) || !session->recorded)
        return;
    op.lazy = core->relaxed || !session->persistent;
    session->recorded = put(core, &op) == 0;
}

void record_sub(struct core *core, const struct session *session, struct str text,
                const struct sub_entry *entry)
{
    struct durable_op op = {
        .kind = DURABLE_SUB_PUT,
        .lazy = core->relaxed,
        .session = session->number,
        .options = (uint8_t)(entry->qos | entry->no_local << 2 | entry->retain_as_published << 3 |
                             entry->retain_handling << 4),
        .sub_id = entry->sub_id,
    };

    if (keeps_of(core, session) && own_text(core, text, &op.text))
        put(core, &op);
}

void record_unsub(struct core *core, const struct session *session, struct str text)
{
    struct durable_op op = { .kind = DURABLE_SUB_DEL,
                             .lazy = core->relaxed,
                             .session = session->number };

    if (keeps_of(core, session) && own_text(core, text, &op.text))
        put(core, &op);
}

/* ---- queues ---- */

/* Subscription identifiers for an operation to own, or its one. */
static bool own_sub_ids(struct core *core, struct durable_op *op, const struct copy *copy)
{
    const uint32_t *ids = core->out->sub_ids.at + copy->sub_ids_at;
    size_t size = copy->sub_id_count * sizeof *ids;

    op->sub_id_count = copy->sub_id_count;
    if (copy->sub_id_count == 1)
        op->sub_id = ids[0];
    if (copy->sub_id_count < 2)
        return true;
    op->sub_ids = malloc(size);
    if (!op->sub_ids) {
        core_failed(core);
        return false;
    }
    memcpy(op->sub_ids, ids, size);
    return true;
}

uint64_t record_queued(struct core *core, const struct session *session, uint64_t seq,
                       struct message *message, const struct copy *copy)
{
    if (!keeps_of(core, session))
        return 0;
    /* What goes out at QoS 2 waits for its record, so that is never lazy. */
    struct durable_op op = { .kind = DURABLE_QUEUE_PUT,
                             .qos = copy->qos,
                             .options = copy->retain,
                             .lazy = copy->qos == 0 || (core->relaxed && copy->qos == 1),
                             .session = session->number,
                             .seq = seq };

    if (!own_sub_ids(core, &op, copy))
        return 0;
    op.message = message_ref(message);
    return put(core, &op);
}

uint64_t record_received(struct core *core, const struct session *session, uint64_t seq)
{
    struct durable_op op = { .kind = DURABLE_QUEUE_RECEIVED,
                             .lazy = core->relaxed,
                             .session = session->number,
                             .seq = seq };

    return keeps_of(core, session) ? put(core, &op) : 0;
}

void record_done(struct core *core, const struct session *session, uint64_t seq, uint64_t put_token)
{
    if (!keeps_of(core, session))
        return;
    struct durable_op op = { .kind = DURABLE_QUEUE_DEL,
                             .lazy = true,
                             .session = session->number,
                             .seq = seq,
                             .undoes = put_token };
    put(core, &op);
}

void record_incoming(struct core *core, const struct session *session, uint16_t packet_id)
{
    struct durable_op op = { .kind = DURABLE_INCOMING_PUT,
                             .lazy = core->relaxed,
                             .session = session->number,
                             .packet_id = packet_id };

    if (keeps_of(core, session))
        put(core, &op);
}

void record_released(struct core *core, const struct session *session, uint16_t packet_id)
{
    /* Waited for: the client may use the identifier again after PUBCOMP, and must not meet
     * its old message in our records then. */
    struct durable_op op = { .kind = DURABLE_INCOMING_DEL,
                             .lazy = core->relaxed,
                             .session = session->number,
                             .packet_id = packet_id };

    if (keeps_of(core, session))
        put(core, &op);
}

/* ---- retained messages ---- */

void record_retained(struct core *core, struct message *message)
{
    struct durable_op op = { .kind = DURABLE_RETAIN_PUT,
                             .lazy = core->relaxed || message->qos == 0 || message->remote };

    if (!keeps(core))
        return;
    op.message = message_ref(message);
    put(core, &op);
}

void record_forgotten(struct core *core, struct str topic, bool lazy)
{
    struct durable_op op = { .kind = DURABLE_RETAIN_DEL, .lazy = core->relaxed || lazy };

    if (keeps(core) && own_text(core, topic, &op.text))
        put(core, &op);
}
