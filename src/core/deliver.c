/* SPDX-License-Identifier: Apache-2.0 */
/* From one message to the sends of all who want it. The loop over QoS 0 subscribers is the
 * broker's hottest: it touches the index's entry, the session's route and one send. */
#include "base/err.h"
#include "core/alias.h"
#include "core/broker.h"
#include "core/records.h"

#include <stdlib.h>

uint32_t message_expiry_s(const struct message *message, uint64_t now_ms)
{
    if (message->expires_ms <= now_ms)
        return 0;
    uint64_t left_s = (message->expires_ms - now_ms + 999) / 1000;
    return left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s;
}

/* The bytes of a message that clients pay for. */
static uint64_t content_bytes(const struct message *message)
{
    return (uint64_t)message->topic_len + message->props_len + message->payload_len;
}

static void count_out(struct core *core, const struct message *message, uint8_t qos, uint64_t count)
{
    core->stats.messages_out += count;
    core->stats.publishes_out[qos] += count;
    core->stats.bytes_out += content_bytes(message) * count;
}

/* Would the PUBLISH be larger than the client takes? [MQTT-3.1.2-24] */
static bool too_large(const struct core *core, const struct conn *conn,
                      const struct message *message, const struct copy *copy)
{
    struct delivery delivery = {
        .version = (enum mqtt_version)conn->version,
        .qos = copy->qos,
        .retain = copy->retain,
        .packet_id = copy->qos ? 1 : 0,
        .has_expiry = message->expires_ms != MESSAGE_NEVER,
        .sub_ids = core->out->sub_ids.at + copy->sub_ids_at,
        .sub_id_count = copy->sub_id_count,
    };

    return message_head(message, &delivery, NULL) + message->payload_len > conn->packet_max;
}

/* Put the PUBLISH into the effects; false when out of memory. */
static inline bool send_message(struct core *core, conn_id conn, struct message *message,
                                const struct copy *copy)
{
    bool expires = message->expires_ms != MESSAGE_NEVER;
    struct core_send *send = effects_send(core->out);

    if (!send)
        return false;
    *send = (struct core_send){
        .kind = CORE_SEND_MESSAGE,
        .qos = copy->qos & 3,
        .retain = copy->retain,
        .has_expiry = expires,
        .conn = conn,
        .message = message_ref(message),
        .expiry_s = expires ? message_expiry_s(message, core->now_ms) : 0,
        .sub_ids_at = copy->sub_ids_at,
        .sub_id_count = copy->sub_id_count,
    };
    return true;
}

/* The most that a PUBLISH of the message can take beside its topic, properties, payload. */
enum { HEAD_MOST = 5 + 2 + 2 + 4 + 8, SUB_ID_MOST = 5 };

/* Name the topic of the send that was made last by an alias, if that is worth it. */
static void use_alias(struct core *core, struct conn *conn)
{
    struct core_send *send = &core->out->sends.at[core->out->sends.len - 1];
    uint64_t most =
        content_bytes(send->message) + HEAD_MOST + (uint64_t)send->sub_id_count * SUB_ID_MOST;
    struct alias_use use =
        alias_choose(&conn->aliases, conn->alias_max, send->message, most <= conn->packet_max);

    send->topic_alias = use.alias;
    send->topic_omitted = use.omitted;
}

/* QoS 0 to a session that is away, congested or choosy: never queued. */
static bool may_send(struct core *core, const struct route *route, const struct message *message,
                     const struct copy *copy)
{
    if (!(route->flags & ROUTE_UP))
        return false;
    bool dropped =
        route->flags & ROUTE_CONGESTED ||
        ((route->flags & ROUTE_LIMITED) && too_large(core, route->session->conn, message, copy));
    if (dropped)
        session_dropped(core, route->session);
    return !dropped;
}

/* ---- the outbox's flow ---- */

/* A message that waited leaves the queue, sent or not. */
static void unqueue(struct core *core, struct outbox *box, const struct outbox_entry *entry)
{
    size_t size = message_size(entry->message);

    box->waiting_bytes -= size;
    core->stats.queued--;
    core->stats.queued_bytes -= size;
    box->fresh++;
}

/* A message that waited will not be sent: its time is over, or the client can't take it. */
static void skip(struct core *core, struct session *session, uint64_t seq)
{
    struct outbox *box = session->outbox;

    if (outbox_at(box, seq)->state == OUTBOX_WAITING)
        unqueue(core, box, outbox_at(box, seq));
    box->next = seq + 1;
    record_done(core, session, seq, outbox_at(box, seq)->token);
    outbox_done(box, seq);
    session_dropped(core, session);
}

