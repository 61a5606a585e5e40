/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's inside: what the files that handle its events share. One struct core holds
 * everything; out and now_ms are those of the step that runs. */
#pragma once

#include "base/hash.h"
#include "base/map.h"
#include "base/wheel.h"
#include "core/ack_queue.h"
#include "core/conn.h"
#include "core/core.h"
#include "core/effects.h"
#include "core/retained.h"
#include "core/session.h"
#include "core/share.h"
#include "core/sub_index.h"
#include "core/sys.h"

/* What a fan-out must know of a session, in one place: 16 bytes, by session_id. */
enum route_flag {
    ROUTE_UP = 1,        /* attached */
    ROUTE_CONGESTED = 2, /* nothing of QoS 0 may go */
    ROUTE_LIMITED = 4,   /* the client set a Maximum Packet Size */
    ROUTE_ALIASED = 8,   /* the client takes topic aliases */
    ROUTE_QUEUED = 16,   /* QoS 0 waits in the outbox, which more must not overtake */
};

struct route {
    struct session *session; /* NULL: the number is free */
    conn_id conn;
    uint8_t flags;
};

struct core {
    struct core_config config;
    uint64_t now_ms;
    uint64_t started_ms;
    struct core_out *out;   /* of the step that runs, else NULL */
    struct hash_key id_key; /* for client ids, which strangers choose */
    struct map sessions;    /* by client id */
    struct {
        VEC(struct route);
    } routes; /* by session_id */
    struct {
        VEC(session_id);
    } free_ids;
    struct {
        VEC(struct conn *);
    } conns; /* by conn_id */
    struct sub_index *index;
    struct shares shares;
    struct retained retained;
    struct sys sys;
    struct wheel conn_wheel;
    struct wheel session_wheel;
    struct ack_queue acks;
    struct buf scratch;     /* properties, filters, reasons while a packet is handled */
    uint64_t token;         /* of the last durable operation */
    uint64_t urgent;        /* of the last one that somebody waits for */
    uint64_t durable_token; /* the store has come so far */
    struct {
        VEC(session_id);
    } stalled;            /* sessions whose next message waits for the store */
    struct map loading;   /* sessions that wait for a part of their queue, by number */
    uint64_t paged_bytes; /* of messages that wait in the store alone */
    bool relaxed;         /* the step is of a connection that waits for no disk */
    bool restoring;       /* nothing is written down */
    struct session *restored; /* the last one, whose records follow */
    uint64_t restored_sent;   /* its durable_session.sent_seq; UINT64_MAX: not known */
    bool store_full;
    uint64_t session_number;
    uint64_t assigned_ids;
    uint64_t asks; /* questions so far */
    uint32_t conn_serial;
    bool remote_interest;   /* another broker may want what is published here */
    struct core_stats stats; /* gauges that are counted elsewhere stay 0 */
};

/* Memory ran out: the caller of the step is told. */
static inline void core_failed(struct core *core)
{
    core->out->failed = true;
}

/* ---- packets; conn is CONN_UP but for on_connect ---- */

void on_connect(struct core *core, struct conn *conn, const struct mqtt_connect *connect);
/* Let a client in whose CONNECT is well, with data that ends its authentication, if any. */
void connect_accept(struct core *core, struct conn *conn, const struct mqtt_connect *connect,
                    struct str auth_data);

/* Refuse a CONNECT. */
void connect_refuse(struct core *core, struct conn *conn, uint8_t reason, struct str client_id);

void on_publish(struct core *core, struct conn *conn, const struct mqtt_publish *publish);
void on_puback(struct core *core, struct conn *conn, const struct mqtt_puback *puback);
void on_pubrec(struct core *core, struct conn *conn, const struct mqtt_puback *pubrec);
void on_pubrel(struct core *core, struct conn *conn, const struct mqtt_puback *pubrel);
void on_pubcomp(struct core *core, struct conn *conn, const struct mqtt_puback *pubcomp);
void on_subscribe(struct core *core, struct conn *conn, const struct mqtt_subscribe *subscribe);
void on_unsubscribe(struct core *core, struct conn *conn, const struct mqtt_unsubscribe *packet);
void on_disconnect(struct core *core, struct conn *conn, const struct mqtt_disconnect *packet);

/* CONNACK has gone out: the client is in. */
void connect_finish(struct core *core, struct conn *conn);

/* The store came so far. */
void on_durable(struct core *core, uint64_t token);

/* The store has no room, or has some again. */
void on_store(struct core *core, bool full);

/* Would the message need a store that is full? */
bool store_is_short(const struct core *core, const struct conn *conn, const struct message *message);

/* ---- acknowledgements to clients ---- */

/* Acknowledge; what must be durable first is what the store was asked for since before, an
 * earlier core->urgent. Answers of one connection keep their order. [MQTT-4.6.0-2] */
void ack_after(struct core *core, struct conn *conn, enum mqtt_kind kind,
               const struct mqtt_puback *ack, uint64_t before);

/* The same for an answer of any other kind, if the client takes packets of that size; false
 * if not: as with conn_answer. */
bool answer_after(struct core *core, struct conn *conn, const struct mqtt_packet *packet,
                  uint64_t before);

/* Would answer_after wait? */
bool answer_waits(const struct core *core, const struct conn *conn, uint64_t before);

/* A SUBACK that waited is out: what is retained follows. */
void subscribe_finish(struct core *core, struct conn *conn, const struct granted *granted);

