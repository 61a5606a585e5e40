/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh, as a step: events in, effects out. MESH/1, milestone M1 (docs/MESH.md).
 *
 * A mesh is one broker's view of all brokers: who is there (link state), who wants what
 * (interest), the next hop to each (SPF), and the frames on their way. It never reads a
 * clock, a socket or a file; the same events give the same effects, byte for byte, so a
 * simulator runs a thousand of them and replays a failure from its seed.
 *
 * A link is a number that the caller gives out at MESH_LINK_UP, for a transport that
 * carries bundles both ways, in order, whole. What is on a bundle is the mesh's business;
 * how it travels (an MQTT PUBLISH in a WebSocket frame) is the caller's. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include "mqtt/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mesh;

/* A link's number: small, dense, never 0. Free again after MESH_LINK_DOWN. */
typedef uint32_t link_id;

/* The bytes of a bundle at most. Every peer must accept it. */
enum { MESH_BUNDLE_MAX = 65536 };

/* Bytes that a link takes before the caller says MESH_LINK_WRITABLE: what a transport that
 * has nothing queued should offer. Enough for one turn, little enough that control traffic
 * waits behind no more. MESH.md 3.15. */
enum { MESH_LINK_ROOM = 256 * 1024 };

enum { NODE_ID_LEN = 16 };

/* A broker's identity, for ever. MESH.md 3.1. */
struct node_id {
    uint8_t bytes[NODE_ID_LEN];
};

/* ---- events ---- */

enum mesh_event_kind {
    MESH_LINK_UP,       /* link, seed: a transport is ready; seed is what was dialled or MESH_ACCEPTED */
    MESH_LINK_DOWN,     /* link, text: the transport is gone, and why, in words */
    MESH_DIAL_FAILED,   /* seed, text: a MESH_DIAL came to nothing, and why, in words */
    MESH_LINK_RX,       /* link, bytes: one bundle */
    MESH_LINK_WRITABLE, /* link, room: the transport takes this many more bytes from now on */
    MESH_INTEREST,      /* filter, qos, persistent, wanted: what local clients want changed */
    MESH_TELLING,       /* more: what local clients have wanted for long is being said, or all was */
    MESH_PUBLISH,       /* message: published here; send it to whoever wants it */
    MESH_FLUSH,         /* end of the caller's turn: let out what has gathered */
    MESH_TICK,          /* time has passed */
    MESH_SHUTDOWN,      /* say BYE on every link */
};

/* MESH_LINK_UP: the other side dialled. */
#define MESH_ACCEPTED UINT32_MAX

struct mesh_event {
    enum mesh_event_kind kind;
    uint64_t now_ms; /* node time, as in core_event; never less than before */
    uint64_t now_us; /* a finer monotonic clock for round-trip times; any start */
    link_id link;
    uint32_t seed; /* index into mesh_config.seeds */
    union {
        struct str text;
        struct str bytes;
        size_t room;
        bool more;
        struct message *message; /* borrowed */
        struct {
            struct str filter;
            uint8_t qos;
            bool persistent;
            bool wanted;
        } interest;
    };
};

/* ---- effects ---- */

enum mesh_action_kind {
    MESH_SEND,    /* link, channel, bytes: a bundle to put on the link */
    MESH_DIAL,    /* seed: open a transport to this seed; answer with LINK_UP or DIAL_FAILED */
    MESH_CLOSE,   /* link, bytes (text): close the transport after what was sent; answer LINK_DOWN */
    MESH_DELIVER, /* message: for local subscribers, whole and once */
    MESH_PERSIST, /* inc: write the incarnation down before anything else is sent */
};

/* Which topic alias the transport uses. MESH.md 3.2. */
enum mesh_channel { MESH_CONTROL = 1, MESH_DATA = 2, MESH_BULK = 3 };

struct mesh_action {
    enum mesh_action_kind kind;
    enum mesh_channel channel;
    link_id link;
    uint32_t seed;
    uint32_t inc;
    size_t at, len;          /* bytes, in mesh_out.bytes */
    struct message *message; /* a reference that mesh_out_clear gives back */
};

/* For the log: what happened in the mesh. */
enum mesh_fact_kind {
    MESH_FACT_LINK_FULL,      /* peer name: link carries traffic */
    MESH_FACT_LINK_DOWN,      /* peer name or URL; text: why */
    MESH_FACT_NODE_REACHABLE, /* name */
    MESH_FACT_NODE_LOST,      /* name */
    MESH_FACT_DUPLICATE_ID,   /* name; text: what is done about it */
    MESH_FACT_REPAIRED,       /* name: anti-entropy found a difference */
    MESH_FACT_REFUSED,        /* peer name or link; text: what it sent that is not allowed */
};

/* "link.full" and the like: the event's name in the log. Static. */
const char *mesh_fact_name(enum mesh_fact_kind kind);

struct mesh_fact {
    enum mesh_fact_kind kind;
    link_id link;
    size_t name_at, name_len; /* in mesh_out.bytes */
    size_t text_at, text_len; /* in mesh_out.bytes */
};

