/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT: who may come in, under which name, with which session. [MQTT5 3.1] */
#include "base/err.h"
#include "core/alias.h"
#include "core/auth.h"
#include "core/broker.h"
#include "core/reserved.h"
#include "core/will.h"

#include <stdio.h>

enum { ASSIGNED_ID_SIZE = 32 };

/* The largest packet the protocol has: then Maximum Packet Size need not be said. */
enum { PACKET_BYTES_MAX = WIRE_VARINT_MAX + 5 };

/* A name for a client that brings none: not to be guessed, and nobody else's.
 * [MQTT-3.1.3-6] */
static struct str assign_id(struct core *core, char text[ASSIGNED_ID_SIZE])
{
    struct str id;

    do {
        uint64_t number = hash_sip(core->id_key, &core->assigned_ids, sizeof core->assigned_ids);
        core->assigned_ids++;
        int len = snprintf(text, ASSIGNED_ID_SIZE, "auto-%016llx", (unsigned long long)number);
        id = (struct str){ text, (size_t)len };
    } while (session_find(core, id));
    return id;
}

/* May this client come in? REASON_SUCCESS if so. */
static uint8_t judge(const struct core *core, const struct mqtt_connect *connect)
{
    bool method =
        connect->version == MQTT_5 && props_has(&connect->props, PROP_AUTHENTICATION_METHOD);

    if (method && (!core->config.ask_methods || connect->props.authentication_method.len == 0))
        return REASON_BAD_AUTHENTICATION_METHOD; /* [MQTT-4.12.0-1] */
    /* 3.1 asks for a name, 3.1.1 for one that a kept session is found by. [MQTT-3.1.3-8] */
    if (connect->client_id.len == 0 && connect->version == MQTT_31)
        return REASON_CLIENT_IDENTIFIER_NOT_VALID;
    if (connect->client_id.len == 0 && connect->version == MQTT_311 && !connect->clean_start)
        return REASON_CLIENT_IDENTIFIER_NOT_VALID;
    if (core->config.deny_anonymous && !method && !connect->has_username && !connect->has_password)
        return REASON_NOT_AUTHORIZED;
    if (connect->has_will && topic_is_reserved(connect->will.topic))
        return REASON_NOT_AUTHORIZED;
    if (connect->has_will && core->config.check_payload_format &&
        !payload_is_as_said(&connect->will.props, connect->will.payload))
        return REASON_PAYLOAD_FORMAT_INVALID; /* [MQTT5 3.1.3.2.3] */
    return REASON_SUCCESS;
}

/* [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.1.4-2] */
void connect_refuse(struct core *core, struct conn *conn, uint8_t reason, struct str client_id)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNACK, .connack.reason = reason };

    conn_explain(conn, reason, &packet.connack.props);
    conn_answer(core, conn, &packet);
    effects_fact(
        core->out,
        (struct core_fact){ .kind = CORE_FACT_REFUSED, .conn = conn->id, .reason = reason },
        client_id);
    conn_close_quietly(core, conn, reason, false);
}

/* How long the session may outlive this connection. */
static uint32_t session_expiry_s(const struct core *core, const struct mqtt_connect *connect)
{
    uint32_t most = core->config.session_expiry_max_s;

    if (connect->version != MQTT_5)
        return connect->clean_start ? 0 : most;
    if (!props_has(&connect->props, PROP_SESSION_EXPIRY_INTERVAL))
        return 0;
    uint32_t wanted = connect->props.session_expiry_interval;
    return wanted < most ? wanted : most;
}

/* Part whoever holds the name from it, and end the session there was if a clean one is
 * wanted. What is left to resume, or NULL. [MQTT-3.1.4-3] [MQTT-3.1.2-4] */
static struct session *take_over(struct core *core, const struct mqtt_connect *connect,
                                 struct str client_id)
{
    struct session *session = session_find(core, client_id);

    if (session && session->conn) {
        conn_close(core, session->conn, REASON_SESSION_TAKEN_OVER);
        session = session_find(core, client_id); /* it may have ended with its connection */
    }
    if (session && connect->clean_start) {
        session_end(core, session);
        session = NULL;
    }
    if (session && session->will && session->will->due_ms <= core->now_ms)
        will_publish(core, session); /* its time came while nobody looked: we were down */
    else if (session)
        will_discard(session); /* the client is back in time [MQTT-3.1.3-9] */
    return session;
}

/* What the client said of itself. */
static void describe(struct core *core, struct conn *conn, const struct mqtt_connect *connect)
{
    const struct props *props = &connect->props;
    uint16_t most = core->config.keep_alive_max_s;
    bool five = connect->version == MQTT_5;

    conn->window = core->config.inflight_max;
    if (five && props_has(props, PROP_RECEIVE_MAXIMUM) && props->receive_maximum < conn->window)
        conn->window = props->receive_maximum;
    if (five && props_has(props, PROP_MAXIMUM_PACKET_SIZE))
        conn->packet_max = props->maximum_packet_size;
    if (five && props_has(props, PROP_TOPIC_ALIAS_MAXIMUM))
        conn->alias_max = props->topic_alias_maximum; /* [MQTT-3.1.2-26] [MQTT-3.1.2-27] */
    conn->problem_info = !(five && props_has(props, PROP_REQUEST_PROBLEM_INFORMATION) &&
                           props->request_problem_information == 0);
    conn->bridge = connect->bridge;
    conn->keep_alive_s = connect->keep_alive;
    /* Only version 5 can tell the client, so only there it is shortened. [MQTT-3.2.2-21] */
    if (five && most && (conn->keep_alive_s == 0 || conn->keep_alive_s > most))
        conn->keep_alive_s = most;
}

