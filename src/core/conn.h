/* SPDX-License-Identifier: Apache-2.0 */
/* A connection is a transport of a client's, from CORE_OPEN to CORE_CLOSED. The core owns
 * it; what it knows of the client beyond the transport is the session's. */
#pragma once

#include "base/wheel.h"
#include "core/core.h"

struct alias_table;
struct auth;
struct session;

enum conn_state {
    CONN_WAITING, /* CONNECT is awaited */
    CONN_ASKING,  /* CONNECT is there; whether it is accepted, others decide */
    CONN_STORING, /* it is accepted, and there is a session; CONNACK waits for the store */
    CONN_UP,      /* CONNACK is out */
    CONN_CLOSING, /* CORE_SEND_CLOSE is out; nothing counts any more */
};

struct conn {
    struct session *session;     /* NULL unless CONN_STORING or CONN_UP */
    struct alias_table *aliases; /* or NULL */
    struct auth *auth;           /* or NULL */
    struct timer timer;          /* until CONNECT; then the keep alive */
    uint64_t heard_ms;           /* the last packet */
    conn_id id;
    uint32_t serial;       /* tells this connection from others of the same number */
    uint32_t packet_max;   /* what the client takes; UINT32_MAX: anything */
    uint32_t acks_waiting; /* in the core's ack queue */
    uint32_t unacked;      /* QoS 1 and 2 publishes of the client that we owe an answer */
    uint16_t window;       /* how many we may have in flight to the client */
    uint16_t keep_alive_s; /* 0: off */
    uint16_t alias_max;    /* the highest topic alias that we may use; 0: none */
    uint8_t state;         /* enum conn_state */
    uint8_t version;       /* enum mqtt_version; 0 before CONNECT */
    bool congested;
    bool paused;
    bool relaxed;         /* answers come before what they promise is durable */
    bool waits_for_store; /* not read until the store has room */
    bool bridge;       /* another broker's: sees messages as published and not its own */
    bool problem_info; /* the client wants reason strings. [MQTT-3.1.2-29] */
};

/* Take a new transport in. relaxed: see conn.relaxed. */
void conn_open(struct core *core, conn_id id, bool relaxed);

/* The connection of a number, or NULL. */
struct conn *conn_find(const struct core *core, conn_id id);

/* End the connection: the client is told the reason where its version has a way to; its
 * will stays. The session is detached and may be gone. */
void conn_close(struct core *core, struct conn *conn, uint8_t reason);

/* The same for a client that said goodbye: it is told nothing. */
void conn_close_quietly(struct core *core, struct conn *conn, uint8_t reason, bool with_will);

/* The broker shuts down: close, and send the client where the configuration says. */
void conn_say_goodbye(struct core *core, struct conn *conn);

/* The transport is gone: detach and free. */
void conn_closed(struct core *core, struct conn *conn);

/* Begin to watch the keep alive, if there is one. */
void conn_watch(struct core *core, struct conn *conn);

/* The connection's timer: no CONNECT came, or nothing at all. [MQTT-3.1.2-22] */
void conn_on_timer(struct core *core, struct conn *conn);

/* Send an answer that may be long, if the client takes packets of that size. False if not:
 * nothing is sent, and where the client waits for the answer the caller must close.
 * [MQTT-3.1.2-24] */
bool conn_answer(struct core *core, const struct conn *conn, const struct mqtt_packet *packet);

/* Set the reason string for a failure, if the client has room for one: its Maximum Packet
 * Size counts. [MQTT-3.2.2-19] [MQTT-3.14.2-3] */
void conn_explain(const struct conn *conn, uint8_t reason, struct props *props);

/* Free all that belongs to it. */
void conn_free(struct conn *conn);
