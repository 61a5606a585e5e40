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
static bool comes_from_allowed_page(struct lws *wsi, const struct listener_config *config)
{
    char origin[256];

    if (config->origin_count == 0 || lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0)
        return true;
    if (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) <= 0)
        return false;
    for (size_t i = 0; i < config->origin_count; i++) {
        if (strcasecmp(config->origins[i], origin) == 0)
            return true;
    }
    return false;
}

/* Is one of the subprotocols offered, "chat, mqtt", ours? */
static bool offers_mqtt(struct str offer)
{
    for (size_t at = 0; at < offer.len;) {
        size_t end = str_find(offer, ',', at);
        struct str one = str_slice(offer, at, end);
        while (one.len > 0 && one.ptr[0] == ' ')
            one = str_slice(one, 1, one.len);
        while (one.len > 0 && one.ptr[one.len - 1] == ' ')
            one.len--;
        if (str_equal(one, STR("mqtt")) || str_equal(one, STR("mqttv3.1")))
            return true;
        at = end + 1;
    }
    return false;
}

/* Is this header there, and just this? */
static bool header_is(struct lws *wsi, enum lws_token_indexes token, const char *value)
{
    char text[16];

    return lws_hdr_copy(wsi, text, sizeof text, token) > 0 && strcmp(text, value) == 0;
}

/* Sixteen bytes in base64. [RFC6455 4.2.1] */
static bool key_is_good(struct lws *wsi)
{
    enum { KEY_LEN = 24 };
    char key[KEY_LEN + 1];

    return lws_hdr_copy(wsi, key, sizeof key, WSI_TOKEN_KEY) == KEY_LEN &&
           strcmp(key + KEY_LEN - 2, "==") == 0;
}

int websocket_refusal(struct lws *wsi)
{
    char path[64], protocols[256];

    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0)
        return 404;
    bool mesh = strcmp(path, "/mesh") == 0;

    if (!mesh && strcmp(path, "/mqtt") != 0)
        return 404;
    if (!header_is(wsi, WSI_TOKEN_VERSION, "13"))
        return 426; /* [RFC6455 4.4] */
    if (!header_is(wsi, WSI_TOKEN_HTTP, "HTTP/1.1") || !key_is_good(wsi))
        return 400;
    if (lws_hdr_copy(wsi, protocols, sizeof protocols, WSI_TOKEN_PROTOCOL) <= 0)
        return 400; /* [MQTT-6.0.0-3] */
    if (!offers_mqtt(str_from_c(protocols)))
        return 400;
    const struct visitor *visitor = web_visitor(wsi);

    if (!visitor || !listener_serves(visitor->listener, mesh ? SERVE_MESH : SERVE_MQTT))
        return 404;
    return comes_from_allowed_page(wsi, visitor->listener->config) ? 0 : 403;
}

static int on_filter(struct lws *wsi, struct websocket_session *session, const char *protocols)
{
    char path[64];

    if (websocket_refusal(wsi) != 0)
        return -1;
    lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    session->mesh = strcmp(path, "/mesh") == 0;
    (void)protocols;
    return 0;
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

static int on_established(struct lws *wsi, struct websocket_session *session)
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
    struct net *net = web_net(wsi);

    net->web->sessions++;
    if (net->phase != NET_RUNNING)
        return -1;
    widen(wsi);
    if (session->mesh) {
        session->carrier = carrier_accept(net, wsi);
        return session->carrier ? 0 : -1;
    }
    const struct visitor *visitor = web_visitor(wsi);

    if (!visitor)
        return -1;
    struct websocket *socket = calloc(1, sizeof *socket);

    if (!socket)
        return -1;
    socket->wsi = wsi;
    socket->code = FRAMING_NORMAL;
    socket->tap = tap_open(&net->web->taps, wsi, true, &calls, socket);
    if (!socket->tap ||
        stream_open(net, &socket->stream, &transport, visitor->listener->config) != ERR_OK) {
        tap_close(socket->tap);
        free(socket);
        return -1;
    }
    session->client = socket;
    websocket_read(&socket->stream, stream_wants_reading(&socket->stream));
    net_settle(net);
    return 0;
}

/* Say Close ourselves: where libwebsockets is told to close in its writable callback, it
 * drops the connection without a word. [RFC6455 7.1.2] */
static int say_close(struct websocket *socket)
{
    const uint8_t frame[] = { 0x88, 2, (uint8_t)(socket->code >> 8), (uint8_t)socket->code };
    uint8_t bytes[LWS_PRE + sizeof frame];

    socket->said_close = true;
    memcpy(bytes + LWS_PRE, frame, sizeof frame);
    if (lws_write(socket->wsi, bytes + LWS_PRE, sizeof frame, LWS_WRITE_RAW) < 0)
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

static int on_writable(struct lws *wsi, struct websocket_session *session)
{
    struct websocket *socket = session->client;

    if (session->carrier) {
        carrier_writable(session->carrier);
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

static int on_closed(struct lws *wsi, struct websocket_session *session)
{
    struct net *net = web_net(wsi);

    net->web->sessions--;
    if (session->carrier) {
        carrier_gone(session->carrier, "connection closed by peer");
        session->carrier = NULL;
    }
    if (session->client) {
        stream_lost(&session->client->stream);
        list_remove(&session->client->stream.closing_link);
        tap_close(session->client->tap);
        buf_finish(&session->client->pong);
        free(session->client);
        session->client = NULL;
    }
    net_settle(net);
    return 0;
}

void websocket_forget_carrier(struct lws *wsi)
{
    struct websocket_session *session = lws_wsi_user(wsi);

    session->carrier = NULL;
}

int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    (void)len;
    /* Most of libwebsockets' reasons do not concern us: a chain, not a switch over 90. */
    if (reason == LWS_CALLBACK_RECEIVE)
        return -1; /* past the tap: it came before our answer to the upgrade. [RFC6455 4.1] */
    if (reason == LWS_CALLBACK_SERVER_WRITEABLE) {
        turn_time(web_net(wsi));
        return on_writable(wsi, user);
    }
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
        return on_filter(wsi, user, in);
    if (reason == LWS_CALLBACK_ESTABLISHED) {
        turn_time(web_net(wsi));
        return on_established(wsi, user);
    }
    if (reason == LWS_CALLBACK_CLOSED) {
        turn_time(web_net(wsi));
        return on_closed(wsi, user);
    }
    return 0;
}
