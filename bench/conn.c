/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char client_key[] = "cGxleHVzIGJlbmNobWFyaw==";

void conn_open(struct conn *conn, int fd, enum conn_role role, int epfd, void *tag)
{
    int on = 1;
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = tag };

    *conn = (struct conn){ .fd = fd, .role = role, .mask_state = 2463534242u ^ (uint32_t)fd };
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
    if (role == CONN_TCP)
        return;
    conn->ws = calloc(1, sizeof *conn->ws);
    assert(conn->ws);
    conn->upgrading = true;
    if (role == CONN_WS_CLIENT) {
        char request[512];
        size_t len = ws_request(request, sizeof request, "localhost", client_key);
        bytes_add(&conn->out, request, len);
    }
}

void conn_close(struct conn *conn)
{
    tls_close(conn->tls);
    if (conn->fd > 0)
        close(conn->fd);
    free(conn->ws);
    bytes_finish(&conn->stash);
    bytes_finish(&conn->out);
    *conn = (struct conn){ .fd = -1 };
}

/* Collect HTTP until its empty line; what follows it moves to the start of data. Returns
 * how many bytes that is, -1 when the peer refuses. */
static long upgrade(struct conn *conn, uint8_t *data, size_t len)
{
    char response[512];

    bytes_add(&conn->stash, data, len);
    *bytes_reserve(&conn->stash, 1) = 0;
    char *text = (char *)conn->stash.data;
    char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return conn->stash.len > 8192 ? -1 : 0;
    size_t head = (size_t)(end + 4 - text), left = conn->stash.len - head;
    memmove(data, text + head, left);
    end[2] = 0;
    if (conn->role == CONN_WS_CLIENT) {
        if (!ws_accepted(text, client_key))
            return -1;
    } else {
        size_t n = ws_response(response, sizeof response, text);
        if (n == 0)
            return -1;
        bytes_add(&conn->out, response, n);
    }
    conn->upgrading = false;
    bytes_finish(&conn->stash);
    return (long)left;
}

static void put_frame(struct conn *conn, uint8_t opcode, const uint8_t *a, size_t a_len,
                      const uint8_t *b, size_t b_len)
{
    uint8_t mask[4], *at = bytes_reserve(&conn->out, WS_HEADER_MAX + a_len + b_len);
    bool client = conn->role == CONN_WS_CLIENT;

    if (client) {
        conn->mask_state ^= conn->mask_state << 13;
        conn->mask_state ^= conn->mask_state >> 17;
        conn->mask_state ^= conn->mask_state << 5;
        memcpy(mask, &conn->mask_state, 4);
    }
    size_t n = ws_header(at, opcode, a_len + b_len, client ? mask : NULL);
    memcpy(at + n, a, a_len);
    if (b_len)
        memcpy(at + n + a_len, b, b_len);
    if (client)
        ws_mask(at + n, at + n, a_len + b_len, mask, 0);
    conn->out.len += n + a_len + b_len;
}

/* The bytes just read, n at data, are WebSocket: reduce them to MQTT. */
static long unwrap(struct conn *conn, uint8_t *data, size_t n)
{
    if (conn->upgrading) {
        long left = upgrade(conn, data, n);
        if (left <= 0)
            return left;
        n = (size_t)left;
    }
    long payload = ws_unframe(conn->ws, data, n);
    if (payload < 0 || conn->ws->closed)
        return -1;
    if (conn->ws->pinged) {
        put_frame(conn, WS_PONG, conn->ws->control, conn->ws->control_len, NULL, 0);
        conn->ws->pinged = false;
    }
    return payload;
}

/* Read what has come behind the kept bytes. Of TLS all of it: what OpenSSL has decrypted
 * already no event tells of. */
static ssize_t receive(struct conn *conn, struct bytes *scratch, size_t kept)
{
    size_t all = 0;

    scratch->len = 0;
    bytes_reserve(scratch, kept + CONN_READ_MAX + 8192);
    if (!conn->tls)
        return recv(conn->fd, scratch->data + kept, CONN_READ_MAX, 0);
    for (;;) {
        bytes_reserve(scratch, kept + all + CONN_READ_MAX + 8192);
        ssize_t n = tls_recv(conn->tls, scratch->data + kept + all, CONN_READ_MAX);
        if (n <= 0)
            return all ? (ssize_t)all : n;
        all += (size_t)n;
    }
}

static ssize_t transmit(struct conn *conn, const uint8_t *data, size_t len)
{
    return conn->tls ? tls_send(conn->tls, data, len) : send(conn->fd, data, len, MSG_NOSIGNAL);
}

int conn_read(struct conn *conn, struct bytes *scratch, const uint8_t **ret_data, size_t *ret_len)
{
    size_t kept = conn->upgrading ? 0 : conn->stash.len;

    ssize_t n = receive(conn, scratch, kept);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return -1;
    *ret_data = scratch->data;
    *ret_len = 0;
    if (n < 0)
        return 0;
    if (conn->ws) {
        n = unwrap(conn, scratch->data + kept, (size_t)n);
        if (n < 0)
            return -1;
        if (conn->upgrading)
            return 0;
    }
    if (kept)
        memcpy(scratch->data, conn->stash.data, kept);
    conn->stash.len = 0;
    *ret_len = kept + (size_t)n;
    return 0;
}

void conn_keep(struct conn *conn, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    assert(conn->stash.len == 0 && !conn->upgrading);
    bytes_add(&conn->stash, data, len);
}

void conn_put(struct conn *conn, const uint8_t *data, size_t len)
{
    conn_put2(conn, data, len, NULL, 0);
}

void conn_put2(struct conn *conn, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    if (conn->ws) {
        put_frame(conn, WS_BINARY, a, a_len, b, b_len);
        return;
    }
    bytes_add(&conn->out, a, a_len);
    bytes_add(&conn->out, b, b_len);
}

int conn_flush(struct conn *conn, int epfd, void *tag)
{
    size_t left = conn->out.len - conn->out_sent;

    if (left) {
        ssize_t n = transmit(conn, conn->out.data + conn->out_sent, left);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0)
            conn->out_sent += (size_t)n;
    }
    bool full = conn->out_sent < conn->out.len;
    if (!full) {
        conn->out.len = conn->out_sent = 0;
    } else if (conn->out_sent > conn->out.cap / 2) {
        conn->out.len -= conn->out_sent;
        memmove(conn->out.data, conn->out.data + conn->out_sent, conn->out.len);
        conn->out_sent = 0;
    }
    if (full != conn->blocked) {
        struct epoll_event ev = { .events = EPOLLIN | (full ? EPOLLOUT : 0), .data.ptr = tag };
        epoll_ctl(epfd, EPOLL_CTL_MOD, conn->fd, &ev);
        conn->blocked = full;
    }
    return 0;
}
