/* SPDX-License-Identifier: Apache-2.0 */
#include "net/websocket.h"

#include "base/err.h"
#include "base/log.h"
#include "net/carrier.h"
#include "net/carry.h"
#include "net/framing.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tap.h"
#include "net/turn.h"
#include "net/web.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Bytes of pongs and what else waits, beyond which the next pong waits for them to go. */
enum { PONG_QUEUE_MAX = 4096 };

struct websocket {
    struct stream stream;
    struct lws *wsi; /* NULL: gone */
    struct tap *tap;
    struct buf pong; /* the answer to the last ping, until it is queued */
    bool waiting;    /* for the library to take more */
    bool finishing;  /* all is said: close at the next chance */
    bool said_close; /* our Close frame is out */
    bool heard_last; /* nothing more that counts comes from the peer */
    bool failed;     /* because it broke the rules: more may be on its way */
    bool mute;       /* a frame of ours may be cut off: not even Close can be said */
    uint16_t code;   /* to close with */
};

static struct websocket *websocket_of(const struct stream *stream)
{
    return (struct websocket *)stream; /* the stream is its first member */
}

/* Pongs go where whole frames end, and only the last one when the peer is slow to take
 * them. [RFC6455 5.5.3] */
static void put_pong(struct websocket *socket)
{
    struct out_queue *out = &socket->stream.out;

    if (socket->pong.len == 0 || out->bytes > PONG_QUEUE_MAX)
        return;
    if (out_queue_append(out, socket->pong.data, socket->pong.len) == ERR_OK)
        buf_finish(&socket->pong);
}

/* A run of frames that we made ourselves goes out raw: one write for many packets. */
static int websocket_flush(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);
    uint8_t scratch[WEB_CHUNK];

    if (socket->waiting)
        return ERR_OK;
    put_pong(socket);
    while (stream->out.bytes > 0 && !lws_partial_buffered(socket->wsi)) {
        size_t len;
        const void *run = out_queue_run(&stream->out, scratch, sizeof scratch, &len);
        if (lws_write(socket->wsi, (uint8_t *)run, len, LWS_WRITE_RAW) < 0)
            return ERR_CLOSED;
        out_queue_consume(&stream->out, len);
        stream->net->stats.bytes_out += len;
        put_pong(socket);
    }
    socket->waiting = stream->out.bytes > 0;
    if (socket->waiting)
        lws_callback_on_writable(socket->wsi);
    return ERR_OK;
}

static void websocket_read(struct stream *stream, bool on)
{
    struct websocket *socket = websocket_of(stream);

    if (!socket->finishing && tap_read(socket->tap, on) != ERR_OK)
        stream_abort(stream);
}

static void websocket_finish(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);

    socket->finishing = true;
    tap_read(socket->tap, true); /* for the peer's goodbye */
    lws_callback_on_writable(socket->wsi);
    stream->closing_due_ms = stream->net->now_ms + stream->net->config.close_wait_ms;
    list_push_back(&stream->net->closing, &stream->closing_link);
}

static void websocket_abort(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);

    socket->finishing = true;
    tap_read(socket->tap, false);
    web_kill(socket->wsi);
}

static void websocket_peer(const struct stream *stream, char *out, size_t size)
{
    web_peer(websocket_of(stream)->wsi, out, size);
}

/* A browser says which page its script is of; whoever says nothing is no browser.
 * [RFC6455 10.2] */
bool websocket_origin_is_good(const struct listener_config *config, struct str origin)
{
    if (config->origin_count == 0 || origin.len == 0)
        return true;
    for (size_t i = 0; i < config->origin_count; i++) {
        if (strlen(config->origins[i]) == origin.len &&
            strncasecmp(config->origins[i], origin.ptr, origin.len) == 0)
            return true;
    }
    return false;
}

/* ---- what the tap hears ---- */

static void on_receive(void *owner, const void *bytes, size_t len)
{
    struct websocket *socket = owner;

    if (!socket->finishing)
        stream_receive(&socket->stream, bytes, len);
}

static void on_ping(void *owner, const void *bytes, size_t len)
{
    struct websocket *socket = owner;

    buf_clear(&socket->pong);
    buf_append_u8(&socket->pong, 0x8A);
    buf_append_u8(&socket->pong, (uint8_t)len);
    buf_append(&socket->pong, bytes, len);
    stream_dirty(&socket->stream);
}

/* Nothing more that counts comes: answer with this code, or end what is ending already. */
static void end_hearing(struct websocket *socket, uint16_t code)
{
    socket->heard_last = true;
    if (socket->finishing) {
        lws_callback_on_writable(socket->wsi);
        return;
    }
    socket->code = code;
    socket->mute = socket->stream.out.bytes > 0;
    stream_lost(&socket->stream);
    websocket_finish(&socket->stream);
}

static void on_close_heard(void *owner, uint16_t code)
{
    end_hearing(owner, code);
}

