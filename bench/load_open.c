/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include "tls.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Handshakes under way at once: below any listener's backlog. */
enum { OPEN_PENDING_MAX = 64, OPEN_TIMEOUT_S = 30 };

uint64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A client id that no other run uses, but for a session that is to be found again. */
static size_t connect_of(const struct load *load, const struct client *client, uint8_t *out)
{
    char id[MINI_TOPIC_MAX];

    if (client->kept)
        load_kept_id(load, id);
    else
        snprintf(id, sizeof id, "%c%d-%u", client->pub ? 'p' : 's', (int)getpid(), client->index);
    return mini_connect(out, id, !client->kept);
}

int load_connect(struct load *load, struct client *client, const struct sockaddr_in *addr)
{
    uint8_t out[MINI_PACKET_MAX];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return -1;
    /* 28,000 ports per source address are not enough for repeated large runs. */
    if (ntohl(addr->sin_addr.s_addr) >> 24 == 127) {
        struct sockaddr_in from = { .sin_family = AF_INET };
        int on = 1;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + client->index / 4000);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&from, sizeof from)) {
            close(fd);
            return -1;
        }
    }
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr)) {
        close(fd);
        return -1;
    }
    struct ssl_st *tls = load->o.tls ? tls_open(fd) : NULL;
    if (load->o.tls && !tls) {
        close(fd);
        return -1;
    }
    conn_open(&client->conn, fd, load->o.ws ? CONN_WS_CLIENT : CONN_TCP, load->epfd, client);
    client->conn.tls = tls;
    client->state = CLIENT_CONNECTING;
    if (!load->o.ws) /* otherwise CONNECT waits for the 101 */
        conn_put(&client->conn, out, connect_of(load, client, out));
    return conn_flush(&client->conn, load->epfd, client);
}

void load_topic(const struct load *load, uint32_t index, char ret_topic[MINI_TOPIC_MAX])
{
    if (load->o.mode == LOAD_OFFLINE) {
        snprintf(ret_topic, MINI_TOPIC_MAX, "bench/offline");
        return;
    }
    snprintf(ret_topic, MINI_TOPIC_MAX, "bench/%d/%u", (int)getpid(),
             load->o.mode == LOAD_P2P || load->o.mode == LOAD_STORM ? index : 0);
}

/* The packets of a client that is not READY yet. */
static int opening_packet(struct load *load, struct client *client,
                          const struct mini_packet *packet)
{
    uint8_t out[MINI_PACKET_MAX];
    char topic[MINI_TOPIC_MAX];

    if (client->state == CLIENT_CONNECTING) {
        if (packet->type != MINI_CONNACK || packet->body_len < 2 || packet->body[1])
            return -1;
        if (client->back && !packet->body[0])
            return -1; /* session present */
        if (!client->sub || client->back) {
            client->state = CLIENT_READY;
            load->ready_count++;
            return 0;
        }
        load_topic(load, client->index, topic);
        conn_put(&client->conn, out, mini_subscribe(out, 1, topic, load->o.qos));
        client->state = CLIENT_SUBSCRIBING;
        return 0;
    }
    if (packet->type != MINI_SUBACK || packet->body_len != 3 || packet->body[2] != load->o.qos)
        return -1;
    client->state = CLIENT_READY;
    load->ready_count++;
    return 0;
}

static int on_readable(struct load *load, struct client *client)
{
    const uint8_t *data;
    size_t len, at = 0;
    struct mini_packet packet;
    bool upgrading = client->conn.upgrading;

    if (conn_read(&client->conn, &load->scratch, &data, &len))
        return -1;
    if (upgrading && !client->conn.upgrading) {
        uint8_t out[MINI_PACKET_MAX];
        conn_put(&client->conn, out, connect_of(load, client, out));
    }
    uint64_t now_ns = load_now_ns();
    for (;;) {
        long n = mini_next(data + at, len - at, &packet);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        int err = client->state == CLIENT_READY ? load_packet(load, client, &packet, now_ns)
                                                : opening_packet(load, client, &packet);
        if (err)
            return -1;
        at += (size_t)n;
    }
    conn_keep(&client->conn, data + at, len - at);
    return client->conn.out.len && !client->conn.blocked
               ? conn_flush(&client->conn, load->epfd, client)
               : 0;
}

