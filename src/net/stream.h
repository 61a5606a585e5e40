/* SPDX-License-Identifier: Apache-2.0 */
/* A stream is one client's connection, whatever carries it: its number in the core, the
 * packet that is arriving, and the bytes that wait to leave. The transport embeds it. */
#pragma once

#include "base/list.h"
#include "core/core.h"
#include "net/intake.h"
#include "net/out_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;
struct listener_config;
struct meter;
struct net;

/* What a transport does for its stream. */
struct transport {
    /* Send as much of stream->out as the socket takes, and arrange to go on when it takes
     * more. ERR_OK, or ERR_CLOSED: the connection is broken, abort it. */
    int (*flush)(struct stream *stream);
    /* Start or stop reading. */
    void (*read)(struct stream *stream, bool on);
    /* All is sent: close in good order. The stream is not used any more. */
    void (*finish)(struct stream *stream);
    /* Close now. The stream is not used any more. */
    void (*abort)(struct stream *stream);
    /* Where the peer is, "127.0.0.1:4711". */
    void (*peer)(const struct stream *stream, char *out, size_t size);
    /* The user name that the transport vouches for, instead of what CONNECT says; an empty
     * one: none. NULL: it never does. */
    struct str (*username)(const struct stream *stream);
    bool framed; /* each packet goes out in a WebSocket frame of its own */
};

struct stream {
    struct net *net;
    const struct listener_config *limits;
    struct meter *meter; /* NULL: nothing was counted yet */
    const struct transport *transport;
    conn_id id;           /* 0: the core does not know it any more */
    uint8_t version;      /* enum mqtt_version; 0 until CONNECT */
    bool paused : 1;      /* the core wants no more for now */
    bool congested : 1;   /* the core was told */
    bool throttled : 1;   /* reading waits: too many bytes a second */
    bool closing : 1;     /* close when all is sent */
    bool leaving : 1;     /* the client has said goodbye */
    uint32_t packet_max;  /* bytes of the next packet at most */
    uint32_t hello_bytes; /* kept before it is accepted, in the net's hello_bytes */
    size_t counted_bytes; /* of the out-queue, in the net's waiting_bytes */
    size_t told_bytes;    /* waiting when the core was told to hold back; 0: it was not */
    struct list dirty;
    struct list closing_link;
    struct list held_link; /* let go, and not read on yet */
    uint64_t closing_due_ms;
    struct intake in;
    struct out_queue out;
};

/* Give the connection a number and tell the core. stream is zeroed memory of the transport,
 * which calls read(stream, ...) itself according to stream_wants_reading afterwards. ERR_OK or
 * ERR_NOMEM (close it). limits are its listener's. */
int stream_open(struct net *net, struct stream *stream, const struct transport *transport,
                const struct listener_config *limits);

/* May the transport read now? Not before clients are let in, nor while it was told to wait. */
bool stream_wants_reading(const struct stream *stream);

/* Bytes came: feed the packets in them to the core and carry out what follows. The conn
 * may be lost afterwards (stream->id == 0). */
void stream_receive(struct stream *stream, const void *bytes, size_t len);

/* The transport is gone or about to be: free what the stream holds and tell the core with
 * the next net_settle. Twice does no harm. */
void stream_lost(struct stream *stream);

/* Lose it and close its transport at once. */
void stream_abort(struct stream *stream);

/* Something is to be sent at the end of the turn. */
void stream_dirty(struct stream *stream);

/* Send what waits, and finish the connection if that was all and it is closing. */
void stream_flush(struct stream *stream);

/* Flush every dirty connection. */
void stream_flush_all(struct net *net);

/* Close after what was queued; aborts what takes longer than close_wait_ms. */
void stream_close(struct stream *stream);

/* Bytes that may wait for one connection before the core is told to hold back: half of what
 * all may still have, so that one alone takes a burst and many share, and always at least
 * out_queue_bytes_max. [Choudhury, Hahne: Dynamic Queue Length Thresholds, 1998] */
size_t stream_limit(const struct net *net);

/* The queue shrank: tell the core if it held back and need not any more. */
void stream_relieve(struct stream *stream);

/* Read on where the core wanted no more for now and wants more again: first what was kept,
 * then the transport. */
void stream_read_on(struct stream *stream);

/* Hand out what was kept of those that may be read on. */
void stream_take_kept(struct net *net);

/* The client was accepted: from now on its packets may be as large as anybody's. */
void stream_accepted(struct stream *stream);

/* The user name that the transport vouches for, or an empty one. */
struct str stream_username(const struct stream *stream);

/* Clients are let in: start reading everywhere. */
void stream_admit_all(struct net *net);

/* Abort what did not finish in time. */
void stream_expire(struct net *net);
