/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the simulator share. */
#pragma once

#include "sim.h"

#include "base/buf.h"
#include "base/rand.h"
#include "base/vec.h"
#include "mesh/mesh.h"

/* SIM_WATCHED_MAX: with more brokers only what has settled is compared. */
enum {
    SIM_FILTER_MAX = 48,
    SIM_WATCHED_MAX = 64,
    SIM_WINDOW = 256 * 1024,
    SIM_QUEUE_MAX = 1 << 20
};

/* When the first broker starts, in node time. */
#define SIM_EPOCH_MS 1750000000000u

/* A way between two brokers. Direction i leads away from ends[i]. */
struct sim_edge {
    uint32_t ends[2];
    uint64_t delay_us, jitter_us;
    uint64_t bytes_per_s; /* 0: no limit */
    bool cut;
    bool mute[2];
};

/* One side of a connection. */
struct sim_side {
    uint32_t node;
    link_id link;        /* 0: not open for this broker (any more) */
    uint64_t arrival_us; /* of the last thing sent to this side: order holds */
    uint64_t free_us;    /* when the line away from this side is free again */
    size_t granted;      /* bytes the mesh still believes it may send */
    size_t outstanding;  /* bytes on the line's queue */
    bool closing;        /* the mesh has said MESH_CLOSE */
};

/* A transport connection over an edge. side[0] dialled. Kept until the end. */
struct sim_conn {
    uint32_t edge;
    uint32_t seed; /* of the dialling broker */
    uint8_t end;   /* which end of the edge side[0] stands at */
    bool severed;  /* nothing passes any more */
    struct sim_side side[2];
};

enum sim_event_kind {
    SIM_ACCEPT,      /* conn: the dial reaches the other side */
    SIM_UP,          /* conn: the answer reaches the dialler */
    SIM_DIAL_FAILED, /* conn */
    SIM_DOWN,        /* conn, side: the transport is gone for this side */
    SIM_RX,          /* conn, side: bytes arrive there */
    SIM_DRAIN,       /* conn, side: bytes have left the sender's queue */
    SIM_WRITABLE,    /* conn, side */
    SIM_TICK,        /* node */
    SIM_FLUSH,       /* node */
    SIM_GONE,        /* node: end of a goodbye */
    SIM_WORK,        /* node: see sim_brokers */
};

struct sim_event {
    uint64_t time_us;
    uint64_t number; /* breaks ties: first pushed, first served */
    enum sim_event_kind kind;
    uint8_t side;
    uint32_t node;
    uint32_t life; /* of the node */
    struct sim_conn *conn;
    const char *reason;
    uint8_t *bytes;
    size_t len;
};

struct sim_want {
    char filter[SIM_FILTER_MAX];
    uint8_t qos;
    bool persistent;
    bool wanted;
};

/* An interest set as its owner once advertised it. */
struct sim_version {
    uint64_t iver, ihash;
};

struct sim_seed {
    uint32_t edge;
    uint8_t end;
    bool dialing;
};

struct sim_node {
    char name[12];
    struct node_id id;
    struct mesh *mesh; /* NULL: not running */
    bool host_up;      /* its machine answers, even when the process is gone */
    bool stub;
    uint32_t life; /* counts starts */
    uint32_t persisted_inc;
    uint64_t skew_ms; /* of its clock */
    uint64_t wake_us; /* a tick is due then; UINT64_MAX: none */
    uint32_t ticks_in_place;
    bool flush_due;
    struct {
        VEC(struct sim_seed);
    } seeds;
    struct {
        VEC(uint32_t);
    } edges; /* at this broker */
    struct {
        VEC(struct sim_conn *); /* by link number; NULL: free. [0] is never used */
    } links;
    struct {
        VEC(struct sim_want); /* everything ever wanted */
    } wants;
    struct mesh_node_view own; /* of sim_check_settled */
    struct {
        VEC(struct sim_version);
    } versions;
};

enum sim_way { SIM_LEAVES, SIM_ARRIVES, SIM_LOST };

/* Whole brokers, where the simulator else has meshes alone: what it asks of whoever runs
 * them. */
struct sim_brokers {
    /* The process starts. Its mesh, borrowed; what it wants already waits for the first step. */
    struct mesh *(*start)(void *context, uint32_t node, const struct mesh_config *config);
    void (*stop)(void *context, uint32_t node);
    /* Something happened to a link; or, for all of the broker, MESH_TICK, MESH_FLUSH,
     * MESH_SHUTDOWN. What it wants comes back by sim_node_carry. */
    void (*step)(void *context, uint32_t node, const struct mesh_event *event);
    uint64_t (*deadline)(void *context, uint32_t node);
    /* SIM_WORK, which whoever runs them has pushed. */
    void (*work)(void *context, uint32_t node);
    /* A bundle leaves the node, arrives there, or will never arrive there. */
    void (*bundle)(void *context, uint32_t node, enum sim_way way, struct str bytes);
    /* MESH_DELIVER. */
    void (*deliver)(void *context, uint32_t node, const struct message *message);
    void *context;
};

struct sim_message {
    uint32_t origin;
    char topic[SIM_FILTER_MAX];
    bool exact;   /* want says exactly who must get it */
    uint8_t *got; /* a byte a broker: deliveries */
    uint8_t *want;
};

