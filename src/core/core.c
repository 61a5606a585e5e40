/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include "base/err.h"
#include "core/auth.h"
#include "core/broker.h"

#include <assert.h>
#include <stdlib.h>

/* ---- configuration and life ---- */

#define OR_DEFAULT(field, value) ((void)((field) = (field) ? (field) : (value)))

void core_config_defaults(struct core_config *config)
{
    OR_DEFAULT(config->packet_bytes_max, 16u * 1024 * 1024);
    OR_DEFAULT(config->receive_max, 1024);
    OR_DEFAULT(config->inflight_max, 128);
    OR_DEFAULT(config->queue_messages_max, 100000);
    OR_DEFAULT(config->queue_bytes_max, 64u * 1024 * 1024);
    OR_DEFAULT(config->queue_memory_bytes_max, 256u * 1024 * 1024);
    OR_DEFAULT(config->subscriptions_max, 100000);
    OR_DEFAULT(config->session_expiry_max_s, 7u * 24 * 3600);
    OR_DEFAULT(config->connect_timeout_ms, 10000);
    OR_DEFAULT(config->retained_max, 100000);
    OR_DEFAULT(config->retained_bytes_max, 64u * 1024 * 1024);
    OR_DEFAULT(config->sessions_max, 1000000);
    OR_DEFAULT(config->sys_interval_s, 10);
}

static bool session_has_id(const void *entry, const void *key)
{
    return str_equal(session_client_id(entry), *(const struct str *)key);
}

struct core *core_new(const struct core_config *config, uint64_t now_ms)
{
    struct core *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    core->config = *config;
    core_config_defaults(&core->config);
    core->now_ms = now_ms;
    core->started_ms = now_ms;
    core->remote_interest = true;
    sys_init(&core->sys, now_ms);
    core->id_key = (struct hash_key){ hash_mix(config->seed), hash_mix(config->seed + 1) };
    map_init(&core->sessions, session_has_id);
    map_init(&core->loading, session_has_number);
    shares_init(&core->shares, core->id_key);
    wheel_init(&core->conn_wheel, now_ms);
    wheel_init(&core->session_wheel, now_ms);
    core->index = sub_index_new(hash_mix(config->seed + 2));
    if (!core->index || retained_init(&core->retained, hash_mix(config->seed + 3), now_ms)) {
        core_free(core);
        return NULL;
    }
    return core;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    vec_each (&core->conns, conn)
        conn_free(*conn);
    vec_each (&core->routes, route) {
        if (route->session)
            session_free(route->session);
    }
    map_finish(&core->sessions);
    map_finish(&core->loading);
    vec_finish(&core->stalled);
    vec_finish(&core->routes);
    vec_finish(&core->free_ids);
    vec_finish(&core->conns);
    sub_index_free(core->index);
    shares_finish(&core->shares);
    retained_finish(&core->retained);
    ack_queue_finish(&core->acks);
    buf_finish(&core->scratch);
    free(core);
}

void core_reconfigure(struct core *core, const struct core_config *config)
{
    uint64_t seed = core->config.seed;
    bool volatile_ = core->config.volatile_;

    core->config = *config;
    core->config.seed = seed; /* hashes stand all over the place */
    core->config.volatile_ = volatile_;
    core_config_defaults(&core->config);
}

bool core_next_interest(const struct core *core, uint32_t *cursor, struct str *ret_filter,
                        struct core_interest *ret_interest)
{
    while (sub_index_next(core->index, cursor)) {
        filter_id id = *cursor - 1;
        struct str filter = sub_index_filter(core->index, id);
        if (filter.ptr[0] == '$')
            continue;
        struct sub_interest interest = sub_index_interest(core->index, id);
        *ret_filter = filter;
        *ret_interest = (struct core_interest){
            .wanted = true, .persistent = interest.persistent, .qos = interest.qos
        };
        return true;
    }
    return false;
}

void core_set_remote_interest(struct core *core, bool any)
{
    core->remote_interest = any;
}

void core_set_wire_bytes(struct core *core, uint64_t in, uint64_t out)
{
    core->stats.wire_in = in;
    core->stats.wire_out = out;
}

/* ---- the step ---- */