/* Topics below this are the client's, for responses. Empty when memory is short, or the
 * client takes but small packets: it can do without. */
static void response_information(const struct core *core, const struct session *session,
                                 struct buf *out)
{
    enum { REST_MOST = 128 }; /* more than the rest of most CONNACKs */
    struct str prefix = str_from_c(core->config.response_prefix);

    if (prefix.len == 0 ||
        prefix.len + session->client_id_len + REST_MOST > session->conn->packet_max)
        return;
    buf_append_str(out, prefix);
    buf_append_u8(out, '/');
    buf_append_str(out, session_client_id(session));
    if (out->failed)
        buf_clear(out);
}

/* CONNACK, once what the store was asked for since before is durable. False: the client takes
 * no packet as long as it. */
static bool answer(struct core *core, struct conn *conn, const struct mqtt_connect *connect,
                   bool session_present, struct str auth_data, uint64_t before)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNACK,
                                  .connack.session_present = session_present };
    struct props *props = &packet.connack.props;
    const struct props *asked = &connect->props;
    const struct session *session = conn->session;
    struct buf response = { 0 };

    props->shared_subscription_available = 1;
    props_mark(props, PROP_SHARED_SUBSCRIPTION_AVAILABLE);
    props->topic_alias_maximum = ALIAS_MAX;
    props_mark(props, PROP_TOPIC_ALIAS_MAXIMUM);
    if (core->config.receive_max != UINT16_MAX) {
        props->receive_maximum = core->config.receive_max;
        props_mark(props, PROP_RECEIVE_MAXIMUM);
    }
    if (core->config.packet_bytes_max < PACKET_BYTES_MAX) {
        props->maximum_packet_size = core->config.packet_bytes_max;
        props_mark(props, PROP_MAXIMUM_PACKET_SIZE);
    }
    if (conn->keep_alive_s != connect->keep_alive) {
        props->server_keep_alive = conn->keep_alive_s;
        props_mark(props, PROP_SERVER_KEEP_ALIVE);
    }
    if (props_has(asked, PROP_SESSION_EXPIRY_INTERVAL) &&
        asked->session_expiry_interval != session->expiry_s) {
        props->session_expiry_interval = session->expiry_s;
        props_mark(props, PROP_SESSION_EXPIRY_INTERVAL);
    }
    if (connect->client_id.len == 0) { /* [MQTT-3.2.2-16] */
        props->assigned_client_identifier = session_client_id(session);
        props_mark(props, PROP_ASSIGNED_CLIENT_IDENTIFIER);
    }
    if (auth_method(conn).ptr) { /* [MQTT-4.12.0-5] */
        props->authentication_method = auth_method(conn);
        props_mark(props, PROP_AUTHENTICATION_METHOD);
    }
    if (auth_data.len) {
        props->authentication_data = auth_data;
        props_mark(props, PROP_AUTHENTICATION_DATA);
    }
    if (props_has(asked, PROP_REQUEST_RESPONSE_INFORMATION) && asked->request_response_information)
        response_information(core, session, &response);
    if (response.len) { /* [MQTT-3.1.2-28] */
        props->response_information = buf_str(&response);
        props_mark(props, PROP_RESPONSE_INFORMATION);
    }
    bool fits = answer_after(core, conn, &packet, before);
    buf_finish(&response);
    return fits;
}

void on_connect(struct core *core, struct conn *conn, const struct mqtt_connect *connect)
{
    core->stats.connects++;
    conn->version = (uint8_t)connect->version;
    describe(core, conn, connect);
    uint8_t reason = judge(core, connect);
    if (reason) {
        connect_refuse(core, conn, reason, connect->client_id);
        return;
    }
    if (auth_is_needed(core, connect))
        auth_begin(core, conn, connect);
    else
        connect_accept(core, conn, connect, (struct str){ NULL, 0 });
}

void connect_accept(struct core *core, struct conn *conn, const struct mqtt_connect *connect,
                    struct str auth_data)
{
    struct str id = connect->client_id;
    char assigned[ASSIGNED_ID_SIZE];
    uint64_t before = core->urgent;

    if (id.len == 0)
        id = assign_id(core, assigned);
    struct session *session = take_over(core, connect, id);
    bool present = session != NULL;
    if (!session && core->sessions.count >= core->config.sessions_max) {
        connect_refuse(core, conn, REASON_QUOTA_EXCEEDED, id);
        return;
    }
    if (!session)
        session = session_new(core, id);
    struct will *will =
        session && connect->has_will ? will_new(&connect->will, session->name) : NULL;
    if (!session || (connect->has_will && !will)) {
        core_failed(core);
        connect_refuse(core, conn, REASON_SERVER_BUSY, id);
        if (session && !present)
            session_end(core, session);
        return;
    }
    session->will = will;
    conn->state = CONN_STORING;
    session_attach(core, session, conn, session_expiry_s(core, connect));
    /* [MQTT-3.2.0-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] */
    if (!answer(core, conn, connect, present, auth_data, before)) {
        conn_close_quietly(core, conn, REASON_PACKET_TOO_LARGE, false);
        return;
    }
    if (conn->acks_waiting == 0)
        connect_finish(core, conn);
    else if (!conn->auth) /* who was asked is not read as it is */
        effects_order(core->out, conn->id, CORE_SEND_PAUSE);
}

void connect_finish(struct core *core, struct conn *conn)
{
    struct session *session = conn->session;

    conn->state = CONN_UP;
    conn_watch(core, conn);
    effects_fact(core->out, (struct core_fact){ .kind = CORE_FACT_CONNECTED, .conn = conn->id },
                 session_client_id(session));
    session_go_live(core, session);
}
