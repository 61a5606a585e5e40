/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations with a core, so that tests read like them. Client packets are encoded,
 * framed, decoded and stepped; effects are encoded, decoded and written down as lines of
 * text, which TALK_EXPECT compares and forgets:
 *
 *     CONNECT(t, 1, "alice");
 *     SUBSCRIBE(t, 1, "a/+", .qos = 1);
 *     PUBLISH(t, 2, "a/b", "hello", .qos = 1, .id = 7);
 *     TALK_EXPECT(t, "1 PUBLISH a/b hello q1 id1\n"
 *                    "2 PUBACK 7\n");
 *
 * A connection that the core closes is gone after the step. Unless the store is held, all
 * that the core asks of it is durable at once. */
#pragma once

#include "base/buf.h"
#include "core/core.h"

#include <check.h>

enum { TALK_CONNS = 64 };

/* What is written down besides what clients get. */
enum talk_show {
    TALK_FORWARDS = 1,
    TALK_INTERESTS = 2,
    TALK_STORES = 4,
    TALK_FACTS = 8,
    TALK_CONNACK = 16, /* all properties of CONNACK */
};

struct talk {
    struct core *core;
    struct core_out out;
    struct buf text; /* since the last expectation */
    struct buf wire; /* all bytes to clients ever, with the connection before each packet */
    uint64_t now_ms;
    uint64_t token; /* the last one asked for */
    unsigned show;
    bool hold_store; /* talk_durable says what is durable */
    bool failed;     /* some step was short of memory */
    uint8_t versions[TALK_CONNS];
    bool open[TALK_CONNS];
};

/* Called around every step of a core; for tests that make allocations fail. */
extern void (*talk_around_step)(bool before);

/* A talk with a fresh core; config may be NULL. */
struct talk *talk_new(const struct core_config *config);
void talk_free(struct talk *talk);

/* What a client says of itself. Version 5 and a clean start unless told otherwise. */
struct hello {
    enum mqtt_version version;
    bool keep; /* no clean start */
    bool has_expiry;
    uint32_t expiry_s;
    const char *will_topic, *will_payload;
    uint8_t will_qos;
    bool will_retain;
    uint32_t will_delay_s, will_expiry_s;
    uint16_t keep_alive, receive_max, alias_max;
    uint32_t packet_max;
    const char *username, *password, *method, *auth_data;
    bool no_problem_info, want_response;
    int end; /* says nothing: lets the macro end its list */
};
void talk_connect(struct talk *talk, conn_id conn, const char *id, struct hello hello);
#define CONNECT(talk, conn, ...)      CONNECT_(talk, conn, __VA_ARGS__, .end = 0)
#define CONNECT_(talk, conn, id, ...) talk_connect(talk, conn, id, (struct hello){ __VA_ARGS__ })

/* Open a transport and say nothing. */
void talk_open(struct talk *talk, conn_id conn);

struct news {
    uint8_t qos;
    uint16_t id;
    bool retain, dup, has_expiry;
    uint32_t expiry_s;
    uint16_t alias;
    const char *user; /* value of a user property "u" */
    int end;
};
void talk_publish(struct talk *talk, conn_id conn, const char *topic, const char *payload,
                  struct news news);
#define PUBLISH(talk, conn, topic, ...) PUBLISH_(talk, conn, topic, __VA_ARGS__, .end = 0)
#define PUBLISH_(talk, conn, topic, payload, ...)                                                  \
    talk_publish(talk, conn, topic, payload, (struct news){ __VA_ARGS__ })

struct wish {
    uint16_t id; /* 1 unless told otherwise */
    uint8_t qos;
    bool no_local, as_published;
    uint8_t handling;
    uint32_t sub_id;
    int end;
};
void talk_subscribe(struct talk *talk, conn_id conn, const char *filter, struct wish wish);
#define SUBSCRIBE(talk, conn, ...) SUBSCRIBE_(talk, conn, __VA_ARGS__, .end = 0)
#define SUBSCRIBE_(talk, conn, filter, ...)                                                        \
    talk_subscribe(talk, conn, filter, (struct wish){ __VA_ARGS__ })

/* One UNSUBSCRIBE with packet id 1. */
void talk_unsubscribe(struct talk *talk, conn_id conn, const char *filter);

/* One of the four acknowledgements. */
void talk_ack(struct talk *talk, conn_id conn, enum mqtt_kind kind, uint16_t id, uint8_t reason);

/* The same on a transport that waits for no disk. */
void talk_open_relaxed(struct talk *talk, conn_id conn);

/* The store is full; has room again. */
void talk_store(struct talk *talk, bool full);

/* A part of a session's queue comes from the store: places [from, end), of which those that
 * letters names are there, a letter a place: 'm' QoS 1 message, 'M' QoS 2, 'z' QoS 0, 'r'
 * received, '-' done, a '.' at the end: there is no more. The topic is "x", the payload the place. */
void talk_loaded(struct talk *talk, uint64_t session, uint64_t from, const char *letters);

/* Give the core back one record, before anything else. Effects are written down. */
void talk_restore(struct talk *talk, const struct durable_op *op);

/* DISCONNECT; expiry_s below 0: without the property. */
void talk_goodbye(struct talk *talk, conn_id conn, uint8_t reason, int64_t expiry_s);

/* Any packet, encoded and decoded on its way; any bytes, given in hex. */
void talk_packet(struct talk *talk, conn_id conn, const struct mqtt_packet *packet);
void talk_hex(struct talk *talk, conn_id conn, const char *hex);

/* The transport breaks. */
void talk_cut(struct talk *talk, conn_id conn);

/* An event of the given kind without more to it. */
void talk_event(struct talk *talk, conn_id conn, enum core_event_kind kind);

/* AUTH with a method and data. */
void talk_auth(struct talk *talk, conn_id conn, uint8_t reason, const char *method,
               const char *data);

/* Somebody answers a question. */
void talk_answer(struct talk *talk, conn_id conn, struct core_answer answer);

/* A message comes over the mesh. */
void talk_remote(struct talk *talk, const char *topic, const char *payload, uint8_t qos,
                 bool retain);

/* The store says so. */
void talk_durable(struct talk *talk, uint64_t token);

/* Time passes, with a tick at every deadline. */
void talk_wait(struct talk *talk, uint64_t ms);

/* What was written down, as a C string; forgets it. Valid until the next line. */
const char *talk_said(struct talk *talk);
#define TALK_EXPECT(talk, lines) ck_assert_str_eq(talk_said(talk), lines)

/* Forget what was written down. */
void talk_forget(struct talk *talk);
