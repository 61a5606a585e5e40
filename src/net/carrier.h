/* SPDX-License-Identifier: Apache-2.0 */
/* A carrier carries one mesh link's bundles: an MQTT 5 connection in a WebSocket, dialled
 * or accepted. First the two sides shake hands (CONNECT, CONNACK, SUBSCRIBE, SUBACK), then
 * the mesh hears MESH_LINK_UP and every QoS 0 PUBLISH is a bundle. MESH.md 3.2 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "net/intake.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dial;
struct tap;
struct net;

enum carrier_phase {
    CARRIER_OPENING,   /* dialling: no WebSocket yet */
    CARRIER_CONNECT,   /* accepted: awaits CONNECT */
    CARRIER_CONNACK,   /* dialled: awaits CONNACK */
    CARRIER_SUBSCRIBE, /* accepted: awaits SUBSCRIBE */
    CARRIER_SUBACK,    /* dialled: awaits SUBACK */
    CARRIER_UP,        /* carries bundles */
    CARRIER_ENDED,     /* the mesh is to hear why */
};

struct carrier {
    struct net *net;
    struct lws *wsi;   /* NULL: none yet, or no more */
    struct dial *dial; /* NULL: accepted */
    SSL *ssl;          /* ours, of a dialled one; NULL: no TLS, or the library's */
    struct tap *tap;   /* NULL: no WebSocket yet, or no more */
    enum carrier_phase phase;
    link_id id; /* 0: not up */
    uint32_t seed;
    bool closing;         /* end when all is sent */
    uint8_t aliases_sent; /* bit n: the peer knows topic alias n */
    struct intake in;
    struct buf out;  /* LWS_PRE bytes of room, then packets */
    size_t out_sent; /* of the packets, already gone */
    bool owes;       /* bundles were taken since the mesh was last given room */
    uint64_t due_ms; /* to be up by then */
    struct buf end;  /* why it ended, in words */
    struct list all, dirty, ended;
};

/* A carrier that is dialled for a seed, or NULL when out of memory. */
struct carrier *carrier_new(struct net *net, uint32_t seed);

/* A carrier for a WebSocket that came to /mesh, or NULL when out of memory. */
struct carrier *carrier_accept(struct net *net, struct lws *wsi);

/* Its WebSocket was dialled and is open: own the socket, and its TLS. False: it cannot be,
 * and both are gone. */
bool carrier_attach(struct carrier *carrier, int fd, SSL *ssl);

/* Its WebSocket is open: read from it. early: what came behind the handshake. The carrier
 * may have ended afterwards. */
void carrier_read(struct carrier *carrier, struct str early);

/* The library has read some more. Likewise. */
void carrier_put_early(struct carrier *carrier, struct str early);

/* Something came. The carrier may have ended afterwards. */
void carrier_receive(struct carrier *carrier, const void *bytes, size_t len);

/* The socket takes more. */
void carrier_writable(struct carrier *carrier);

/* The socket is gone by itself; the carrier forgets it and ends. */
void carrier_gone(struct carrier *carrier, const char *why);

/* End it: close the socket, if any, and let the mesh hear the text. The first end counts. */
void carrier_end(struct carrier *carrier, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The handshake is done: a link is up. */
void carrier_up(struct carrier *carrier);

/* Queue a packet that is already encoded in bytes. */
void carrier_put(struct carrier *carrier, const void *bytes, size_t len);

/* ---- for the net as a whole ---- */

/* Carry out MESH_SEND and MESH_CLOSE. */
void carrier_send(struct net *net, link_id link, enum mesh_channel channel, struct str bundle);
void carrier_close(struct net *net, link_id link, struct str why);

/* Tell the mesh which links and dials have ended; was there any? */
bool carrier_tell_mesh(struct net *net);

/* Send what waits, packed into as few frames as can be, and give the mesh its room back. */
void carrier_flush_all(struct net *net);

/* End those that did not come up, or do not close, in time. */
void carrier_expire(struct net *net);

/* Is there one with such a deadline? */
bool carrier_any_waiting(const struct net *net);

/* Drop all, without a word to the mesh. */
void carrier_drop_all(struct net *net);