/* Is the payload text where its format indicator says so? */
bool payload_is_as_said(const struct props *props, struct str payload);

/* ---- deliver.c: from messages to sends ---- */

/* Give the message to everyone here who wants it; false if nobody does. */
bool deliver(struct core *core, struct message *message, uint64_t topic_hash);

/* Publish what was accepted here: keep it if it is to be retained, deliver it, offer it
 * to the mesh. Of the message a reference is taken where needed. False if nobody here has
 * subscribed to it. */
bool publish_here(struct core *core, struct message *message);

/* Give one message to one session, QoS 0 or more. */
void deliver_to(struct core *core, struct session *session, struct message *message,
                const struct copy *copy);

/* When a session could have a message. */
enum readiness {
    READY_NEVER, /* its queue is full, or it can't take the message */
    READY_LATER, /* it is away, and kept */
    READY_SOON,  /* connected; others wait before it */
    READY_NOW,
};
enum readiness deliver_readiness(const struct core *core, const struct session *session,
                                 const struct message *message, const struct copy *copy);

/* Send what the session's outbox holds and the client's window and path allow. */
void deliver_more(struct core *core, struct session *session);

/* Send PUBREL again for what the client, if it is here, received on an earlier connection: all
 * in memory from this place on. False: the connection broke over it, the session may be gone. */
bool release_again(struct core *core, struct session *session, uint64_t from);

/* Note whether QoS 0 must wait behind what the session's outbox holds. */
void deliver_note_queued(struct core *core, const struct session *session);

/* ---- paging.c: queues longer than memory should hold ---- */

/* Is the session's client there, and told so? */
static inline bool session_is_up(const struct session *session)
{
    return session->conn && session->conn->state == CONN_UP;
}

/* Is the next message for the session to wait in the store alone? */
bool paging_is_due(const struct core *core, const struct session *session);

/* Ask the store for more of the session's queue if what is in memory runs out. */
void paging_ask(struct core *core, struct session *session);

/* For a map of sessions by their numbers. */
bool session_has_number(const void *entry, const void *key);

/* A part of a queue came. */
void on_loaded(struct core *core, const struct core_loaded *loaded);

/* The session ends: forget that it waits. */
void paging_forget(struct core *core, struct session *session);

/* A restore found this queue: all of it waits in the store. */
int paging_restore(struct core *core, struct session *session, uint64_t head,
                   const struct durable_queue *queue);

/* Seconds until the message expires, rounded up. Only when it does. */
uint32_t message_expiry_s(const struct message *message, uint64_t now_ms);

/* ---- retaining.c ---- */

/* Is there room to retain the message? */
bool retaining_has_room(const struct core *core, const struct message *message);

/* Keep a message that is to be retained, or delete what is if it is empty. */
void retaining_apply(struct core *core, struct message *message);

/* How many retained messages one SUBSCRIBE may bring: all of them a few times over. One
 * that names the same filter thousands of times gets no more. */
uint64_t retaining_allowance(const struct core *core);

/* Send one message as retained to a new subscription. */
void retaining_give(struct core *core, struct session *session, struct message *message,
                    const struct sub_entry *entry);

/* Send the retained messages that match a new subscription, no more than *allowance, which
 * becomes what is left of it. */
void retaining_send(struct core *core, struct session *session, struct str filter,
                    const struct sub_entry *entry, uint64_t *allowance);

/* Delete retained messages whose time is over. */
void retaining_expire(struct core *core);

/* ---- subscribing.c ---- */

/* Add or replace a subscription, shared or not, and tell store and mesh. *ret_existed: it was
 * replaced. ERR_OK or ERR_NOMEM (nothing changed). */
int subscription_put(struct core *core, struct session *session, struct str text,
                     struct sub_entry entry, bool *ret_existed);

/* Has the session this subscription? */
bool subscription_find(const struct core *core, const struct session *session, struct str text);

/* Remove a subscription; false if there is none. */
bool subscription_remove(struct core *core, struct session *session, struct str text);

/* Remove all of a session that ends; the store is told of the end itself. */
void subscription_remove_all(struct core *core, struct session *session);

/* Put an entry into the index, as a session's or a share's, and tell the mesh what changed.
 * ERR_OK or ERR_NOMEM (nothing changed). */
int filter_put(struct core *core, struct str filter, const struct sub_entry *entry,
               filter_id *ret_id, bool *ret_existed);

/* Take an entry out of the index, and tell the mesh what changed; false if there is none. */
bool filter_remove(struct core *core, filter_id id, session_id session);

/* The session no longer outlives its connection: neither do its subscriptions. */
void subscription_weaken_all(struct core *core, struct session *session);

/* ---- sharing.c ---- */

/* Make the session a member of the share that text names, or change what it asked for, as
 * subscription_put does. */
int sharing_join(struct core *core, struct session *session, struct str text, struct str filter,
                 const struct sub_entry *entry, bool *ret_existed);

/* The session, a member, leaves the share, which ends with its last member. */
void sharing_leave(struct core *core, struct session *session, struct share *share);

/* Replace what a member asked for. */
void sharing_change(struct core *core, struct share *share, const struct sub_entry *entry);

/* Give the message to one member. */
void sharing_deliver(struct core *core, struct share *share, struct message *message);

/* The session lost its connection (to members that are connected) or ends (to any): others
 * get what it leaves of its shares' messages. */
void sharing_hand_over(struct core *core, struct session *session, bool ending);