void load_turn(struct load *load, uint64_t timeout_ns)
{
    struct epoll_event events[256];
    struct timespec timeout = { (time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000) };
    int n = epoll_pwait2(load->epfd, events, 256, &timeout, NULL);

    for (int i = 0; i < n && !load->failure; i++) {
        struct client *client = events[i].data.ptr;
        int err = 0;
        if (!client)
            continue; /* standard input, which idle mode reads itself */
        if (events[i].events & EPOLLOUT)
            err = conn_flush(&client->conn, load->epfd, client);
        if (!err && events[i].events & ~(unsigned)EPOLLOUT)
            err = on_readable(load, client);
        if (err)
            load->failure = client->state == CLIENT_READY
                                ? "the broker closed a connection or broke the protocol"
                                : "the broker refused a connection";
    }
}

/* The PUBLISH every message of this publisher is a copy of. */
static void image_make(struct load *load, struct publisher *pub)
{
    uint8_t head[MINI_PACKET_MAX];
    char topic[MINI_TOPIC_MAX];

    load_topic(load, pub->client.index, topic);
    pub->payload_at = mini_publish_head(head, topic, load->o.qos, 0, load->o.size);
    pub->image_len = pub->payload_at + load->o.size;
    pub->image = malloc(pub->image_len);
    assert(pub->image);
    memcpy(pub->image, head, pub->payload_at);
    for (uint32_t i = 0; i < load->o.size; i++)
        pub->image[pub->payload_at + i] = (uint8_t)(i + pub->client.index);
    pub->next_id = pub->next_recorded = pub->next_acked = 1;
}

static void wait_ready(struct load *load, uint32_t want, uint64_t deadline_ns)
{
    while (!load->failure && load->ready_count < want) {
        load_turn(load, 100000000);
        if (load_now_ns() > deadline_ns)
            load->failure = "connecting took too long";
    }
}

static void open_one(struct load *load, struct client *client, uint32_t opened)
{
    uint64_t deadline_ns = load_now_ns() + OPEN_TIMEOUT_S * 1000000000ull;

    if (load_connect(load, client, client->pub ? &load->o.pub : &load->o.sub))
        load->failure = "nobody listens";
    if (opened >= OPEN_PENDING_MAX)
        wait_ready(load, opened - OPEN_PENDING_MAX, deadline_ns);
}

void load_open(struct load *load)
{
    bool fanout = load->o.mode == LOAD_FANOUT, fanin = load->o.mode == LOAD_FANIN || load->o.mode == LOAD_OFFLINE;
    uint32_t opened = 0;

    load->pub_count = fanout ? 1 : load->o.n;
    load->sub_count = fanin ? 1 : load->o.n;
    load->fan = fanout ? load->o.n : 1;
    load->pubs = calloc(load->pub_count, sizeof *load->pubs);
    load->subs = calloc(load->sub_count, sizeof *load->subs);
    load->queue = calloc(load->pub_count, sizeof(struct publisher *));
    assert(load->pubs && load->subs && load->queue);
    for (uint32_t i = 0; i < load->sub_count && !load->failure; i++) {
        struct subscriber *sub = &load->subs[i];
        sub->client.index = i;
        sub->client.sub = sub;
        sub->client.kept = load->o.mode == LOAD_OFFLINE;
        sub->flow_count = fanin ? load->pub_count : 1;
        sub->flows = calloc(sub->flow_count, sizeof *sub->flows);
        assert(sub->flows);
        open_one(load, &sub->client, ++opened);
    }
    for (uint32_t i = 0; i < load->pub_count && !load->failure; i++) {
        struct publisher *pub = &load->pubs[i];
        pub->client.index = i;
        pub->client.pub = pub;
        image_make(load, pub);
        open_one(load, &pub->client, ++opened);
    }
    wait_ready(load, opened, load_now_ns() + OPEN_TIMEOUT_S * 1000000000ull);
}
