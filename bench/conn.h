/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "bytes.h"
#include "ws.h"

/* A stream socket that carries MQTT packets, bare or in WebSocket frames. Output gathers
 * until conn_flush() sends it in one go; input is read into a buffer all connections
 * share, and only the start of an unfinished packet is kept. */
enum conn_role {
    CONN_TCP,
    CONN_WS_CLIENT,
    CONN_WS_SERVER,
};

struct conn {
    int fd;
    enum conn_role role;
    bool upgrading; /* the HTTP part is not over */
    bool blocked;   /* the socket is full; EPOLLOUT is armed */
    bool dirty;     /* for the owner: stands in its list of connections to flush */
    uint32_t mask_state;
    struct ws_in *ws;   /* NULL on TCP */
    struct ssl_st *tls; /* NULL without; given by the owner after conn_open() */
    struct bytes stash; /* the start of an unfinished packet */
    struct bytes out;
    size_t out_sent;
};

/* How many bytes one conn_read() asks for. */
enum { CONN_READ_MAX = 65536 };

/* Take over fd (made non-blocking, TCP_NODELAY) and watch it in epfd with tag. A WebSocket
 * client's request is queued. */
void conn_open(struct conn *conn, int fd, enum conn_role role, int epfd, void *tag);

/* Close and free; harmless on a closed one. */
void conn_close(struct conn *conn);

/* Read once. On success *ret_data, *ret_len are MQTT bytes that begin with a packet and
 * live in scratch; the caller gives back with conn_keep() what it could not use. Returns
 * 0, -1 when the peer is gone or talks nonsense. */
int conn_read(struct conn *conn, struct bytes *scratch, const uint8_t **ret_data, size_t *ret_len);

/* Keep the start of a packet until more arrives. */
void conn_keep(struct conn *conn, const uint8_t *data, size_t len);

/* Queue bytes; in a WebSocket they make one frame. */
void conn_put(struct conn *conn, const uint8_t *data, size_t len);

/* The same of two pieces. */
void conn_put2(struct conn *conn, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* Send what is queued, once; arms EPOLLOUT when the socket is full and disarms it when all
 * went out. Returns 0, -1 when the peer is gone. */
int conn_flush(struct conn *conn, int epfd, void *tag);
