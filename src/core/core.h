/* SPDX-License-Identifier: Apache-2.0 */
/* One broker, as a step: events in, effects out.
 *
 * The core holds every session, subscription and retained message, and never reads a
 * clock, a socket or a file. Time comes with each event, effects leave in a core_out that
 * the caller carries out and clears. The same events give the same effects, byte for byte.
 *
 * A connection is a number that the caller gives out at CORE_OPEN and may give out again
 * only after it has sent CORE_CLOSED. After a CORE_SEND_CLOSE effect the core ignores the
 * connection's packets; the caller flushes, closes and sends CORE_CLOSED. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include "core/durable.h"
#include "mqtt/message.h"
#include "mqtt/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

/* A connection's number: small, dense, never 0. */
typedef uint32_t conn_id;

/* ---- events ---- */

enum core_event_kind {
    CORE_OPEN,      /* a transport is there; CONNECT is awaited */
    CORE_PACKET,    /* packet: a packet arrived and decoded well */
    CORE_HEARD,     /* a part of a packet arrived: the client is not silent */
    CORE_BAD,       /* err: what arrived could not be decoded; the core answers and closes.
                       version: of a CONNECT, if that much of it could be read */
    CORE_CLOSED,    /* the transport is gone; the number is free after this step */
    CORE_CONGESTED, /* the connection's out-queue is over its limit: send it nothing more */
    CORE_DRAINED,   /* ... is below it again */
    CORE_REMOTE,    /* publish: a message came over the mesh for local subscribers */
    CORE_ANSWER,    /* answer: to a question of ours */
    CORE_DURABLE,   /* token: everything up to it is durable */
    CORE_LOADED,    /* loaded: a part of a queue, as asked by a core_load */
    CORE_STORE,     /* store_full: the store has no room, or has some again */
    CORE_TICK,      /* time has passed */
    CORE_SHUTDOWN,  /* say goodbye to every client, with a place to go if there is one */
};

enum core_verdict {
    CORE_ALLOW,    /* data, if any, goes along */
    CORE_DENY,     /* for reason; 0: not authorized */
    CORE_CONTINUE, /* the client must say more; only where there is a method */
};

struct core_answer {
    uint64_t ask; /* of the core_ask that is answered */
    enum core_verdict verdict;
    uint8_t reason;
    struct str data; /* authentication data for the client; borrowed */
};

struct core_event {
    enum core_event_kind kind;
    /* Node time: milliseconds since 1970 when the process started, advanced by a clock
     * that never steps. Never less than in the event before. */
    uint64_t now_ms;
    conn_id conn;
    uint8_t version; /* CORE_BAD: enum mqtt_version, or 0 */
    union {
        const struct mqtt_packet *packet;
        int err;
        uint64_t token;
        const struct core_answer *answer;
        struct message *message; /* CORE_REMOTE: borrowed; the core takes references */
        const struct core_loaded *loaded; /* borrowed, with its messages */
        bool store_full;
        bool relaxed; /* CORE_OPEN: acknowledge before what is promised is durable */
    };
};

/* ---- effects, grouped by who carries them out ---- */

enum core_send_kind {
    CORE_SEND_MESSAGE, /* a PUBLISH of message with qos, retain, dup, packet_id, ... */
    CORE_SEND_BYTES,   /* bytes [at, at + len) of core_out.bytes: packets, encoded */
    CORE_SEND_PAUSE,   /* stop reading from the connection */
    CORE_SEND_RESUME,  /* read again */
    CORE_SEND_CLOSE,   /* flush what is queued and close */
};

/* For the transports, in order per connection. */
struct core_send {
    uint8_t kind; /* enum core_send_kind */
    uint8_t qos : 2;
    uint8_t retain : 1;
    uint8_t dup : 1;
    uint8_t has_expiry : 1;
    uint16_t packet_id;
    conn_id conn;
    struct message *message; /* a reference that core_out_clear gives back */
    uint32_t at, len;        /* CORE_SEND_BYTES */
    uint32_t expiry_s;       /* when has_expiry: seconds left */
    uint32_t sub_ids_at;     /* subscription identifiers: in core_out.sub_ids */
    uint16_t sub_id_count;
    uint16_t topic_alias;
    bool topic_omitted;
};