static void on_failed(void *owner, uint16_t code)
{
    struct websocket *socket = owner;
    char peer[LISTENER_ADDRESS_MAX];

    web_peer(socket->wsi, peer, sizeof peer);
    log_info("websocket.failed", "address=%s code=%u", peer, code);
    socket->failed = true;
    end_hearing(socket, code);
}

static void on_gone(void *owner)
{
    struct websocket *socket = owner;

    stream_abort(&socket->stream);
}

/* ---- what libwebsockets says ---- */

/* The library sets a send buffer by the size of a receive buffer that nobody uses. */
static void widen(struct lws *wsi)
{
    int bytes = WEB_CHUNK;

    setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static bool open_client(struct net *net, struct lws *wsi, struct visitor *visitor, struct str early)
{
    static const struct transport transport = {
        .flush = websocket_flush,
        .read = websocket_read,
        .finish = websocket_finish,
        .abort = websocket_abort,
        .peer = websocket_peer,
        .framed = true,
    };
    static const struct tap_owner calls = { on_receive, on_ping, on_close_heard, on_failed,
                                            on_gone };
    struct websocket *socket = calloc(1, sizeof *socket);

    if (!socket)
        return false;
    socket->wsi = wsi;
    socket->code = FRAMING_NORMAL;
    socket->tap = tap_open(&net->web->taps, wsi, lws_get_ssl(wsi), true, &calls, socket);
    if (!socket->tap || tap_put(socket->tap, early.ptr, early.len) != ERR_OK ||
        stream_open(net, &socket->stream, &transport, visitor->listener->config) != ERR_OK) {
        tap_close(socket->tap);
        free(socket);
        return false;
    }
    visitor->client = socket;
    websocket_read(&socket->stream, stream_wants_reading(&socket->stream));
    net_settle(net);
    return true;
}

bool websocket_open(struct lws *wsi, bool mesh, struct str early)
{
    struct net *net = web_net(wsi);
    struct visitor *visitor = web_visitor(wsi);

    if (net->phase != NET_RUNNING)
        return false;
    widen(wsi);
    visitor->upgraded = true;
    net->web->sessions++;
    if (!mesh)
        return open_client(net, wsi, visitor, early);
    visitor->carrier = carrier_accept(net, wsi);
    if (!visitor->carrier)
        return false;
    carrier_read(visitor->carrier, early);
    return true;
}

/* [RFC6455 7.1.2] */
static int say_close(struct websocket *socket)
{
    const uint8_t frame[] = { 0x88, 2, (uint8_t)(socket->code >> 8), (uint8_t)socket->code };
    uint8_t bytes[sizeof frame];

    socket->said_close = true;
    memcpy(bytes, frame, sizeof frame);
    if (lws_write(socket->wsi, bytes, sizeof frame, LWS_WRITE_RAW) < 0)
        return -1;
    lws_callback_on_writable(socket->wsi);
    return 0;
}

/* Each time that everything said so far is on its way. -1: close now. */
static int say_goodbye(struct websocket *socket)
{
    if (!socket->said_close && !socket->mute)
        return say_close(socket);
    if (!socket->heard_last)
        return 0;
    if (!socket->failed)
        return -1;
    /* Closing with bytes unread could make the kernel throw away what we said. */
    return shutdown(lws_get_socket_fd(socket->wsi), SHUT_WR);
}

int websocket_writable(struct lws *wsi)
{
    struct visitor *visitor = web_visitor(wsi);
    struct websocket *socket = visitor->client;

    if (visitor->carrier) {
        carrier_writable(visitor->carrier);
        return 0;
    }
    if (!socket)
        return -1;
    if (socket->finishing)
        return say_goodbye(socket);
    socket->waiting = false;
    stream_flush(&socket->stream);
    net_settle(web_net(wsi));
    return 0;
}

void websocket_put(struct lws *wsi, struct str early)
{
    const struct visitor *visitor = web_visitor(wsi);

    if (visitor->client && tap_put(visitor->client->tap, early.ptr, early.len) != ERR_OK)
        stream_abort(&visitor->client->stream);
    if (visitor->carrier)
        carrier_put_early(visitor->carrier, early);
}

void websocket_gone(struct lws *wsi)
{
    struct net *net = web_net(wsi);
    struct visitor *visitor = web_visitor(wsi);
    struct websocket *socket = visitor->client;

    net->web->sessions--;
    if (visitor->carrier) {
        carrier_gone(visitor->carrier, "connection closed by peer");
        visitor->carrier = NULL;
    }
    if (socket) {
        stream_lost(&socket->stream);
        list_remove(&socket->stream.closing_link);
        tap_close(socket->tap);
        buf_finish(&socket->pong);
        free(socket);
        visitor->client = NULL;
    }
    net_settle(net);
}

void websocket_forget_carrier(struct lws *wsi)
{
    web_visitor(wsi)->carrier = NULL;
}
