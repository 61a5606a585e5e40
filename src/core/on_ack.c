/* SPDX-License-Identifier: Apache-2.0 */
/* PUBACK, PUBREC, PUBREL, PUBCOMP in both roles. [MQTT5 4.3.2] [MQTT5 4.3.3] */
#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"

/* The message at seq is done with: the next may go. */
static void finish(struct core *core, struct session *session, uint64_t seq)
{
    struct outbox *box = session->outbox;
    const struct outbox_entry *entry = outbox_at(box, seq);

    if (seq < box->next || entry->state == OUTBOX_RECEIVED) {
        box->inflight--;
        core->stats.inflight--;
    }
    /* Once it was received its token is that of another record. */
    record_done(core, session, seq, entry->state == OUTBOX_RECEIVED ? 0 : entry->token);
    outbox_done(box, seq);
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
    uint64_t before = core->urgent, seq;
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
        entry->receipt = ++session->outbox->receipts;
        if (seq >= session->outbox->next) { /* not sent again yet, and need not be */
            session->outbox->inflight++;
            core->stats.inflight++;
        }
        entry->token = record_received(core, session, seq);
    }
    /* Once the client has PUBREL it forgets the identifier: from then on the message must
     * never be sent again, whatever happens to us. [MQTT-4.3.3-4] */
    ack_after(core, conn, MQTT_PUBREL, &pubrel, before);
}

void on_pubrel(struct core *core, struct conn *conn, const struct mqtt_puback *pubrel)
{
    struct session *session = conn->session;
    struct mqtt_puback pubcomp = { .packet_id = pubrel->packet_id };
    uint64_t before = core->urgent;

    if (!session->incoming || !packet_set_remove(session->incoming, pubrel->packet_id))
        pubcomp.reason = REASON_PACKET_IDENTIFIER_NOT_FOUND;
    else
        record_released(core, session, pubrel->packet_id);
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
