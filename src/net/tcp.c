/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp.h"

#include "base/err.h"
#include "net/listener.h"
#include "net/secure.h"
#include "net/turn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READS_MAX = 4,    /* a turn and connection, so that one does not starve the others */
    PIECES_MAX = 64,  /* a write */
    LINGER_MS = 1000, /* for the peer to close after we did */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static struct tcp *tcp_of(const struct stream *stream)
{
    return (struct tcp *)stream; /* the stream is its first member */
}

void tcp_rearm(struct tcp *tcp)
{
    int events = (tcp->reading ? UV_READABLE : 0) | (tcp->writing ? UV_WRITABLE : 0);

    if (events == tcp->armed)
        return; /* libuv would forget the socket and learn it again: three calls */
    tcp->armed = (uint8_t)events;
    if (events)
        uv_poll_start(&tcp->poll, events, tcp->secure ? secure_poll : on_poll);
    else
        uv_poll_stop(&tcp->poll);
}

static void on_closed(uv_handle_t *handle)
{
    struct tcp *tcp = handle->data;

    free(tcp->source);
    free(tcp);
}

void tcp_abort(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    if (tcp->fd < 0)
        return;
    uv_close((uv_handle_t *)&tcp->poll, on_closed);
    close(tcp->fd);
    tcp->fd = -1;
    tcp->listener->connections--;
}

/* Say that nothing more will come, and wait for the peer to do the same: closing at once
 * could make the kernel throw away what the peer has not read yet. Only if more comes from
 * the peer, though: who has said goodbye sends nothing more. [MQTT-3.14.4-2] */
void tcp_finish(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    if (stream->leaving || shutdown(tcp->fd, SHUT_WR) != 0) {
        stream->transport->abort(stream);
        return;
    }
    tcp->lingering = true;
    tcp->reading = true;
    tcp->writing = false;
    tcp_rearm(tcp);
    stream->closing_due_ms = stream->net->now_ms + LINGER_MS;
    list_push_back(&stream->net->closing, &stream->closing_link);
}

static ssize_t send_pieces(struct tcp *tcp, size_t *ret_wanted)
{
    struct iovec pieces[PIECES_MAX];
    size_t count = out_queue_pieces(&tcp->stream.out, pieces, PIECES_MAX);

    *ret_wanted = 0;
    for (size_t i = 0; i < count; i++)
        *ret_wanted += pieces[i].iov_len;
    if (count == 1)
        return send(tcp->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };

    return sendmsg(tcp->fd, &message, MSG_NOSIGNAL);
}

static int tcp_flush(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    if (tcp->writing)
        return ERR_OK;
    while (stream->out.bytes > 0) {
        size_t wanted;
        ssize_t sent = send_pieces(tcp, &wanted);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return ERR_CLOSED;
        if (sent > 0) {
            out_queue_consume(&stream->out, (size_t)sent);
            stream->net->stats.bytes_out += (uint64_t)sent;
        }
        if (sent < (ssize_t)wanted) {
            tcp->writing = true;
            tcp_rearm(tcp);
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static void tcp_read(struct stream *stream, bool on)
{
    struct tcp *tcp = tcp_of(stream);

    if (tcp->fd < 0 || tcp->reading == on || tcp->lingering)
        return;
    tcp->reading = on;
    tcp_rearm(tcp);
}

void tcp_peer(const struct stream *stream, char *out, size_t size)
{
    const struct tcp *tcp = tcp_of(stream);

    if (tcp->source)
        snprintf(out, size, "%s", tcp->source);
    else
        listener_peer(tcp->fd, out, size);
}

void tcp_hang_up(struct tcp *tcp)
{
    stream_abort(&tcp->stream);
    net_settle(tcp->stream.net);
}

static void on_readable(struct tcp *tcp)
{
    struct net *net = tcp->stream.net;

    for (int i = 0; i < READS_MAX && tcp->fd >= 0 && tcp->reading; i++) {
        ssize_t got = recv(tcp->fd, net->rx, sizeof net->rx, 0);

        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (got <= 0) {
            tcp_hang_up(tcp);
            return;
        }
        stream_receive(&tcp->stream, net->rx, (size_t)got);
        if ((size_t)got < sizeof net->rx)
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct tcp *tcp = poll->data;
    struct net *net = tcp->stream.net;

    turn_time(net);
    if (status < 0) {
        for (int i = 0; i < TCP_RESET_READS_MAX && tcp->fd >= 0 && tcp->reading; i++)
            on_readable(tcp);
        if (tcp->fd >= 0)
            tcp_hang_up(tcp);
        return;
    }
    if (events & UV_WRITABLE) {
        tcp->writing = false;
        tcp_rearm(tcp);
        stream_flush(&tcp->stream);
        net_settle(net);
    }
    if (events & UV_READABLE)
        on_readable(tcp);
}

int tcp_init(struct tcp *tcp, struct net *net, const struct arrival *arrival)
{
    int yes = 1;

    tcp->fd = arrival->fd;
    tcp->listener = arrival->listener;
    tcp->source = arrival->source[0] ? strdup(arrival->source) : NULL;
    if ((arrival->source[0] && !tcp->source) || uv_poll_init(&net->loop, &tcp->poll, tcp->fd)) {
        free(tcp->source);
        close(tcp->fd);
        return ERR_NOMEM;
    }
    setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* not on a unix socket */
    tcp->poll.data = tcp;
    tcp->stream.net = net;
    tcp->listener->connections++;
    return ERR_OK;
}

void tcp_accept(struct net *net, const struct arrival *arrival)
{
    static const struct transport transport = {
        .flush = tcp_flush,
        .read = tcp_read,
        .finish = tcp_finish,
        .abort = tcp_abort,
        .peer = tcp_peer,
    };
    struct tcp *tcp = calloc(1, sizeof *tcp);

    if (!tcp) {
        close(arrival->fd);
        return;
    }
    if (tcp_init(tcp, net, arrival) != ERR_OK) {
        free(tcp);
        return;
    }
    if (stream_open(net, &tcp->stream, &transport, arrival->listener->config) != ERR_OK) {
        tcp_abort(&tcp->stream);
        return;
    }
    tcp_read(&tcp->stream, stream_wants_reading(&tcp->stream));
    net_settle(net);
}
