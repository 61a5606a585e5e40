/* SPDX-License-Identifier: Apache-2.0 */
#include "net/websocket.h"

#include "base/err.h"
#include "net/carrier.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/turn.h"
#include "net/web.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct websocket {
    struct stream stream;
    struct lws *wsi; /* NULL: gone */
    bool finishing;  /* all is said: close at the next chance */
    bool said_close; /* our Close frame is out; the peer's is awaited */
};

static struct websocket *websocket_of(const struct stream *stream)
{
    return (struct websocket *)stream; /* the stream is its first member */
}

/* A run of frames that we made ourselves goes out raw: one write for many packets. */
static int websocket_flush(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);
    struct iovec piece;

    while (stream->out.bytes > 0 && !lws_partial_buffered(socket->wsi)) {
        out_queue_pieces(&stream->out, &piece, 1);
        size_t len = piece.iov_len < WEB_CHUNK ? piece.iov_len : WEB_CHUNK;
        if (lws_write(socket->wsi, piece.iov_base, len, LWS_WRITE_RAW) < 0)
            return ERR_CLOSED;
        out_queue_consume(&stream->out, len);
        stream->net->stats.bytes_out += len;
    }
    if (stream->out.bytes > 0)
        lws_callback_on_writable(socket->wsi);
    return ERR_OK;
}

static void websocket_read(struct stream *stream, bool on)
{
    lws_rx_flow_control(websocket_of(stream)->wsi, on);
}

static void websocket_finish(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);

    socket->finishing = true;
    lws_callback_on_writable(socket->wsi);
    stream->closing_due_ms = stream->net->now_ms + stream->net->config.close_wait_ms;
    list_push_back(&stream->net->closing, &stream->closing_link);
}

static void websocket_abort(struct stream *stream)
{
    struct websocket *socket = websocket_of(stream);

    socket->finishing = true;
    web_kill(socket->wsi);
}

static void websocket_peer(const struct stream *stream, char *out, size_t size)
{
    web_peer(websocket_of(stream)->wsi, out, size);
}

static int refuse(struct lws *wsi, enum lws_close_status status)
{
    lws_close_reason(wsi, status, NULL, 0);
    return -1;
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

int websocket_refusal(struct lws *wsi)
{
    char path[64], protocols[256];

    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0)
        return 404;
    bool mesh = strcmp(path, "/mesh") == 0;

    if (!mesh && strcmp(path, "/mqtt") != 0)
        return 404;
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
    struct net *net = web_net(wsi);

    net->web->sessions++;
    if (net->phase != NET_RUNNING)
        return -1;
    if (session->mesh) {
        session->carrier = carrier_accept(net, wsi);
        return session->carrier ? 0 : -1;
    }
    const struct visitor *visitor = web_visitor(wsi);

    if (!visitor)
        return -1;
    session->client = calloc(1, sizeof *session->client);
    if (!session->client)
        return -1;
    session->client->wsi = wsi;
    if (stream_open(net, &session->client->stream, &transport, visitor->listener->config) !=
        ERR_OK) {
        free(session->client);
        session->client = NULL;
        return -1;
    }
    if (!stream_wants_reading(&session->client->stream))
        lws_rx_flow_control(wsi, 0);
    net_settle(net);
    return 0;
}

static int on_receive(struct lws *wsi, struct websocket_session *session, void *in, size_t len)
{
    struct net *net = web_net(wsi);

    if (!lws_frame_is_binary(wsi)) /* [MQTT-6.0.0-1] */
        return refuse(wsi, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE);
    if (len + lws_remaining_packet_payload(wsi) > net->config.websocket_frame_bytes_max)
        return refuse(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE);
    if (session->client && !session->client->finishing)
        stream_receive(&session->client->stream, in, len);
    else if (session->carrier)
        carrier_receive(session->carrier, in, len);
    return session->client || session->carrier ? 0 : refuse(wsi, LWS_CLOSE_STATUS_NORMAL);
}

/* Say Close ourselves: where libwebsockets is told to close in its writable callback, it
 * drops the connection without a word. [RFC6455 7.1.2] */
static int say_close(struct websocket *socket)
{
    static const uint8_t frame[] = { 0x88, 2, LWS_CLOSE_STATUS_NORMAL >> 8,
                                     LWS_CLOSE_STATUS_NORMAL & 0xFF };
    uint8_t bytes[LWS_PRE + sizeof frame];

    if (socket->said_close)
        return 0;
    socket->said_close = true;
    memcpy(bytes + LWS_PRE, frame, sizeof frame);
    return lws_write(socket->wsi, bytes + LWS_PRE, sizeof frame, LWS_WRITE_RAW) < 0 ? -1 : 0;
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
        return say_close(socket);
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
    /* Most of libwebsockets' reasons do not concern us: a chain, not a switch over 90. */
    if (reason == LWS_CALLBACK_RECEIVE) {
        turn_time(web_net(wsi));
        return on_receive(wsi, user, in, len);
    }
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
    if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE) {
        struct websocket *socket = ((struct websocket_session *)user)->client;
        return socket && socket->said_close ? -1 : 0; /* -1: we need not answer */
    }
    if (reason == LWS_CALLBACK_CLOSED) {
        turn_time(web_net(wsi));
        return on_closed(wsi, user);
    }
    return 0;
}