/* For the mesh: what this broker's clients want of a topic filter, whenever that changes.
 * A state, not a count: the last one holds. */
struct core_interest {
    uint32_t at, len; /* the filter's text, in core_out.bytes */
    bool wanted;      /* false: nobody any more */
    bool persistent;  /* a session that outlives its connection wants it */
    uint8_t qos;      /* the highest granted */
};

enum core_ask_kind {
    CORE_ASK_AUTH, /* is the client who it says it is? */
};

enum core_ask_stage {
    CORE_ASK_CONNECT,  /* the client comes in, with user name, password, or a method */
    CORE_ASK_CONTINUE, /* it says more, as was asked of it */
    CORE_ASK_AGAIN,    /* connected, it authenticates once more */
};

/* A run of core_out.bytes. */
struct core_text {
    uint32_t at, len;
};

/* A question to whoever decides. One answer is awaited, at any later time; none comes for a
 * connection that has gone. A client that waits to come in is paused: the caller hands in
 * nothing of it before CORE_SEND_RESUME, as what it says beside AUTH and DISCONNECT then
 * ends the connection. */
struct core_ask {
    uint64_t ask; /* names the question; never 0 */
    conn_id conn;
    enum core_ask_kind kind;
    enum core_ask_stage stage;
    struct core_text client_id; /* as the client gave it: may be empty */
    struct core_text username, password;
    bool has_username, has_password;
    struct core_text method, data; /* of enhanced authentication; else empty */
};

/* For the log and the counters of a person: what happened to a client. */
enum core_fact_kind {
    CORE_FACT_CONNECTED,
    CORE_FACT_REFUSED,      /* CONNECT refused, see reason */
    CORE_FACT_DISCONNECTED, /* see reason */
    CORE_FACT_TAKEN_OVER,
    CORE_FACT_SESSION_EXPIRED,
    CORE_FACT_WILL,
    CORE_FACT_DROPPED, /* messages dropped for a session since the last such fact: count */
};

/* "connected" and the like. Static. */
const char *core_fact_name(enum core_fact_kind kind);

struct core_fact {
    enum core_fact_kind kind;
    conn_id conn;
    uint8_t reason;
    uint64_t count;
    uint32_t at, len; /* the client id, in core_out.bytes */
};

/* A question to the store: a session's queue from a place on, at least one entry if there is
 * one. Everything that was asked of the store before must have been done. */
struct core_load {
    uint64_t session; /* its number */
    uint64_t from;
    uint32_t entries_max, bytes_max;
};

/* What one or several steps want done. A zeroed struct is empty; the same one is used
 * again and again. */
struct core_out {
    struct {
        VEC(struct core_send);
    } sends;
    struct {
        VEC(struct message *);
    } forwards; /* published here: the mesh may want them */
    struct {
        VEC(struct core_interest);
    } interests;
    struct {
        VEC(struct durable_op);
    } stores; /* who carries them out may take them over, and clears the list */
    struct {
        VEC(struct core_load);
    } loads; /* for the store, behind stores */
    struct {
        VEC(struct core_fact);
    } facts;
    struct {
        VEC(struct core_ask);
    } asks;
    struct {
        VEC(uint32_t);
    } sub_ids;
    struct buf bytes;
    uint64_t packets; /* in bytes */
    bool failed;      /* out of memory: some effect is missing; shed load */
};

/* Drop all effects and give their references back; keep the memory. */
void core_out_clear(struct core_out *out);

/* The same, and free the memory. */
void core_out_finish(struct core_out *out);

/* ---- configuration and life ---- */