/* The copy that an entry stands for, its identifiers put into the effects. */
static bool entry_copy(struct core *core, const struct outbox_entry *entry, struct copy *ret_copy)
{
    const uint32_t *ids = entry->sub_id_count > 1 ? entry->sub_ids : &entry->sub_id;

    *ret_copy = (struct copy){ .qos = entry->qos,
                               .retain = entry->retain,
                               .sub_id_count = entry->sub_id_count,
                               .sub_ids_at = (uint32_t)core->out->sub_ids.len };
    for (uint16_t i = 0; i < entry->sub_id_count; i++) {
        uint32_t *slot = vec_push(&core->out->sub_ids);
        if (!slot) {
            core_failed(core);
            return false;
        }
        *slot = ids[i];
    }
    return true;
}

/* Send the message at next; false when out of memory. [MQTT-4.3.2-1] [MQTT-4.3.3-1] */
static bool send_next(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;
    struct outbox_entry *entry = outbox_at(box, box->next);
    struct copy copy;

    if (!entry_copy(core, entry, &copy))
        return false;
    bool again = entry->state == OUTBOX_SENT;
    if ((!again && entry->message->expires_ms < core->now_ms && !entry->begun) ||
        (session->conn->packet_max != UINT32_MAX &&
         too_large(core, session->conn, entry->message, &copy))) {
        skip(core, session, box->next); /* [MQTT-3.3.2-5] [MQTT-3.1.2-25] */
        return true;
    }
    if (!send_message(core, session->conn->id, entry->message, &copy))
        return false;
    if (session->conn->alias_max)
        use_alias(core, session->conn);
    struct core_send *send = &core->out->sends.at[core->out->sends.len - 1];
    send->packet_id = outbox_packet_id(box->next);
    send->dup = again; /* [MQTT-3.3.1-1] */
    if (!again)
        unqueue(core, box, entry);
    entry->state = OUTBOX_SENT;
    box->next++;
    box->inflight++;
    core->stats.inflight++;
    count_out(core, entry->message, entry->qos, 1);
    return true;
}

void deliver_note_queued(struct core *core, const struct session *session)
{
    const struct outbox *box = session->outbox;
    struct route *route = &core->routes.at[session->id];
    bool queued = box && (box->zeros > 0 || box->end > box->tail);

    route->flags = (uint8_t)(queued ? route->flags | ROUTE_QUEUED : route->flags & ~ROUTE_QUEUED);
}

/* Send the QoS 0 message at next, and be done with it; false when out of memory. */
static bool send_zero(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;
    struct outbox_entry *entry = outbox_at(box, box->next);
    uint64_t seq = box->next;
    struct copy copy;

    if (!entry_copy(core, entry, &copy))
        return false;
    if ((entry->message->expires_ms < core->now_ms && !entry->begun) ||
        (session->conn->packet_max != UINT32_MAX &&
         too_large(core, session->conn, entry->message, &copy))) {
        skip(core, session, seq);
    } else {
        if (!send_message(core, session->conn->id, entry->message, &copy))
            return false;
        if (session->conn->alias_max)
            use_alias(core, session->conn);
        count_out(core, entry->message, 0, 1);
        unqueue(core, box, entry);
        box->next++;
        record_done(core, session, seq, entry->token);
        outbox_done(box, seq);
    }
    deliver_note_queued(core, session);
    return true;
}

/* Nothing more goes out before the store has come further. What is still in time begins now. */
static void stall(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;
    struct outbox_entry *entry = outbox_at(box, box->next);
    session_id *slot = box->stalled ? NULL : vec_push(&core->stalled);

    if (entry->state == OUTBOX_WAITING)
        entry->begun |= entry->message->expires_ms >= core->now_ms;

    if (slot)
        *slot = session->id;
    else if (!box->stalled)
        core_failed(core);
    box->stalled |= slot != NULL;
}

/* Must the entry's record be durable first? What goes out at QoS 2 is exactly once only if
 * it and its identifier are known after any crash. */
static bool waits_for_record(const struct core *core, const struct outbox_entry *entry)
{
    return entry->token > core->durable_token && entry->qos == 2;
}

