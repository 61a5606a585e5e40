/* SPDX-License-Identifier: Apache-2.0 */
/* A session is what the broker remembers of one client id between connections:
 * subscriptions, messages in flight, queue, will. The core owns sessions; a connection
 * borrows one while it is attached. What most sessions never use is allocated when it is
 * used first. [MQTT5 4.1] */
#pragma once

#include "base/wheel.h"
#include "core/core.h"
#include "core/outbox.h"
#include "core/packet_set.h"
#include "core/sub_index.h"

struct conn;
struct core;
struct will;

/* The session never expires by itself. */
#define SESSION_EXPIRY_NEVER UINT32_MAX

struct session {
    uint64_t number;             /* counts up; not reused while anything is recorded of it */
    uint64_t name;               /* the client id as a number, the same in each of its sessions;
                                    what a client publishes bears it [MQTT-3.8.3-3] */
    struct conn *conn;           /* NULL: the client is away */
    struct outbox *outbox;       /* or NULL */
    struct will *will;           /* or NULL */
    struct packet_set *incoming; /* QoS 2 publishes not released yet, or NULL */
    struct timer timer;          /* while away: the will or the end, whatever comes first */
    uint64_t expires_ms;         /* while away; UINT64_MAX: never */
    filter_id *filters;          /* what it subscribed to */
    uint32_t filter_count, filter_cap;
    session_id id;
    uint32_t expiry_s;       /* 0: ends with its connection */
    uint32_t dropped;        /* messages since the last fact that said so */
    uint32_t dropped_said_s; /* when that was */
    bool persistent;         /* outlives its connection, and the broker */
    bool recorded;           /* the store knows it */
    uint16_t client_id_len;
    char client_id[];
};

/* The client id, borrowed. */
static inline struct str session_client_id(const struct session *session)
{
    return (struct str){ session->client_id, session->client_id_len };
}

/* The session of a client id, or NULL. */
struct session *session_find(const struct core *core, struct str client_id);

/* Make a session, away, for a client id that has none. NULL when out of memory. */
struct session *session_new(struct core *core, struct str client_id);

/* Give a session that is away to a connection, with how long it may outlive it. Nothing goes
 * to the client before session_go_live. */
void session_attach(struct core *core, struct session *session, struct conn *conn,
                    uint32_t expiry_s);

/* What becomes of the will when a connection ends. */
enum session_will { SESSION_WILL_KEEP, SESSION_WILL_DISCARD };

/* The connection is gone. A session that ends with its connection is freed; *session is
 * gone then. */
void session_detach(struct core *core, struct session *session, enum session_will will);

/* The end: will, subscriptions, messages, records. The session is freed. [MQTT-3.1.2-23] */
void session_end(struct core *core, struct session *session);

/* The session's timer: its will, or its end. */
void session_on_timer(struct core *core, struct session *session);

/* Let what its client sent and waits for flow: CONNACK is on its way. */
void session_go_live(struct core *core, struct session *session);

/* The session is away: wait for its will or its end. */
void session_wait(struct core *core, struct session *session);

/* Free the session and all it holds, and tell nobody. */
void session_free(struct session *session);

/* Make room to remember the number of one more filter. ERR_OK or ERR_NOMEM. */
int session_filter_reserve(struct session *session);

/* Forget the number of a filter. */
void session_filter_remove(struct session *session, filter_id id);

/* Count a message that was dropped for the session, and say so now and then. */
void session_dropped(struct core *core, struct session *session);
