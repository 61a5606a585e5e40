/* SPDX-License-Identifier: Apache-2.0 */
#include "core/session.h"

#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"
#include "core/will.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A session's losses are said at most once in so many seconds. */
enum { DROPPED_SAY_S = 10 };

struct session *session_find(const struct core *core, struct str client_id)
{
    uint64_t hash = hash_sip(core->id_key, client_id.ptr, client_id.len);

    return map_find(&core->sessions, hash, &client_id);
}

/* A number for a client id: never 0, and the same after a restart, so that it can have no
 * secret seed. Whoever makes two ids that share it hides one's messages from the other, which
 * asked not to get its own. It is short for the store's sake. */
static uint64_t name_of(struct str client_id)
{
    enum { SEED = 1 };

    return hash_fast(SEED, client_id.ptr, client_id.len) >> 8 | 1;
}

/* The number freed last is given out first. */
static bool take_id(struct core *core, session_id *ret_id)
{
    if (core->free_ids.len) {
        *ret_id = core->free_ids.at[--core->free_ids.len];
        return true;
    }
    /* Room to give every number back, so that ending a session never needs memory. */
    while (core->free_ids.cap <= core->routes.len) {
        core->free_ids.len = core->free_ids.cap;
        session_id *slot = vec_push(&core->free_ids);
        core->free_ids.len = 0;
        if (!slot)
            return false;
    }
    if (!vec_push(&core->routes))
        return false;
    *ret_id = (session_id)(core->routes.len - 1);
    return true;
}

static void give_id(struct core *core, session_id id)
{
    core->routes.at[id] = (struct route){ 0 };
    session_id *slot = vec_push(&core->free_ids);
    assert(slot);
    *slot = id;
}

struct session *session_new(struct core *core, struct str client_id)
{
    struct session *session = calloc(1, sizeof *session + client_id.len);
    uint64_t hash = hash_sip(core->id_key, client_id.ptr, client_id.len);

    if (!session || !take_id(core, &session->id)) {
        free(session);
        return NULL;
    }
    session->client_id_len = (uint16_t)client_id.len;
    memcpy(session->client_id, client_id.ptr, client_id.len);
    if (map_insert(&core->sessions, hash, session)) {
        give_id(core, session->id);
        free(session);
        return NULL;
    }
    session->number = ++core->session_number;
    session->name = name_of(client_id);
    session->expires_ms = UINT64_MAX;
    timer_init(&session->timer);
    core->routes.at[session->id].session = session;
    return session;
}

/* The session will end with its connection: what the store has of it may go, but for a queue
 * that is nowhere else. */
static void weaken(struct core *core, struct session *session)
{
    const struct outbox *box = session->outbox;

    subscription_weaken_all(core, session);
    if (box && box->end > box->tail)
        return;
    record_session_end(core, session);
    session->persistent = false;
}

void session_attach(struct core *core, struct session *session, struct conn *conn,
                    uint32_t expiry_s)
{
    assert(!session->conn);
    wheel_cancel(&core->session_wheel, &session->timer);
    session->expires_ms = UINT64_MAX;
    session->conn = conn;
    conn->session = session;
    session->expiry_s = expiry_s;
    core->stats.clients++;
    if (core->stats.clients > core->stats.clients_max)
        core->stats.clients_max = core->stats.clients;
    if (session->persistent && expiry_s == 0)
        weaken(core, session);
    else
        session->persistent = expiry_s > 0;
    record_session(core, session);
}

void session_go_live(struct core *core, struct session *session)
{
    const struct conn *conn = session->conn;
    struct route *route = &core->routes.at[session->id];

    route->conn = conn->id;
    route->flags = ROUTE_UP | (conn->packet_max == UINT32_MAX ? 0 : ROUTE_LIMITED) |
                   (conn->alias_max ? ROUTE_ALIASED : 0) | (conn->congested ? ROUTE_CONGESTED : 0);
    deliver_note_queued(core, session);
    if (!session->outbox || release_again(core, session, session->outbox->head))
        deliver_more(core, session); /* [MQTT-4.4.0-1] */
}

