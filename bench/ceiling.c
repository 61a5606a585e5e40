/* SPDX-License-Identifier: Apache-2.0 */

/* What the machine allows: a bare epoll forwarder that speaks just enough MQTT to stand
 * where a broker stands. It parses, matches one exact topic, copies into the receivers'
 * output and sends once per connection and turn. It keeps no session, retains nothing,
 * retries nothing, limits nothing. TCP and WebSocket on one port.
 *
 *   ceiling [--port N] [--up PORT]
 *
 * --up makes it a client of another ceiling on loopback, which it asks for whatever it is
 * asked for itself: a mesh hop at its cheapest. */
#include "conn.h"
#include "mini.h"
#include "topics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    struct conn conn;
    uint16_t next_id;
    bool subscribed, dead;
};

struct ceiling {
    int epfd, listen_fd;
    struct topics topics;
    struct client *up; /* NULL without --up */
    struct client **dirty;
    size_t dirty_len, dirty_cap;
    struct bytes scratch;
};

static void mark(struct ceiling *c, struct client *client)
{
    if (client->conn.dirty)
        return;
    if (c->dirty_len == c->dirty_cap) {
        c->dirty_cap = c->dirty_cap ? c->dirty_cap * 2 : 256;
        c->dirty = realloc(c->dirty, c->dirty_cap * sizeof(struct client *));
        assert(c->dirty);
    }
    client->conn.dirty = true;
    c->dirty[c->dirty_len++] = client;
}

static void reply(struct ceiling *c, struct client *client, enum mini_type type, uint16_t id)
{
    uint8_t out[MINI_PACKET_MAX];

    conn_put(&client->conn, out, mini_ack(out, type, id));
    mark(c, client);
}

/* A copy of the packet with its own id and QoS. The length stays what it was unless the
 * id goes away. */
static void deliver(struct client *to, uint8_t qos, const struct mini_packet *packet,
                    const struct mini_publish *p)
{
    uint8_t head[8];
    size_t topic_len = 2 + p->topic_len;

    if (p->qos == 0 && !packet->flags) {
        conn_put(&to->conn, packet->start, packet->total);
        return;
    }
    size_t body_len = topic_len + (qos ? 2 : 0) + p->payload_len;
    uint8_t packet_head[512];
    size_t n = 0;
    head[n++] = (uint8_t)(MINI_PUBLISH << 4 | qos << 1);
    n += mini_length(head + n, body_len);
    assert(topic_len + 16 < sizeof packet_head);
    memcpy(packet_head, head, n);
    memcpy(packet_head + n, packet->body, topic_len);
    n += topic_len;
    if (qos) {
        to->next_id += to->next_id == 65535 ? 2 : 1;
        packet_head[n++] = (uint8_t)(to->next_id >> 8);
        packet_head[n++] = (uint8_t)to->next_id;
    }
    conn_put2(&to->conn, packet_head, n, p->payload, p->payload_len);
}

static int on_publish(struct ceiling *c, struct client *client, const struct mini_packet *packet)
{
    struct mini_publish p;

    if (!mini_publish_read(packet, &p) || p.topic_len > 256)
        return -1;
    const struct topic *t = topics_find(&c->topics, p.topic, p.topic_len);
    for (uint32_t i = 0; t && i < t->count; i++) {
        struct client *to = t->receivers[i].client;
        deliver(to, p.qos < t->receivers[i].qos ? p.qos : t->receivers[i].qos, packet, &p);
        mark(c, to);
    }
    if (p.qos)
        reply(c, client, p.qos == 1 ? MINI_PUBACK : MINI_PUBREC, p.id);
    return 0;
}

static int on_subscribe(struct ceiling *c, struct client *client, const struct mini_packet *packet)
{
    size_t at = 2;
    uint8_t out[256] = { MINI_SUBACK << 4, 2, packet->body[0], packet->body[1] }, n = 4;

    while (at + 2 < packet->body_len && n < 120) {
        size_t len = (size_t)packet->body[at] << 8 | packet->body[at + 1];
        if (at + 2 + len >= packet->body_len)
            return -1;
        uint8_t qos = packet->body[at + 2 + len] & 3;
        topics_subscribe(&c->topics, packet->body + at + 2, len, client, qos);
        out[n++] = qos;
        at += 3 + len;
    }
    out[1] = n - 2;
    client->subscribed = true;
    conn_put(&client->conn, out, n);
    mark(c, client);
    if (c->up && c->up != client) {
        conn_put(&c->up->conn, packet->start, packet->total);
        mark(c, c->up);
    }
    return 0;
}

static int on_packet(struct ceiling *c, struct client *client, const struct mini_packet *packet)
{
    static const uint8_t connack[] = { MINI_CONNACK << 4, 2, 0, 0 };
    static const uint8_t pingresp[] = { MINI_PINGRESP << 4, 0 };

    switch (packet->type) {
    case MINI_CONNECT:
        conn_put(&client->conn, connack, sizeof connack);
        mark(c, client);
        return 0;
    case MINI_PUBLISH: return on_publish(c, client, packet);
    case MINI_PUBREC: reply(c, client, MINI_PUBREL, mini_id(packet)); return 0;
    case MINI_PUBREL: reply(c, client, MINI_PUBCOMP, mini_id(packet)); return 0;
    case MINI_SUBSCRIBE: return packet->body_len < 2 ? -1 : on_subscribe(c, client, packet);
    case MINI_PINGREQ:
        conn_put(&client->conn, pingresp, sizeof pingresp);
        mark(c, client);
        return 0;
    case MINI_DISCONNECT: return -1;
    default: return 0;
    }
}