struct sim {
    uint64_t seed;
    uint64_t now_us, number, steps, hash, delivered;
    struct rand rand;
    const struct sim_brokers *brokers; /* NULL: meshes alone */
    bool live, quiet; /* quiet: no trace kept */
    bool still;       /* settled and checked, no change since */
    struct {
        VEC(struct sim_node);
    } nodes;
    struct {
        VEC(struct sim_edge);
    } edges;
    struct {
        VEC(struct sim_conn *);
    } conns;
    struct {
        VEC(struct sim_event);
    } queue; /* a heap: the first is the next */
    struct {
        VEC(struct sim_event);
    } held; /* what arrived over a silent way, in order */
    struct {
        VEC(struct sim_message);
    } messages;
    struct mesh_out out;
    struct buf trace, shown;
    uint64_t trace_from_us; /* times in the trace count from here */
    char failure[400];
};

/* ---- sim.c ---- */

/* Let time pass until nobody advertises anything new: costs of links are advertised anew
 * when they have drifted. */
void sim_rest(struct sim *sim);

/* Note the first breach of an invariant. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of the trace. */
void sim_say(struct sim *sim, const struct sim_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A broker without edges, and an edge. Before sim_start. */
uint32_t sim_add_node(struct sim *sim, const char *name);
void sim_add_edge(struct sim *sim, uint32_t a, uint32_t b, bool both_dial);

/* An empty simulation, and its start. */
struct sim *sim_make(uint64_t seed);
void sim_start(struct sim *sim);

/* The number of the broker with this name, or UINT32_MAX. */
uint32_t sim_node_named(const struct sim *sim, const char *name);

/* sim_new_shape with whole brokers, which must outlive it; sim_start is left to the caller. */
struct sim *sim_new_whole(enum sim_shape shape, uint32_t count, uint64_t seed,
                          const struct sim_brokers *brokers);

/* Abort when out of memory; the simulator has no other way. */
void *sim_need(void *memory);

/* ---- sim_net.c ---- */

/* Put an event into the queue. bytes, if any, are given away. */
void sim_push(struct sim *sim, struct sim_event event);

/* The next event at or before a time; false when there is none. */
bool sim_pop(struct sim *sim, uint64_t until_us, struct sim_event *ret_event);

/* Effects of a mesh on its links. */
void sim_net_dial(struct sim *sim, uint32_t node, uint32_t seed);
void sim_net_send(struct sim *sim, uint32_t node, link_id link, const uint8_t *bytes, size_t len);
void sim_net_close(struct sim *sim, uint32_t node, link_id link);

/* An event that concerns a connection. */
void sim_net_handle(struct sim *sim, struct sim_event *event);

/* All connections of a broker that has died: peers are told, if told is set. */
void sim_net_forget(struct sim *sim, uint32_t node, bool told);

/* All connections over an edge end: both sides are told. */
void sim_net_reset(struct sim *sim, uint32_t edge);

/* What was held for ways that are open again goes on. */
void sim_net_release(struct sim *sim);

/* ---- sim_node.c ---- */

/* Start and end of a broker's process. */
void sim_node_start(struct sim *sim, uint32_t node, bool disk);
void sim_node_stop(struct sim *sim, uint32_t node);

/* Give an event to the broker's mesh and carry out what it wants. */
void sim_node_step(struct sim *sim, uint32_t node, struct mesh_event *event);

/* Carry out what a broker's mesh wants. flushed: the turn has ended with it. */
void sim_node_carry(struct sim *sim, uint32_t node, struct mesh_out *out, bool flushed);

/* The broker's time. */
uint64_t sim_node_now_ms(const struct sim *sim, uint32_t node);

/* Note what clients of a whole broker want, for the checks. */
void sim_node_note(struct sim *sim, uint32_t node, const char *filter, unsigned qos,
                   bool persistent);

/* SIM_TICK, SIM_FLUSH. */
void sim_node_handle(struct sim *sim, const struct sim_event *event);

/* The same as the functions in sim.h, by number. */
void sim_node_want(struct sim *sim, uint32_t node, const char *filter, unsigned qos,
                   bool persistent, bool wanted);
void sim_node_publish(struct sim *sim, uint32_t node, const char *topic);

/* ---- sim_check.c ---- */

/* What must hold after every step of a broker. */
void sim_check_step(struct sim *sim, uint32_t node);

/* The same and more, slower: now and then. */
void sim_check_views(struct sim *sim, uint32_t node);

/* A message has been delivered at a broker. */
void sim_check_deliver(struct sim *sim, uint32_t node, const struct message *message);

/* A sum over what all brokers advertise of themselves. */
uint64_t sim_databases(const struct sim *sim);

/* Which brokers can be reached from one, by the links that work: a byte each. Freed by
 * the caller. */
uint8_t *sim_reachable(const struct sim *sim, uint32_t from);

/* Can it reach any other? */
bool sim_is_alone(const struct sim *sim, uint32_t node);

/* Does the broker want the topic now? Did it ever? */
bool sim_wants(const struct sim_node *node, const char *topic, bool ever);