/* Let the message at next go its way; false: no more for now. */
static bool go_next(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;
    const struct outbox_entry *entry = outbox_at(box, box->next);
    const struct conn *conn = session->conn;

    if (entry->state == OUTBOX_DONE) {
        outbox_pass(box);
        return true;
    }
    if (entry->state == OUTBOX_RECEIVED) { /* its PUBREL went ahead, and counted */
        box->next++;
        return true;
    }
    if (waits_for_record(core, entry)) {
        stall(core, session);
        return false;
    }
    if (conn->congested)
        return false;
    if (entry->qos == 0)
        return send_zero(core, session);
    if (box->inflight >= conn->window) /* [MQTT-3.3.4-9] */
        return false;
    if (box->next - box->head >= OUTBOX_IDS) /* every identifier is in use [MQTT-2.2.1-4] */
        return false;
    return send_next(core, session);
}

void deliver_more(struct core *core, struct session *session)
{
    struct outbox *box = session->outbox;

    if (!box || !session_is_up(session))
        return;
    while (box->next < box->tail && go_next(core, session))
        ;
    if (box->end > box->tail) /* nothing is elsewhere, mostly */
        paging_ask(core, session);
}

/* May one more message wait for the session? There is always room for one, whatever its
 * size: else a message that is allowed could never be delivered. */
static bool has_room(const struct core *core, const struct outbox *box,
                     const struct message *message)
{
    if (outbox_waiting(box) == 0)
        return true;
    return outbox_waiting(box) < core->config.queue_messages_max &&
           box->waiting_bytes + message_size(message) <= core->config.queue_bytes_max;
}

/* Would a message go out at once? */
static inline bool flows(const struct conn *conn, const struct outbox *box)
{
    return !conn->congested && box->next == box->end && box->inflight < conn->window;
}

/* Would it but for the disk, which those before it wait for, too? Then its delivery has begun. */
static bool follows(const struct conn *conn, const struct outbox *box)
{
    return !conn->congested && box->stalled && box->end == box->tail &&
           box->inflight + (box->end - box->next) < conn->window;
}

enum readiness deliver_readiness(const struct core *core, const struct session *session,
                                 const struct message *message, const struct copy *copy)
{
    const struct conn *conn = session_is_up(session) ? session->conn : NULL;
    const struct outbox *box = session->outbox;
    bool room = copy->qos > 0 && (!box || has_room(core, box, message));

    if (!conn)
        return room && session->persistent ? READY_LATER : READY_NEVER;
    if (conn->packet_max != UINT32_MAX && too_large(core, conn, message, copy))
        return READY_NEVER;
    if (copy->qos == 0)
        return conn->congested ? READY_NEVER : READY_NOW;
    if (!conn->congested && (!box || flows(conn, box)))
        return READY_NOW;
    return room ? READY_SOON : READY_NEVER;
}

/* The message waits in the store alone; false when it can't. */
static bool put_away(struct core *core, struct session *session, struct message *message,
                     const struct copy *copy)
{
    struct outbox *box = session->outbox;

    if (record_queued(core, session, box->end, message, copy) == 0)
        return false;
    outbox_push_paged(box, message);
    core->paged_bytes += message_size(message);
    return true;
}

/* The message waits in memory, and has a record if the session is kept; false when it can't. */
static bool put_in(struct core *core, struct session *session, struct message *message,
                   const struct copy *copy)
{
    struct outbox *box = session->outbox;

    if (outbox_push(box, message, copy, core->out->sub_ids.at + copy->sub_ids_at)) {
        core_failed(core);
        return false;
    }
    outbox_at(box, box->tail - 1)->token =
        record_queued(core, session, box->tail - 1, message, copy);
    return true;
}

/* The message waits, if there is room and it has time to. [MQTT-3.3.2-5] False when it can't. */
static bool put_behind(struct core *core, struct session *session, struct message *message,
                       const struct copy *copy)
{
    struct outbox *box = session->outbox;
    bool begins = session_is_up(session) && follows(session->conn, box);

    if (!has_room(core, box, message) || (!begins && message->expires_ms <= core->now_ms))
        return false;
    if (paging_is_due(core, session))
        return put_away(core, session, message, copy);
    if (!put_in(core, session, message, copy))
        return false;
    outbox_at(box, box->tail - 1)->begun = begins;
    return true;
}

static void enqueue(struct core *core, struct session *session, struct message *message,
                    const struct copy *copy)
{
    const struct conn *conn = session_is_up(session) ? session->conn : NULL;
    struct outbox *box = session->outbox;

    if (!box && !(box = session->outbox = calloc(1, sizeof *box))) {
        core_failed(core);
        session_dropped(core, session);
        return;
    }
    bool put = conn && flows(conn, box) ? put_in(core, session, message, copy)
                                        : put_behind(core, session, message, copy);
    if (!put) {
        session_dropped(core, session);
        return;
    }
    core->stats.queued++;
    core->stats.queued_bytes += message_size(message);
    if (copy->qos == 0)
        deliver_note_queued(core, session);
    deliver_more(core, session);
}

