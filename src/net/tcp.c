/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp.h"

#include "base/err.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/turn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READS_MAX = 4,    /* a turn and connection, so that one does not starve the others */
    PIECES_MAX = 64,  /* a write */
    LINGER_MS = 1000, /* for the peer to close after we did */
};

struct tcp {
    struct stream stream;
    uv_poll_t poll;
    struct listener *listener;
    int fd;
    bool reading : 1;
    bool writing : 1;   /* waiting until the socket takes more */
    bool lingering : 1; /* all is said; waiting for the peer to close */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static struct tcp *tcp_of(const struct stream *stream)
{
    return (struct tcp *)stream; /* the stream is its first member */
}

/* Ask the loop for what is wanted now. */
static void rearm(struct tcp *tcp)
{
    int events = (tcp->reading ? UV_READABLE : 0) | (tcp->writing ? UV_WRITABLE : 0);

    if (events)
        uv_poll_start(&tcp->poll, events, on_poll);
    else
        uv_poll_stop(&tcp->poll);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void tcp_abort(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    if (tcp->fd < 0)
        return;
    uv_poll_stop(&tcp->poll);
    uv_close((uv_handle_t *)&tcp->poll, on_closed);
    close(tcp->fd);
    tcp->fd = -1;
    tcp->listener->connections--;
}

/* Say that nothing more will come, and wait for the peer to do the same: closing at once
 * could make the kernel throw away what the peer has not read yet. */
static void tcp_finish(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    if (shutdown(tcp->fd, SHUT_WR) != 0) {
        tcp_abort(stream);
        return;
    }
    tcp->lingering = true;
    tcp->reading = true;
    tcp->writing = false;
    rearm(tcp);
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
            rearm(tcp);
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
    rearm(tcp);
}

static void tcp_peer(const struct stream *stream, char *out, size_t size)
{
    listener_peer(tcp_of(stream)->fd, out, size);
}

/* The peer is gone, or will not be heard any more. */
static void hang_up(struct tcp *tcp)
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
            hang_up(tcp);
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
        hang_up(tcp);
        return;
    }
    if (events & UV_WRITABLE) {
        tcp->writing = false;
        rearm(tcp);
        stream_flush(&tcp->stream);
        net_settle(net);
    }
    if (events & UV_READABLE)
        on_readable(tcp);
}

void tcp_accept(struct net *net, struct listener *listener, int fd)
{
    static const struct transport transport = {
        .flush = tcp_flush,
        .read = tcp_read,
        .finish = tcp_finish,
        .abort = tcp_abort,
        .peer = tcp_peer,
    };
    struct tcp *tcp = calloc(1, sizeof *tcp);
    int yes = 1;

    if (!tcp || uv_poll_init(&net->loop, &tcp->poll, fd) != 0) {
        free(tcp);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    tcp->poll.data = tcp;
    tcp->fd = fd;
    tcp->listener = listener;
    listener->connections++;
    if (stream_open(net, &tcp->stream, &transport) != ERR_OK) {
        tcp->stream.net = net;
        tcp_abort(&tcp->stream);
        return;
    }
    tcp_read(&tcp->stream, stream_wants_reading(&tcp->stream));
    net_settle(net);
}
