/* SPDX-License-Identifier: Apache-2.0 */
/* A turn of the loop, from inside: what the files of the net share. Whoever read something
 * feeds the node and calls net_settle(); before the loop sleeps again, turn_end() lets the
 * node flush and sends what has gathered, one write a connection. */
#pragma once

#include "base/list.h"
#include "base/rand.h"
#include "base/vec.h"
#include "net/image.h"
#include "net/net.h"
#include "node/node.h"

#include <uv.h>

struct stream;
struct carrier;
struct listener;
struct file_watch;
struct web;

enum {
    RX_BYTES = 64 * 1024, /* read at most so much at once */
    SENDS_MAX = 8192,     /* carried out at the latest when so many are due */
};

/* A connection's out-queue crossed its limit; the core is told after the step. */
struct congestion {
    conn_id id;
    bool on;
};

/* What was answered to a question of the core's; the core is told after the step. */
struct answer {
    conn_id conn;
    struct core_answer answer; /* owns its data */
};

enum net_phase { NET_RUNNING, NET_STOPPING, NET_STOPPED };

struct net {
    struct net_config config;
    struct node *node;
    struct node_out out;
    uint32_t link_packet_max;

    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_async_t async;
    uint64_t timer_due_ms; /* node time; UINT64_MAX: not set */

    uint64_t clock_base_ms; /* node time when the monotonic clock was 0 */
    uint64_t now_ms, now_us;
    uint64_t token; /* durable up to here */
    uint64_t token_told;

    struct {
        VEC(struct stream *);
    } streams; /* by id; 0 is never used */
    struct {
        VEC(conn_id);
    } free_conns;
    struct {
        VEC(conn_id);
    } lost_conns; /* CORE_CLOSED is due */
    struct {
        VEC(struct congestion);
    } congestions;
    struct {
        VEC(struct answer);
    } answers;
    struct list dirty;     /* streams with something to send */
    struct list doors;     /* connections of which too little is known */
    struct list throttled; /* meters whose streams wait */
    struct list held;      /* streams that are read on, with bytes that were kept */
    struct list unread;    /* TLS connections that OpenSSL holds bytes of */
    struct list closing;   /* streams that flush their last bytes */
    struct {
        VEC(struct carrier *);
    } links; /* by id */
    struct {
        VEC(link_id);
    } free_links;
    struct list all_carriers; /* also those that shake hands */
    struct list dirty_carriers;
    struct list ended_carriers; /* transport gone; the mesh is to hear */
    struct listener *listeners;
    struct file_watch *tls_watch;
    struct web *web;
    int spare_fd;             /* given up to refuse one more when files run out */
    uint64_t file_warning_ms; /* last time the log said so */

    struct rand rand; /* mask keys */
    enum net_phase phase;
    uint64_t stop_due_ms;
    bool gate_open;
    uint32_t peers_peak;       /* connections at most since memory was given back */
    uint64_t give_back_due_ms; /* 0: it is not due */
    size_t waiting_bytes;      /* in all out-queues, as of their last flush */
    size_t hello_bytes;        /* kept of clients that are not accepted yet */
    uint64_t heavy_in;         /* bytes_in when heavy streams were flushed last */
    uint64_t bytes_read;       /* bytes_in when the turn before ended */
    uint64_t reads_on_us;      /* since when a crowd waits to be written to; 0: none does */
    bool settling;
    bool dials_lost; /* a MESH_DIAL found no memory: to be answered */
    bool unfinished; /* the turn ended with something left to flush */
    struct net_stats stats;
    struct images images;
    uint8_t rx[RX_BYTES];
};

/* Read the clock into now_ms and now_us. */
void turn_time(struct net *net);

/* Begin the end: node_shutdown and no more listeners. On the net's thread. */
void turn_shutdown(struct net *net);

/* What the loop calls before it sleeps. */
void turn_end(uv_prepare_t *prepare);

/* Set the timer to the earliest deadline of node, connections and links. */
void turn_schedule(struct net *net);

/* What the timer calls. */
void turn_timer(uv_timer_t *timer);