/* ---- the fan-out ---- */

/* QoS 0 to a session that is not simply there; true if it went out. */
static bool send_choosy(struct core *core, const struct route *route, struct message *message,
                        const struct copy *copy)
{
    bool waits = !(route->flags & ROUTE_UP) || (route->flags & ROUTE_QUEUED);

    if (waits && core->config.queue_qos0 && route->session->persistent) {
        enqueue(core, route->session, message, copy);
        return false;
    }
    if (!may_send(core, route, message, copy) || !send_message(core, route->conn, message, copy))
        return false;
    if (route->flags & ROUTE_ALIASED)
        use_alias(core, route->session->conn);
    return true;
}

void deliver_to(struct core *core, struct session *session, struct message *message,
                const struct copy *copy)
{
    const struct route *route = &core->routes.at[session->id];

    if (copy->qos > 0)
        enqueue(core, session, message, copy);
    else
        count_out(core, message, 0, send_choosy(core, route, message, copy));
}

/* Is this the publisher, who doesn't want its own? [MQTT-3.8.3-3] */
static inline bool is_own(const struct core *core, const struct sub_entry *entry,
                          const struct message *message)
{
    return entry->no_local && core->routes.at[entry->session].session->name == message->publisher;
}

static inline uint8_t lower_qos(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* Several subscriptions of one session match, or one with an identifier: one copy at the
 * highest QoS with all identifiers. Returns where the next session begins.
 * [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] */
static const struct sub_entry *deliver_group(struct core *core, struct message *message,
                                             const struct sub_entry *at,
                                             const struct sub_entry *end)
{
    struct copy copy = { .sub_ids_at = (uint32_t)core->out->sub_ids.len };
    session_id id = at->session;
    bool wanted = false;

    for (; at < end && at->session == id; at++) {
        if (is_own(core, at, message))
            continue;
        wanted = true;
        copy.qos = at->qos > copy.qos ? at->qos : copy.qos;
        copy.retain |= at->retain_as_published && message->retain;
        if (at->sub_id == 0)
            continue;
        uint32_t *slot = vec_push(&core->out->sub_ids);
        if (!slot) {
            core_failed(core);
            continue;
        }
        *slot = at->sub_id;
        copy.sub_id_count++;
    }
    copy.qos = lower_qos(copy.qos, message->qos);
    if (wanted)
        deliver_to(core, core->routes.at[id].session, message, &copy);
    return at;
}

/* To everyone in [at, end), sessions all of them. */
static void deliver_all(struct core *core, struct message *message, const struct sub_entry *at,
                        const struct sub_entry *end)
{
    uint64_t sent = 0;

    while (at < end) {
        if (at->sub_id || (at + 1 < end && at[1].session == at->session)) {
            at = deliver_group(core, message, at, end);
            continue;
        }
        const struct sub_entry *entry = at++;
        if (is_own(core, entry, message))
            continue;
        const struct route *route = &core->routes.at[entry->session];
        struct copy copy = { .qos = lower_qos(entry->qos, message->qos),
                             .retain = entry->retain_as_published && message->retain };
        if (copy.qos > 0)
            enqueue(core, route->session, message, &copy);
        else if (route->flags == ROUTE_UP)
            sent += send_message(core, route->conn, message, &copy);
        else
            sent += send_choosy(core, route, message, &copy);
    }
    count_out(core, message, 0, sent);
}

bool deliver(struct core *core, struct message *message, uint64_t topic_hash)
{
    size_t count;
    const struct sub_entry *at =
        sub_index_match(core->index, message_topic(message), topic_hash, &count);

    if (count == SIZE_MAX) {
        core_failed(core);
        return true;
    }
    const struct sub_entry *end = at + count, *shared = end;
    while (shared > at && shared[-1].session >= SHARE_FIRST) /* they sort behind sessions */
        shared--;
    deliver_all(core, message, at, shared);
    for (; shared < end; shared++)
        sharing_deliver(core, shares_of_entry(&core->shares, shared), message);
    return count > 0;
}

bool publish_here(struct core *core, struct message *message)
{
    if (message->retain)
        retaining_apply(core, message);
    bool wanted = deliver(core, message, message->topic_hash);
    if (message->data[2] != '$')
        effects_forward(core->out, message);
    return wanted;
}