/* What one or several steps want done, in order. A zeroed struct is empty. */
struct mesh_out {
    struct { VEC(struct mesh_action); } actions;
    struct { VEC(struct mesh_fact); } facts;
    struct buf bytes;
    bool failed; /* out of memory: some effect is missing */
};

/* Drop all effects and give their references back; keep the memory. */
void mesh_out_clear(struct mesh_out *out);

/* The same, and free the memory. */
void mesh_out_finish(struct mesh_out *out);

/* ---- configuration and life ---- */

/* A zero means the default. Strings are copied. */
struct mesh_config {
    struct node_id id;
    uint32_t inc;         /* incarnation, already written down */
    uint64_t boot;        /* random per start */
    uint64_t random_seed; /* for jitter and hashes */
    struct str name;      /* a label for people */
    struct str mesh_name; /* links to another mesh are refused */
    const struct str *seeds; /* URLs of peers to keep links to */
    size_t seed_count;
    bool stub_only;             /* never carry others' traffic */
    uint32_t ping_ms;           /* between PINGs on a link: 1000, less on a LAN */
    uint32_t handshake_ms;      /* for each step until a link is FULL; anew on progress */
    uint32_t dial_backoff_ms;   /* first; doubles */
    uint32_t dial_backoff_max_ms;
    uint32_t interest_batch_ms; /* at least this long between floods of changes */
    uint32_t interest_linger_ms;/* before a removal is flooded */
    uint32_t interest_piece; /* filters that a turn tells, looks at, takes in or drops, at most */
    uint32_t digest_ms;         /* between digests on a link */
    uint32_t stale_ms;          /* a lost node's records are kept so long */
    uint32_t links_max, nodes_max, filters_max;
    size_t link_queue_bytes_max; /* per link and class */
    uint32_t qos0_age_ms; /* older messages of QoS 0 are dropped from a link's queue */
};

/* Fill in what is zero. */
void mesh_config_defaults(struct mesh_config *config);

/* A mesh of one, at this time, or NULL when out of memory. */
struct mesh *mesh_new(const struct mesh_config *config, uint64_t now_ms);

/* Free it all. Accepts NULL. */
void mesh_free(struct mesh *mesh);

/* One event. Effects are appended to out. */
void mesh_step(struct mesh *mesh, const struct mesh_event *event, struct mesh_out *out);

/* When to send MESH_TICK at the latest, in node time; UINT64_MAX: no need. */
uint64_t mesh_deadline(const struct mesh *mesh);

/* Does any other broker want anything? Then publishes need MESH_PUBLISH. Cheap. */
bool mesh_has_interest(const struct mesh *mesh);

/* ---- looking in: for status, the simulator's invariants, tests ---- */

/* A broker as this one knows it. Text is borrowed until the next step. */
struct mesh_node_view {
    struct str name;
    struct node_id id;
    uint32_t inc;
    uint64_t boot;
    uint32_t tseq;
    uint64_t iver, ihash;
    bool self, reachable;
    uint32_t hops, cost; /* of the shortest path; 0 for self or unreachable */
    size_t filters;      /* advertised, after covering */
};

/* The next broker at or after *cursor (starts at 0), in order of id, self included; false
 * at the end. */
bool mesh_next_node(const struct mesh *mesh, size_t *cursor, struct mesh_node_view *ret_node);

enum link_state { LINK_DOWN, LINK_DIALING, LINK_HELLO, LINK_EXCHANGE, LINK_FULL, LINK_DRAINING };

/* "full" and the like. Static. */
const char *link_state_name(enum link_state state);

/* A link, or a seed that has none. */
struct mesh_link_view {
    link_id link;      /* 0: none now */
    struct str peer;   /* its name, or the seed's URL before it is known */
    enum link_state state;
    uint64_t rtt_us;   /* smoothed; 0: not measured */
    uint32_t cost;
    struct str reason; /* why it is not full, in words; empty when it is */
};

/* The next link or seed at or after *cursor (starts at 0); false at the end. */
bool mesh_next_link(const struct mesh *mesh, size_t *cursor, struct mesh_link_view *ret_link);

/* The next filter that a broker advertises, in order of text; false at the end or when
 * the broker is not known. For tests and `plexus why`. */
bool mesh_next_filter(const struct mesh *mesh, const struct node_id *id, size_t *cursor,
                      struct str *ret_filter, uint8_t *ret_qos);

struct mesh_stats {
    uint64_t frames_in, frames_out, frames_forwarded, bytes_in, bytes_out;
    uint64_t delivered, published;
    uint64_t dropped_ttl, dropped_uturn, dropped_unreachable, dropped_queue, dropped_age;
    uint64_t spf_runs, floods_in, floods_out, repairs;
    uint64_t refused; /* records of brokers, or interest sets, beyond this one's limits */
    uint64_t queue_bytes, queue_bytes_peak;
};
struct mesh_stats mesh_stats(const struct mesh *mesh);

/* Recompute what is kept incrementally (interest hashes, queue sizes, next hops) and
 * compare: NULL when all agree, else a static sentence about what does not. Slow. */
const char *mesh_audit(const struct mesh *mesh);
