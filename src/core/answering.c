/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that promise something wait for the store; what follows when it has come so far.
 * CONNACK of a session that is kept, SUBACK, PUBACK, PUBREC, PUBREL, PUBCOMP: each means that
 * what it says is on the disk. */
#include "base/err.h"
#include "core/broker.h"

#include <stdlib.h>
#include <string.h>

static void send_ack(struct core *core, struct conn *conn, enum mqtt_kind kind,
                     const struct mqtt_puback *ack)
{
    bool ends = kind == MQTT_PUBACK || kind == MQTT_PUBCOMP ||
                (kind == MQTT_PUBREC && ack->reason >= 0x80);

    if (ends && conn->unacked > 0)
        conn->unacked--;
    if (ack->reason < 0x80 || !conn->problem_info) { /* [MQTT-3.1.2-29] */
        effects_ack(core->out, conn->id, (enum mqtt_version)conn->version, ack, kind);
        return;
    }
    struct mqtt_packet packet = { .kind = kind, .puback = *ack };
    conn_explain(conn, ack->reason, &packet.puback.props);
    effects_packet(core->out, conn->id, (enum mqtt_version)conn->version, &packet);
}

/* What must be durable before an answer to what happened since before may go; 0: nothing. */
static uint64_t promised(const struct core *core, const struct conn *conn, uint64_t before)
{
    return core->urgent > before && !conn->relaxed ? core->urgent : 0;
}

bool answer_waits(const struct core *core, const struct conn *conn, uint64_t before)
{
    return promised(core, conn, before) > core->durable_token;
}

/* Put an answer behind those that wait. */
static bool wait(struct core *core, struct conn *conn, struct ack ack)
{
    ack.conn = conn->id;
    ack.serial = conn->serial;
    if (ack_queue_push(&core->acks, ack)) {
        core_failed(core);
        return false;
    }
    conn->acks_waiting++;
    /* Who is told nothing of a quota is slowed by not being read. */
    if (conn->acks_waiting >= core->config.receive_max && !conn->paused) {
        conn->paused = true;
        effects_order(core->out, conn->id, CORE_SEND_PAUSE);
    }
    return true;
}

void ack_after(struct core *core, struct conn *conn, enum mqtt_kind kind,
               const struct mqtt_puback *ack, uint64_t before)
{
    uint64_t token = promised(core, conn, before);

    if (conn->state != CONN_UP)
        return;
    if (token <= core->durable_token && conn->acks_waiting == 0) {
        send_ack(core, conn, kind, ack);
        return;
    }
    struct ack waiting = { .token = token,
                           .packet_id = ack->packet_id,
                           .kind = (uint8_t)kind,
                           .reason = ack->reason };
    if (!wait(core, conn, waiting))
        conn_close(core, conn, REASON_SERVER_BUSY);
}

bool answer_after(struct core *core, struct conn *conn, const struct mqtt_packet *packet,
                  uint64_t before)
{
    uint64_t token = promised(core, conn, before);

    if (token <= core->durable_token)
        return conn_answer(core, conn, packet);
    struct buf bytes = { 0 };
    mqtt_encode(&bytes, (enum mqtt_version)conn->version, packet);
    if (bytes.failed || bytes.len > conn->packet_max) {
        buf_finish(&bytes);
        return false;
    }
    struct ack waiting = { .token = token,
                           .kind = (uint8_t)packet->kind,
                           .len = (uint32_t)bytes.len,
                           .bytes = malloc(bytes.len) };
    if (waiting.bytes)
        memcpy(waiting.bytes, bytes.data, bytes.len);
    buf_finish(&bytes);
    if (waiting.bytes && wait(core, conn, waiting))
        return true;
    free(waiting.bytes);
    core_failed(core);
    return false;
}

static void send_waiting(struct core *core, struct conn *conn, const struct ack *ack)
{
    struct mqtt_puback puback = { .packet_id = ack->packet_id, .reason = ack->reason };

    conn->acks_waiting--;
    if (!ack->bytes)
        send_ack(core, conn, (enum mqtt_kind)ack->kind, &puback);
    else
        effects_encoded(core->out, conn->id, ack->bytes, ack->len);
    if (ack->granted)
        subscribe_finish(core, conn, ack->granted);
    if (ack->kind == MQTT_CONNACK) {
        connect_finish(core, conn);
        if (!conn->paused)
            effects_order(core->out, conn->id, CORE_SEND_RESUME);
    }
    if (conn->paused && conn->acks_waiting <= core->config.receive_max / 2) {
        conn->paused = false;
        effects_order(core->out, conn->id, CORE_SEND_RESUME);
    }
}

/* Sessions whose next message waited for its record. */
static void go_on(struct core *core)
{
    size_t count = core->stalled.len;

    for (size_t i = 0; i < count; i++) {
        struct session *session = core->routes.at[core->stalled.at[i]].session;
        if (!session || !session->outbox)
            continue; /* it has ended meanwhile */
        session->outbox->stalled = false;
        deliver_more(core, session);
    }
    core->stalled.len -= count;
    if (core->stalled.len && count)
        memmove(core->stalled.at, core->stalled.at + count,
                core->stalled.len * sizeof *core->stalled.at);
}

void on_durable(struct core *core, uint64_t token)
{
    struct ack ack;

    if (token > core->durable_token)
        core->durable_token = token;
    while (ack_queue_pop(&core->acks, core->durable_token, &ack)) {
        struct conn *conn = conn_find(core, ack.conn);
        if (conn && conn->serial == ack.serial &&
            (conn->state == CONN_UP || conn->state == CONN_STORING))
            send_waiting(core, conn, &ack);
        free(ack.bytes);
        free(ack.granted);
    }
    if (core->stalled.len)
        go_on(core);
}

void on_store(struct core *core, bool full)
{
    core->store_full = full;
    if (full)
        return;
    vec_each (&core->conns, slot) {
        struct conn *conn = *slot;
        if (!conn || !conn->waits_for_store)
            continue;
        conn->waits_for_store = false;
        if (!conn->paused && conn->state == CONN_UP)
            effects_order(core->out, conn->id, CORE_SEND_RESUME);
    }
}

bool store_is_short(const struct core *core, const struct conn *conn, const struct message *message)
{
    size_t count;

    if (!core->store_full || conn->relaxed || message->qos == 0)
        return false;
    if (message->retain)
        return true;
    const struct sub_entry *at =
        sub_index_match(core->index, message_topic(message), message->topic_hash, &count);
    for (size_t i = 0; count != SIZE_MAX && i < count; i++) {
        if (at[i].persistent)
            return true;
    }
    return count == SIZE_MAX;
}
