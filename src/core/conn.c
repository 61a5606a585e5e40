/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conn.h"

#include "core/alias.h"
#include "core/auth.h"
#include "core/broker.h"

#include <assert.h>
#include <stdlib.h>

struct conn *conn_find(const struct core *core, conn_id id)
{
    return id < core->conns.len ? core->conns.at[id] : NULL;
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    alias_free(conn->aliases);
    auth_free(conn->auth);
    free(conn);
}

void conn_open(struct core *core, conn_id id, bool relaxed)
{
    struct conn *conn = calloc(1, sizeof *conn);

    assert(id != 0 && !conn_find(core, id));
    while (conn && core->conns.len <= id) {
        if (!vec_push(&core->conns)) {
            free(conn);
            conn = NULL;
        }
    }
    if (!conn) {
        core_failed(core);
        effects_order(core->out, id, CORE_SEND_CLOSE);
        return;
    }
    conn->id = id;
    conn->serial = ++core->conn_serial;
    conn->heard_ms = core->now_ms;
    conn->packet_max = UINT32_MAX;
    conn->relaxed = relaxed;
    timer_init(&conn->timer);
    wheel_set(&core->conn_wheel, &conn->timer, core->now_ms + core->config.connect_timeout_ms);
    core->conns.at[id] = conn;
    core->stats.connections++;
    core->stats.connections_total++;
}

void conn_explain(const struct conn *conn, uint8_t reason, struct props *props)
{
    enum { ROOMY = 128 }; /* more than any acknowledgement with a reason string takes */

    if (conn->version != MQTT_5 || reason < 0x80 || conn->packet_max < ROOMY)
        return;
    props->reason_string = str_from_c(reason_text(reason));
    props_mark(props, PROP_REASON_STRING);
}

bool conn_answer(struct core *core, const struct conn *conn, const struct mqtt_packet *packet)
{
    enum mqtt_version version = (enum mqtt_version)conn->version;

    if (conn->packet_max != UINT32_MAX) {
        buf_clear(&core->scratch);
        mqtt_encode(&core->scratch, version, packet);
        if (core->scratch.failed || core->scratch.len > conn->packet_max)
            return false;
    }
    effects_packet(core->out, conn->id, version, packet);
    return true;
}

/* Flush, close, ignore: the last effect of a connection. */
static void begin_close(struct core *core, struct conn *conn)
{
    wheel_cancel(&core->conn_wheel, &conn->timer);
    effects_order(core->out, conn->id, CORE_SEND_CLOSE);
    conn->state = CONN_CLOSING;
}

/* Part with the session. */
static void leave(struct core *core, struct conn *conn, uint8_t reason, enum session_will will)
{
    struct session *session = conn->session;

    if (!session)
        return;
    conn->session = NULL;
    struct core_fact fact = { .kind = reason == REASON_SESSION_TAKEN_OVER ? CORE_FACT_TAKEN_OVER
                                                                          : CORE_FACT_DISCONNECTED,
                              .conn = conn->id,
                              .reason = reason };
    effects_fact(core->out, fact, session_client_id(session));
    session_detach(core, session, will);
}

/* Close, with a DISCONNECT if the client knows such. reference: where to go, or empty. */
static void close_to(struct core *core, struct conn *conn, uint8_t reason, struct str reference)
{
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->state == CONN_UP && conn->version == MQTT_5) {
        struct mqtt_packet packet = { .kind = MQTT_DISCONNECT, .disconnect.reason = reason };
        conn_explain(conn, reason, &packet.disconnect.props);
        if (reference.len) {
            packet.disconnect.props.server_reference = reference;
            props_mark(&packet.disconnect.props, PROP_SERVER_REFERENCE);
        }
        if (!conn_answer(core, conn, &packet)) { /* [MQTT-3.14.2-3] */
            props_empty(&packet.disconnect.props);
            conn_answer(core, conn, &packet);
        }
    }
    begin_close(core, conn);
    leave(core, conn, reason, SESSION_WILL_KEEP);
}

void conn_close(struct core *core, struct conn *conn, uint8_t reason)
{
    close_to(core, conn, reason, (struct str){ NULL, 0 });
}

void conn_say_goodbye(struct core *core, struct conn *conn)
{
    struct str reference = str_from_c(core->config.server_reference);
    uint8_t reason = !reference.len              ? REASON_SERVER_SHUTTING_DOWN
                     : core->config.server_moved ? REASON_SERVER_MOVED
                                                 : REASON_USE_ANOTHER_SERVER;

    close_to(core, conn, reason, reference); /* [MQTT5 4.11] */
}

void conn_close_quietly(struct core *core, struct conn *conn, uint8_t reason, bool with_will)
{
    begin_close(core, conn);
    leave(core, conn, reason, with_will ? SESSION_WILL_KEEP : SESSION_WILL_DISCARD);
}

void conn_closed(struct core *core, struct conn *conn)
{
    conn->state = CONN_CLOSING;
    wheel_cancel(&core->conn_wheel, &conn->timer);
    leave(core, conn, REASON_UNSPECIFIED_ERROR, SESSION_WILL_KEEP);
    core->conns.at[conn->id] = NULL;
    core->stats.connections--;
    conn_free(conn);
}

/* One and a half times the keep alive. [MQTT-3.1.2-22] */
static uint64_t silence_ms(const struct conn *conn)
{
    return conn->keep_alive_s * (uint64_t)1500;
}

void conn_watch(struct core *core, struct conn *conn)
{
    wheel_cancel(&core->conn_wheel, &conn->timer);
    if (conn->keep_alive_s)
        wheel_set(&core->conn_wheel, &conn->timer, conn->heard_ms + silence_ms(conn));
}

void conn_on_timer(struct core *core, struct conn *conn)
{
    if (conn->state != CONN_UP) {
        begin_close(core, conn);
        leave(core, conn, REASON_UNSPECIFIED_ERROR, SESSION_WILL_KEEP);
        return;
    }
    /* Packets only note when they came; the timer looks and goes on. */
    if (core->now_ms < conn->heard_ms + silence_ms(conn))
        conn_watch(core, conn);
    else
        conn_close(core, conn, REASON_KEEP_ALIVE_TIMEOUT);
}