/* Limits; each named like its key in the configuration. A zero means the default. */
struct core_config {
    uint64_t seed;       /* secret: hashes, assigned client ids */
    bool deny_anonymous; /* refuse CONNECT without credentials (authentication itself: auth) */
    bool ask_passwords;  /* CORE_ASK_AUTH about each user name and password; else all are well */
    bool ask_methods;    /* ... and in enhanced authentication; else that is refused */
    uint32_t packet_bytes_max;     /* announced as Maximum Packet Size */
    uint16_t receive_max;          /* QoS 1/2 publishes a client may have in flight to us */
    uint16_t inflight_max;         /* ... and we to a client, whatever it allows */
    uint32_t queue_messages_max;   /* waiting per session */
    uint64_t queue_bytes_max;      /* waiting per session */
    uint32_t subscriptions_max;    /* per session */
    uint32_t session_expiry_max_s; /* 0xFFFFFFFF: never */
    uint16_t keep_alive_max_s;     /* 0: whatever the client asks */
    uint32_t connect_timeout_ms;   /* until CONNECT */
    uint32_t retained_max;         /* messages */
    uint64_t retained_bytes_max;
    uint32_t sessions_max;
    uint64_t queue_memory_bytes_max; /* of all: what is more waits in the store alone */
    bool volatile_;            /* there is no store: nothing is asked of one */
    bool queue_qos0;           /* QoS 0 waits for sessions that are away, too */
    bool check_payload_format; /* refuse text (so its indicator says) that is no UTF-8 */
    bool server_moved;         /* at shutdown: for good, to server_reference */
    /* Borrowed for as long as the core lives; NULL or empty: none. */
    const char *server_reference; /* where clients are sent at shutdown. [MQTT5 4.11] */
    const char *response_prefix;  /* responses to a client: below this and its id. [MQTT5 4.10] */
    uint32_t sys_interval_s; /* between publications of $SYS */
};

/* Fill in what is zero. */
void core_config_defaults(struct core_config *config);

/* A broker with no clients at this time, or NULL when out of memory. */
struct core *core_new(const struct core_config *config, uint64_t now_ms);

/* Free it all. Accepts NULL. */
void core_free(struct core *core);

/* Take new limits; sessions keep what they were promised. */
void core_reconfigure(struct core *core, const struct core_config *config);

/* Take back what a store has kept: operations in the order of store_restore, before the first
 * step. What follows from them (interest, records that must be written anew) is appended to
 * out. ERR_OK or ERR_NOMEM. */
int core_restore(struct core *core, const struct durable_op *op, struct core_out *out);

/* Say whether other brokers may want what is published here: only while none does are
 * publishers told that nobody has subscribed (reason 0x10). True until it is said. */
void core_set_remote_interest(struct core *core, bool any);

/* One filter after the other that clients here want and others may hear of, for a mesh that
 * begins to listen. *cursor starts at 0. false at the end; else *ret_filter, borrowed until
 * the next step, and *ret_interest, whose at and len say nothing. */
bool core_next_interest(const struct core *core, uint32_t *cursor, struct str *ret_filter,
                        struct core_interest *ret_interest);

/* One event. Effects are appended to out. */
void core_step(struct core *core, const struct core_event *event, struct core_out *out);

/* The time of the last event, or of core_new. */
uint64_t core_now_ms(const struct core *core);

/* When to send CORE_TICK at the latest, in node time; UINT64_MAX: no need. */
uint64_t core_deadline(const struct core *core);

/* Say how many bytes the transports have carried from and to clients, for $SYS. */
void core_set_wire_bytes(struct core *core, uint64_t in, uint64_t out);

/* Counters since the start and gauges of now. bytes_in and bytes_out count topics,
 * properties and payloads of messages; packets of any kind; wire_* what core_set_wire_bytes
 * said. */
struct core_stats {
    uint64_t connections, connections_total, sessions, sessions_expired;
    uint64_t connects;             /* CONNECT packets that could be read */
    uint64_t clients, clients_max; /* accepted and connected: now, and at most ever */
    uint64_t packets_in, packets_out, wire_in, wire_out;
    uint64_t subscriptions, filters, subscription_bytes;
    uint64_t shared_groups; /* distinct shared subscriptions; members are in subscriptions */
    uint64_t messages_in, messages_out, messages_dropped, bytes_in, bytes_out;
    uint64_t publishes_in[3], publishes_out[3]; /* by QoS */
    uint64_t retained, retained_bytes, queued, queued_bytes, inflight;
};
struct core_stats core_stats(const struct core *core);