void session_wait(struct core *core, struct session *session)
{
    uint64_t due_ms = session->expires_ms;

    if (session->will && session->will->due_ms < due_ms)
        due_ms = session->will->due_ms;
    if (due_ms != UINT64_MAX)
        wheel_set(&core->session_wheel, &session->timer, due_ms);
}

void session_detach(struct core *core, struct session *session, enum session_will will)
{
    struct route *route = &core->routes.at[session->id];

    if (session->outbox) {
        core->stats.inflight -= session->outbox->inflight;
        outbox_rewind(session->outbox);
    }
    session->conn = NULL;
    core->stats.clients--;
    route->conn = 0;
    route->flags = 0;
    if (will == SESSION_WILL_DISCARD)
        will_discard(session);
    if (session->expiry_s == 0) {
        session_end(core, session);
        return;
    }
    sharing_hand_over(core, session, false);
    if (session->will && session->will->delay_s == 0)
        will_publish(core, session);
    if (session->will)
        session->will->due_ms = core->now_ms + session->will->delay_s * (uint64_t)1000;
    if (session->expiry_s != SESSION_EXPIRY_NEVER)
        session->expires_ms = core->now_ms + session->expiry_s * (uint64_t)1000;
    session_wait(core, session);
    record_session(core, session);
}

void session_on_timer(struct core *core, struct session *session)
{
    if (core->now_ms >= session->expires_ms) {
        core->stats.sessions_expired++;
        effects_fact(core->out, (struct core_fact){ .kind = CORE_FACT_SESSION_EXPIRED },
                     session_client_id(session));
        session_end(core, session);
        return;
    }
    if (session->will && core->now_ms >= session->will->due_ms) {
        will_publish(core, session);
        record_session(core, session);
    }
    session_wait(core, session);
}

static void say_dropped(struct core *core, struct session *session)
{
    struct core_fact fact = { .kind = CORE_FACT_DROPPED,
                              .conn = core->routes.at[session->id].conn,
                              .reason = REASON_QUOTA_EXCEEDED,
                              .count = session->dropped };

    effects_fact(core->out, fact, session_client_id(session));
    session->dropped = 0;
    session->dropped_said_s = (uint32_t)(core->now_ms / 1000);
}

void session_dropped(struct core *core, struct session *session)
{
    uint32_t now_s = (uint32_t)(core->now_ms / 1000);

    core->stats.messages_dropped++;
    session->dropped++;
    if (session->dropped_said_s == 0 || now_s - session->dropped_said_s >= DROPPED_SAY_S)
        say_dropped(core, session);
}

void session_end(struct core *core, struct session *session)
{
    struct str client_id = session_client_id(session);
    uint64_t hash = hash_sip(core->id_key, client_id.ptr, client_id.len);

    assert(!session->conn);
    wheel_cancel(&core->session_wheel, &session->timer);
    will_publish(core, session);
    sharing_hand_over(core, session, true);
    subscription_remove_all(core, session);
    if (session->dropped)
        say_dropped(core, session);
    record_session_end(core, session);
    paging_forget(core, session);
    if (session->outbox) {
        core->stats.queued -= outbox_waiting(session->outbox);
        core->stats.queued_bytes -= session->outbox->waiting_bytes;
    }
    map_remove(&core->sessions, hash, &client_id);
    give_id(core, session->id);
    session_free(session);
}

void session_free(struct session *session)
{
    outbox_free(session->outbox);
    will_free(session->will);
    if (session->incoming)
        packet_set_finish(session->incoming);
    free(session->incoming);
    free(session->filters);
    free(session);
}

int session_filter_reserve(struct session *session)
{
    if (session->filter_count == session->filter_cap) {
        uint32_t cap = session->filter_cap ? session->filter_cap * 2 : 2;
        filter_id *moved = realloc(session->filters, cap * sizeof *moved);
        if (!moved)
            return ERR_NOMEM;
        session->filters = moved;
        session->filter_cap = cap;
    }
    return ERR_OK;
}

void session_filter_remove(struct session *session, filter_id id)
{
    for (uint32_t i = 0; i < session->filter_count; i++) {
        if (session->filters[i] == id) {
            session->filters[i] = session->filters[--session->filter_count];
            return;
        }
    }
}