static void on_tick(struct core *core)
{
    struct timer *timer;

    while ((timer = wheel_expire(&core->conn_wheel, core->now_ms)))
        conn_on_timer(core, list_entry(timer, struct conn, timer));
    while ((timer = wheel_expire(&core->session_wheel, core->now_ms)))
        session_on_timer(core, list_entry(timer, struct session, timer));
    retaining_expire(core);
    sys_on_tick(core);
}

static void on_shutdown(struct core *core)
{
    for (size_t id = 1; id < core->conns.len; id++) {
        if (core->conns.at[id])
            conn_say_goodbye(core, core->conns.at[id]);
    }
}

/* A packet of a connected client. */
static void on_packet_up(struct core *core, struct conn *conn, const struct mqtt_packet *packet)
{
    switch (packet->kind) {
    case MQTT_PUBLISH: on_publish(core, conn, &packet->publish); return;
    case MQTT_PUBACK: on_puback(core, conn, &packet->puback); return;
    case MQTT_PUBREC: on_pubrec(core, conn, &packet->puback); return;
    case MQTT_PUBREL: on_pubrel(core, conn, &packet->puback); return;
    case MQTT_PUBCOMP: on_pubcomp(core, conn, &packet->puback); return;
    case MQTT_SUBSCRIBE: on_subscribe(core, conn, &packet->subscribe); return;
    case MQTT_UNSUBSCRIBE: on_unsubscribe(core, conn, &packet->unsubscribe); return;
    case MQTT_DISCONNECT: on_disconnect(core, conn, &packet->disconnect); return;
    case MQTT_AUTH: on_auth(core, conn, &packet->auth); return;
    case MQTT_PINGREQ: { /* [MQTT-3.12.4-1] */
        struct mqtt_packet pong = { .kind = MQTT_PINGRESP };
        effects_packet(core->out, conn->id, (enum mqtt_version)conn->version, &pong);
        return;
    }
    case MQTT_CONNECT: /* a second one [MQTT-3.1.0-2] */
    case MQTT_CONNACK: /* the rest is what only a server says */
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP: break;
    }
    conn_close(core, conn, REASON_PROTOCOL_ERROR);
}

/* A packet of a client that waits to come in. [MQTT-3.1.2-30] */
static void on_packet_asking(struct core *core, struct conn *conn, const struct mqtt_packet *packet)
{
    if (packet->kind == MQTT_AUTH)
        on_auth(core, conn, &packet->auth);
    else if (packet->kind == MQTT_DISCONNECT)
        conn_close_quietly(core, conn, packet->disconnect.reason, false);
    else
        connect_refuse(core, conn, REASON_PROTOCOL_ERROR, (struct str){ NULL, 0 });
}

static void on_packet(struct core *core, struct conn *conn, const struct mqtt_packet *packet)
{
    if (conn->state == CONN_CLOSING)
        return;
    conn->heard_ms = core->now_ms;
    core->stats.packets_in++;
    if (conn->state == CONN_UP)
        on_packet_up(core, conn, packet);
    else if (conn->state == CONN_ASKING)
        on_packet_asking(core, conn, packet);
    else if (packet->kind == MQTT_CONNECT && conn->state == CONN_WAITING)
        on_connect(core, conn, &packet->connect);
    else
        conn_close(core, conn, REASON_PROTOCOL_ERROR); /* [MQTT-3.1.0-1] */
}

/* A CONNECT that could not be decoded: version 5 is told why, 3.1.1 must not be.
 * [MQTT-3.1.4-1] [MQTT311-3.1.4-1] [MQTT5 4.13.1] */
static void on_bad_connect(struct core *core, struct conn *conn, int err)
{
    conn->version = MQTT_5;
    connect_refuse(core, conn, reason_from_err(err), (struct str){ NULL, 0 });
}

