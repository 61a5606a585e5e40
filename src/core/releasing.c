/* SPDX-License-Identifier: Apache-2.0 */
/* A client that is back gets PUBREL again for what it has received and not completed, in the
 * order in which its PUBRECs came, which need not be that of the messages. [MQTT-4.4.0-1]
 * [MQTT-4.6.0-4] The store knows what was received, not when: after a restart those come
 * first, in the order of the messages. */
#include "core/broker.h"

#include <stdlib.h>

struct due {
    uint64_t receipt, seq;
};

static int compare(const void *a, const void *b)
{
    const struct due *x = a, *y = b;

    if (x->receipt != y->receipt)
        return x->receipt < y->receipt ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* False when the connection broke over it. */
static bool release(struct core *core, struct session *session, uint64_t seq)
{
    struct mqtt_puback pubrel = { .packet_id = outbox_packet_id(seq) };
    bool waits = outbox_at(session->outbox, seq)->token > core->durable_token;
    struct conn *conn = session->conn;

    session->outbox->inflight++; /* until PUBCOMP, as if it had been sent again */
    core->stats.inflight++;
    ack_after(core, conn, MQTT_PUBREL, &pubrel, waits ? core->durable_token : core->urgent);
    return conn->state == CONN_UP;
}

bool release_again(struct core *core, struct session *session, uint64_t from)
{
    const struct outbox *box = session->outbox;
    bool up = session_is_up(session);

    buf_clear(&core->scratch);
    for (uint64_t seq = from; up && seq < box->fresh; seq++) {
        const struct outbox_entry *entry = outbox_at(box, seq);
        struct due due = { .receipt = entry->receipt, .seq = seq };
        if (entry->state == OUTBOX_RECEIVED)
            buf_append(&core->scratch, &due, sizeof due);
    }
    if (core->scratch.failed) {
        core_failed(core);
        conn_close(core, session->conn, REASON_SERVER_BUSY);
        return false;
    }
    struct due *dues = (struct due *)(void *)core->scratch.data;
    size_t count = core->scratch.len / sizeof *dues;
    if (count > 1)
        qsort(dues, count, sizeof *dues, compare);
    for (size_t i = 0; i < count; i++) {
        if (!release(core, session, dues[i].seq))
            return false;
    }
    return true;
}
