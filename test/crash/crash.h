/* SPDX-License-Identifier: Apache-2.0 */
/* One broker with its store on a virtual disk, and clients that keep what a client has to
 * keep, all from one seed. The broker crashes at any moment; packets in between are lost with
 * their connections. Whatever happens, this must hold in the end:
 *
 *   - a session, subscription or message that was acknowledged is there;
 *   - each subscriber has every acknowledged message, those of QoS 2 once, in order;
 *   - the retained message is the last acknowledged one or a later one;
 *   - the will of who was connected at a crash has been sent.
 *
 * A violation is a line of text; the same seed gives it again. */
#pragma once

#include "base/buf.h"
#include "base/rand.h"
#include "core/core.h"
#include "node/node.h"
#include "store/store.h"
#include "store/tables.h"
#include "vdisk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENTS = 4,      /* the first two publish, all subscribe */
    PUBLISHERS = 2,
    MESSAGES_MAX = 400, /* of a publisher */
    FLIGHTS_MAX = 16,
    IDS = 65536,
};

/* A publish of a client's that is not acknowledged to the end. */
struct flight {
    uint16_t id;
    uint8_t qos;
    bool received; /* PUBREC came: PUBREL is what is sent again */
    bool retain;
    uint32_t number;
};

/* What a subscriber has of one publisher's messages. */
struct inbox {
    uint8_t times[MESSAGES_MAX]; /* each came so often */
    uint32_t last;               /* the highest that came first */
};

/* A packet on its way, either way. */
struct parcel {
    uint8_t *bytes;
    size_t len;
};

struct line {
    struct {
        VEC(struct parcel);
    } parcels;
    size_t at; /* those before are delivered */
};

struct client {
    const char *name;
    /* What survives its connections. */
    bool had_connack;  /* it knows that its session is there */
    bool subscribed;   /* SUBACK came */
    uint32_t since[PUBLISHERS]; /* messages sent from then on are its own to get */
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    uint16_t next_id;
    uint8_t owes[IDS / 8];      /* QoS 2 identifiers received and not released */
    struct inbox from[PUBLISHERS];
    uint32_t sent, acked;       /* messages of a publisher: numbers from 1 */
    uint8_t qos_of[MESSAGES_MAX];
    bool acked_of[MESSAGES_MAX];
    bool refused_of[MESSAGES_MAX]; /* or may have been, by a store that was full */
    uint32_t retained_sent, retained_acked;
    bool retained_refused; /* one may have been, and came again behind later ones */
    uint32_t lives;             /* connections so far: the payload of its will */
    uint32_t mourned;           /* the life whose will must be seen; 0: none */
    uint32_t will_seen;
    /* The connection. */
    conn_id conn; /* 0: none */
    bool up;      /* CONNACK came */
    bool paused;
    struct line in, out;
};

struct crash {
    uint64_t seed;
    struct rand rand;
    uint64_t now_ms;
    struct vdisk vdisk;
    struct tables *tables; /* survive a crash as of their last transaction */
    struct store *store;
    struct node *node;
    struct node_out out;
    conn_id conns; /* given out so far */
    struct client clients[CLIENTS];
    conn_id late; /* who looks at what is retained in the end */
    uint32_t retained[PUBLISHERS]; /* what it has seen */
    unsigned crashes;
    bool disk_failed, full;
    struct buf wrong; /* violations, a line each */
};

/* Run one schedule of so many steps. True: nothing is wrong; else text in crash->wrong. */
bool crash_run(struct crash *crash, uint64_t seed, unsigned steps);

void crash_finish(struct crash *crash);

/* ---- crash_broker.c ---- */

/* Start the broker from what the disk holds. */
void broker_start(struct crash *crash);

/* The broker is gone at once, and with it whatever was on its way. */
void broker_crash(struct crash *crash);

/* Hand one event to the broker and put what it sends on the clients' lines. */
void broker_step(struct crash *crash, struct core_event event);

/* Let the store do one piece of work, or hear of it, or end the turn. */
void broker_store(struct crash *crash);

/* Nothing waits in store or broker? Does one piece of what does. */
bool broker_is_idle(struct crash *crash);

/* ---- crash_client.c ---- */

void client_connect(struct crash *crash, struct client *client);
void client_cut(struct crash *crash, struct client *client);
void client_publish(struct crash *crash, struct client *client);

/* One packet arrives at the client; at the broker. False: there was none. */
bool client_hear(struct crash *crash, struct client *client);
bool client_speak(struct crash *crash, struct client *client);

/* What the broker sends to a connection. */
void client_get(struct crash *crash, conn_id conn, const uint8_t *bytes, size_t len);

/* Ask what is retained. */
void client_look(struct crash *crash);

/* Empty both lines. */
void client_lose_lines(struct client *client);

__attribute__((format(printf, 2, 3))) void crash_wrong(struct crash *crash, const char *format,
                                                       ...);
