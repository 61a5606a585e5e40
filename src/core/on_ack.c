/* SPDX-License-Identifier: Apache-2.0 */
/* PUBACK, PUBREC, PUBREL, PUBCOMP in both roles, and the wait for the store.
 * [MQTT5 4.3.2] [MQTT5 4.3.3] */
#include "base/err.h"
#include "core/broker.h"

/* ---- acknowledgements to the client ---- */

static void send_ack(struct core *core, struct conn *conn, enum mqtt_kind kind,
                     const struct mqtt_puback *ack)
{
    bool ends = kind == MQTT_PUBACK || kind == MQTT_PUBCOMP || ack->reason >= 0x80;

    if (ends && kind != MQTT_PUBREL && conn->unacked > 0)
        conn->unacked--;
    if (ack->reason < 0x80 || !conn->problem_info) { /* [MQTT-3.1.2-29] */
        effects_ack(core->out, conn->id, (enum mqtt_version)conn->version, ack, kind);
        return;
    }
    struct mqtt_packet packet = { .kind = kind, .puback = *ack };
    conn_explain(conn, ack->reason, &packet.puback.props);
    effects_packet(core->out, conn->id, (enum mqtt_version)conn->version, &packet);
}

void ack_after(struct core *core, struct conn *conn, enum mqtt_kind kind,
               const struct mqtt_puback *ack, uint64_t before)
{
    uint64_t token = core->token > before ? core->token : 0;

    if (conn->state != CONN_UP)
        return;
    if (token <= core->durable_token && conn->acks_waiting == 0) {
        send_ack(core, conn, kind, ack);
        return;
    }
    struct ack waiting = { .token = token,
                           .conn = conn->id,
                           .serial = conn->serial,
                           .packet_id = ack->packet_id,
                           .kind = (uint8_t)kind,
                           .reason = ack->reason };
    if (ack_queue_push(&core->acks, waiting)) {
        core_failed(core);
        conn_close(core, conn, REASON_SERVER_BUSY);
        return;
    }
    conn->acks_waiting++;
    /* Who is told nothing of a quota is slowed by not being read. */
    if (conn->acks_waiting >= core->config.receive_max && !conn->paused) {
        conn->paused = true;
        effects_order(core->out, conn->id, CORE_SEND_PAUSE);
    }
}

void on_durable(struct core *core, uint64_t token)
{
    struct ack ack;

    if (token > core->durable_token)
        core->durable_token = token;
    while (ack_queue_pop(&core->acks, core->durable_token, &ack)) {
        struct conn *conn = conn_find(core, ack.conn);
        if (!conn || conn->serial != ack.serial || conn->state != CONN_UP)
            continue;
        struct mqtt_puback puback = { .packet_id = ack.packet_id, .reason = ack.reason };
        conn->acks_waiting--;
        send_ack(core, conn, (enum mqtt_kind)ack.kind, &puback);
        if (conn->paused && conn->acks_waiting <= core->config.receive_max / 2) {
            conn->paused = false;
            effects_order(core->out, conn->id, CORE_SEND_RESUME);
        }
    }
}

/* ---- acknowledgements from the client ---- */

/* The message at seq is done with: the next may go. */
static void finish(struct core *core, struct session *session, uint64_t seq)
{
    struct outbox *box = session->outbox;

    if (seq < box->next) {
        box->inflight--;
        core->stats.inflight--;
    }
    outbox_done(box, seq);
    if (session->persistent)
        core_store(core, (struct durable_op){
                             .kind = DURABLE_QUEUE_DEL, .session = session->number, .seq = seq });
    deliver_more(core, session);
}

/* The message that the packet answers, or NULL. */
static struct outbox_entry *answered(const struct session *session, uint16_t packet_id,
                                     uint64_t *ret_seq)
{
    if (!session->outbox || !outbox_find(session->outbox, packet_id, ret_seq))
        return NULL;
    return outbox_at(session->outbox, *ret_seq);
}

/* Late and repeated answers are ignored; an answer of the other QoS is not MQTT. */
void on_puback(struct core *core, struct conn *conn, const struct mqtt_puback *puback)
{
    uint64_t seq;
    struct outbox_entry *entry = answered(conn->session, puback->packet_id, &seq);

    if (entry && entry->qos != 1)
        conn_close(core, conn, REASON_PROTOCOL_ERROR);
    else if (entry)
        finish(core, conn->session, seq); /* [MQTT-4.3.2-3] */
}

void on_pubrec(struct core *core, struct conn *conn, const struct mqtt_puback *pubrec)
{
    struct session *session = conn->session;
    struct mqtt_puback pubrel = { .packet_id = pubrec->packet_id };
    uint64_t seq;
    struct outbox_entry *entry = answered(session, pubrec->packet_id, &seq);

    if (entry && entry->qos != 2) {
        conn_close(core, conn, REASON_PROTOCOL_ERROR);
        return;
    }
    if (entry && pubrec->reason >= 0x80) { /* the client refuses it [MQTT-4.4.0-2] */
        finish(core, session, seq);
        return;
    }
    if (pubrec->reason >= 0x80)
        return;
    if (!entry) {
        pubrel.reason = REASON_PACKET_IDENTIFIER_NOT_FOUND;
    } else if (entry->state == OUTBOX_SENT) {
        outbox_entry_release(entry);
        entry->state = OUTBOX_RECEIVED;
        if (session->persistent)
            core_store(core, (struct durable_op){ .kind = DURABLE_QUEUE_RECEIVED,
                                                  .session = session->number,
                                                  .seq = seq,
                                                  .packet_id = pubrec->packet_id });
    }
    send_ack(core, conn, MQTT_PUBREL, &pubrel); /* [MQTT-4.3.3-4] */
}

void on_pubrel(struct core *core, struct conn *conn, const struct mqtt_puback *pubrel)
{
    struct session *session = conn->session;
    struct mqtt_puback pubcomp = { .packet_id = pubrel->packet_id };
    uint64_t before = core->token;

    if (!session->incoming || !packet_set_remove(session->incoming, pubrel->packet_id))
        pubcomp.reason = REASON_PACKET_IDENTIFIER_NOT_FOUND;
    else if (session->persistent)
        /* Waited for: the client may use the identifier again after PUBCOMP, and must not
         * meet its old message in our records then. */
        core_store(core, (struct durable_op){ .kind = DURABLE_INCOMING_DEL,
                                              .session = session->number,
                                              .packet_id = pubrel->packet_id });
    ack_after(core, conn, MQTT_PUBCOMP, &pubcomp, before); /* [MQTT-4.3.3-11] */
}

void on_pubcomp(struct core *core, struct conn *conn, const struct mqtt_puback *pubcomp)
{
    uint64_t seq;
    struct outbox_entry *entry = answered(conn->session, pubcomp->packet_id, &seq);

    if (entry && entry->state != OUTBOX_RECEIVED)
        conn_close(core, conn, REASON_PROTOCOL_ERROR);
    else if (entry)
        finish(core, conn->session, seq);
}
