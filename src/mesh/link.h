/* SPDX-License-Identifier: Apache-2.0 */
/* A link and its adjacency: from a transport that is up to a neighbour that carries
 * traffic. link_handle() holds the whole table of states and events; link_enter() is the
 * only writer of the state. MESH.md 3.2.
 *
 *     DOWN -up-> HELLO -hello both ways-> EXCHANGE -digests equal or served-> FULL
 *     FULL -duplicate or peer's drain-> DRAINING -empty and both said bye-> DOWN
 *     EXCHANGE -peer's drain-> DRAINING
 *     any -transport lost, timeout, silence, bye, refused-> DOWN */
#pragma once

#include "base/str.h"
#include "mesh/flood.h"
#include "mesh/link_queue.h"
#include "mesh/lsdb.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;

enum { LINK_NAME_MAX = 64, LINK_REASON_MAX = 120 };

enum link_event {
    LINK_EVENT_UP,     /* the transport is ready */
    LINK_EVENT_HELLO,  /* both sides know each other */
    LINK_EVENT_SYNCED, /* nothing is known there that is not known here */
    LINK_EVENT_DRAIN,  /* another link does the work: stop using this one */
    LINK_EVENT_GONE,   /* closed by either side, or lost */
};

/* A record that the peer showed in its digest and that has not come yet. */
struct link_want {
    struct node_id id;
    uint8_t kind; /* enum record_kind */
    uint32_t inc;
    uint64_t boot, version;
};

struct link {
    link_id id;
    uint32_t seed; /* that was dialled, or MESH_ACCEPTED */
    enum link_state state;
    bool closing;         /* MESH_CLOSE is out: only LINK_DOWN may follow */
    uint64_t deadline_ms; /* of the handshake, or of draining */
    uint64_t full_ms;
    char reason[LINK_REASON_MAX]; /* why it is not full, in words */

    /* The peer, by its HELLO. */
    bool hello_in, ack_in;
    struct node_id peer;
    uint32_t peer_inc;
    uint64_t nonce, peer_nonce;
    uint64_t hello_us;
    char peer_name[LINK_NAME_MAX + 1];

    /* Life and cost. */
    uint64_t rx_ms, ping_ms; /* last byte; next PING */
    uint32_t ping_seq;
    uint64_t srtt_us;
    uint64_t rtt_min_us;  /* of late: what the way takes without queues */
    uint32_t slow_pongs;  /* so many in a row took twice as long */
    uint64_t slow_min_us; /* the least of them */
    uint32_t cost;        /* as advertised */
    uint64_t cost_off_ms; /* since when the measured one differs; 0: it does not */
    uint64_t cost_set_ms;
    bool cost_settled;     /* it was set after some PINGs, not only at the start */
    uint64_t advertise_ms; /* in the own record from then on */
    bool advertised;

    /* Finding out what is new. */
    bool answered; /* the peer has said all that it has and we had not */
    struct {
        VEC(struct link_want);
    } wants;
    uint64_t digest_ms; /* next digest */
    uint64_t *sums;     /* the peer's, while the answer waits for the own interest; or NULL */
    uint64_t answer_ms; /* not longer than until then */

    /* Draining. */
    uint64_t drain_ms; /* begin then; UINT64_MAX: do not */
    bool bye_out, bye_in;

    struct flood flood;
    struct link_queue queue;
    size_t room;
};

/* The link with this number, or NULL. */
struct link *link_at(const struct mesh *mesh, link_id id);

/* The transport of a link is ready. */
void link_up(struct mesh *mesh, link_id id, uint32_t seed);

/* The transport is gone: the link with it. */
void link_down(struct mesh *mesh, link_id id, struct str why);

/* An event of the adjacency. The link may be gone afterwards only by link_down. */
void link_handle(struct mesh *mesh, struct link *link, enum link_event event);

/* Say BYE with these words (unless the peer said it), close the transport, and state that
 * the link is down. The link stays, DOWN and closing, until the transport is gone. */
void link_close(struct mesh *mesh, struct link *link, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The peer broke the protocol: state it and close. */
void link_refuse(struct mesh *mesh, struct link *link, const char *what);

/* Queue a frame with this body, unless the link is down already; more than a bundle holds is a bug.
 */
void link_put(struct mesh *mesh, struct link *link, enum queue_class class, uint8_t type,
              struct str body);

/* Send what waits, as far as the link has room. */
void link_flush(struct mesh *mesh, struct link *link);

/* Deadlines of one link; the next one. */
uint64_t link_run(struct mesh *mesh, struct link *link);

/* Is this the link to keep, when both sides dialled? The one that the lower id dialled. */
bool link_preferred(const struct mesh *mesh, const struct link *link);

/* The peer's name, or the URL, or "link N" written into text. */
struct str link_name(const struct mesh *mesh, const struct link *link, char text[32]);

/* A BYE came. ERR_OK or ERR_MALFORMED. */
int bye_on_frame(struct mesh *mesh, struct link *link, struct str body);

/* Each link that is there, in order of number. */
#define link_each(mesh, item)                                                                      \
    for (size_t item##_at = 0; item##_at < (mesh)->links.len; item##_at++)                         \
        for (struct link *item = (mesh)->links.at[item##_at]; item; item = NULL)