static int on_readable(struct ceiling *c, struct client *client)
{
    const uint8_t *data;
    size_t len, at = 0;
    struct mini_packet packet;

    if (conn_read(&client->conn, &c->scratch, &data, &len))
        return -1;
    if (client->conn.out.len)
        mark(c, client);
    for (;;) {
        long n = mini_next(data + at, len - at, &packet);
        if (n < 0 || (n > 0 && on_packet(c, client, &packet)))
            return -1;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    conn_keep(&client->conn, data + at, len - at);
    return 0;
}

/* The memory goes at the end of the turn: events of it may still be ahead. */
static void drop(struct ceiling *c, struct client *client)
{
    if (client->dead)
        return;
    if (client->subscribed)
        topics_leave(&c->topics, client);
    conn_close(&client->conn);
    client->dead = true;
    mark(c, client);
    if (client == c->up) {
        fprintf(stderr, "ceiling: lost the one above\n");
        exit(1);
    }
}

static void flush_all(struct ceiling *c)
{
    for (size_t i = 0; i < c->dirty_len; i++) {
        struct client *client = c->dirty[i];
        if (!client->dead && !client->conn.blocked && conn_flush(&client->conn, c->epfd, client))
            drop(c, client);
    }
    size_t len = c->dirty_len;
    c->dirty_len = 0;
    for (size_t i = 0; i < len; i++) {
        c->dirty[i]->conn.dirty = false;
        if (c->dirty[i]->dead)
            free(c->dirty[i]);
    }
}

static struct client *client_new(struct ceiling *c, int fd, enum conn_role role)
{
    struct client *client = calloc(1, sizeof *client);

    assert(client);
    conn_open(&client->conn, fd, role, c->epfd, client);
    return client;
}

/* The first byte tells: MQTT begins with 0x10, HTTP with a letter. It has rarely come yet
 * when accept() returns, so the listener waits for it (TCP_DEFER_ACCEPT). */
static void accept_all(struct ceiling *c)
{
    for (;;) {
        uint8_t first = 0;
        int fd = accept(c->listen_fd, NULL, NULL);
        if (fd < 0)
            return;
        if (recv(fd, &first, 1, MSG_PEEK) != 1) {
            close(fd);
            continue;
        }
        client_new(c, fd, first == 'G' ? CONN_WS_SERVER : CONN_TCP);
    }
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
}

static int listen_on(struct ceiling *c, unsigned port)
{
    struct sockaddr_in addr = loopback(port);
    socklen_t len = sizeof addr;
    int on = 1;
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

    c->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(c->listen_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
    if (bind(c->listen_fd, (struct sockaddr *)&addr, len) || listen(c->listen_fd, 4096))
        return -1;
    getsockname(c->listen_fd, (struct sockaddr *)&addr, &len);
    epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->listen_fd, &ev);
    fprintf(stderr, "ready mqtt=127.0.0.1:%u web=127.0.0.1:%u\n", ntohs(addr.sin_port),
            ntohs(addr.sin_port));
    return 0;
}

static int join(struct ceiling *c, unsigned port)
{
    struct sockaddr_in addr = loopback(port);
    uint8_t out[MINI_PACKET_MAX];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&addr, sizeof addr))
        return -1;
    c->up = client_new(c, fd, CONN_TCP);
    conn_put(&c->up->conn, out, mini_connect(out, "ceiling", true));
    mark(c, c->up);
    flush_all(c);
    return 0;
}

static void turn(struct ceiling *c)
{
    struct epoll_event events[256];
    int n = epoll_wait(c->epfd, events, 256, -1);

    for (int i = 0; i < n; i++) {
        struct client *client = events[i].data.ptr;
        if (!client) {
            accept_all(c);
            continue;
        }
        if (client->dead)
            continue;
        if (events[i].events & EPOLLOUT && conn_flush(&client->conn, c->epfd, client))
            drop(c, client);
        else if (events[i].events & ~(unsigned)EPOLLOUT && on_readable(c, client))
            drop(c, client);
    }
    flush_all(c);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "up", required_argument, NULL, 'u' },
        { 0 },
    };
    struct ceiling c = { .epfd = epoll_create1(0) };
    unsigned port = 0, up = 0;
    struct rlimit files;

    for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (opt == 'p')
            port = (unsigned)atoi(optarg);
        else if (opt == 'u')
            up = (unsigned)atoi(optarg);
        else
            return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((up && join(&c, up)) || listen_on(&c, port)) {
        fprintf(stderr, "ceiling: %s\n", strerror(errno));
        return 1;
    }
    for (;;)
        turn(&c);
}