static void on_bad(struct core *core, struct conn *conn, int err, uint8_t version)
{
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->state == CONN_WAITING && version == MQTT_5) {
        on_bad_connect(core, conn, err);
        return;
    }
    if (conn->state == CONN_WAITING && err == ERR_VERSION) {
        /* In the oldest words, which every client understands. [MQTT-3.1.2-2] */
        struct mqtt_packet packet = { .kind = MQTT_CONNACK,
                                      .connack.reason = REASON_UNSUPPORTED_PROTOCOL_VERSION };
        effects_packet(core->out, conn->id, MQTT_311, &packet);
    }
    if (conn->state == CONN_UP && err == ERR_VERSION)
        err = ERR_PROTOCOL;                       /* a second CONNECT [MQTT-3.1.0-2] */
    conn_close(core, conn, reason_from_err(err)); /* [MQTT-4.13.1-1] */
}

static void on_congestion(struct core *core, struct conn *conn, bool congested)
{
    conn->congested = congested;
    if (!conn->session)
        return;
    struct route *route = &core->routes.at[conn->session->id];
    route->flags =
        (uint8_t)(congested ? route->flags | ROUTE_CONGESTED : route->flags & ~ROUTE_CONGESTED);
    deliver_more(core, conn->session);
}

/* A message from another broker: for clients here only. */
static void on_remote(struct core *core, struct message *message)
{
    uint64_t hash = message->topic_hash;

    if (message->expires_ms < core->now_ms)
        return;
    if (hash == 0) {
        struct str topic = message_topic(message);
        hash = hash_fast(core->config.seed, topic.ptr, topic.len);
    }
    if (message->retain)
        retaining_apply(core, message);
    deliver(core, message, hash);
}

/* An event of one connection. What comes too late for one that is gone is ignored. */
static void on_conn_event(struct core *core, const struct core_event *event)
{
    struct conn *conn = conn_find(core, event->conn);

    if (!conn)
        return;
    core->relaxed = conn->relaxed;
    if (event->kind == CORE_PACKET)
        on_packet(core, conn, event->packet);
    else if (event->kind == CORE_HEARD)
        conn->heard_ms = core->now_ms;
    else if (event->kind == CORE_BAD)
        on_bad(core, conn, event->err, event->version);
    else if (event->kind == CORE_ANSWER)
        on_answer(core, conn, event->answer);
    else if (event->kind == CORE_CLOSED)
        conn_closed(core, conn);
    else
        on_congestion(core, conn, event->kind == CORE_CONGESTED);
    core->relaxed = false;
}

void core_step(struct core *core, const struct core_event *event, struct core_out *out)
{
    assert(event->now_ms >= core->now_ms);
    uint64_t packets = out->packets;
    core->now_ms = event->now_ms;
    core->out = out;
    switch (event->kind) {
    case CORE_OPEN: conn_open(core, event->conn, event->relaxed); break;
    case CORE_PACKET:
    case CORE_HEARD:
    case CORE_BAD:
    case CORE_CLOSED:
    case CORE_ANSWER:
    case CORE_CONGESTED:
    case CORE_DRAINED: on_conn_event(core, event); break;
    case CORE_REMOTE: on_remote(core, event->message); break;
    case CORE_DURABLE: on_durable(core, event->token); break;
    case CORE_LOADED: on_loaded(core, event->loaded); break;
    case CORE_STORE: on_store(core, event->store_full); break;
    case CORE_TICK: on_tick(core); break;
    case CORE_SHUTDOWN: on_shutdown(core); break;
    }
    core->stats.packets_out += out->packets - packets;
    core->out = NULL;
}

/* ---- looking in ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t core_now_ms(const struct core *core)
{
    return core->now_ms;
}

uint64_t core_deadline(const struct core *core)
{
    uint64_t due_ms =
        earlier(wheel_deadline(&core->conn_wheel), wheel_deadline(&core->session_wheel));

    return earlier(due_ms, earlier(retained_deadline(&core->retained), core->sys.due_ms));
}

struct core_stats core_stats(const struct core *core)
{
    struct core_stats stats = core->stats;
    struct sub_index_stats index = sub_index_stats(core->index);

    stats.sessions = core->sessions.count;
    stats.packets_out += stats.messages_out;
    stats.shared_groups = core->shares.by_text.count;
    stats.subscriptions = index.subscriptions - stats.shared_groups + core->shares.members;
    stats.filters = index.filters;
    stats.subscription_bytes = index.bytes;
    stats.retained = core->retained.count;
    stats.retained_bytes = core->retained.bytes;
    return stats;
}
