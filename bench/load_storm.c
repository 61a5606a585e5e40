/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

/* Storm mode: n clients come, do what there is to do, go, and come again under another
 * name. A visit is counted once its DISCONNECT is out and the socket closed. */
enum visit_step {
    VISIT_CONNECT,   /* CONNECT is out */
    VISIT_SUBSCRIBE, /* SUBSCRIBE is out */
    VISIT_PUBLISH,   /* a message to itself is out */
    VISIT_OVER,      /* DISCONNECT is queued */
};

struct visitor {
    struct client client; /* first: load_storm_packet() is given this */
    enum visit_step step;
    uint64_t begun_ns;
};

static void visit_begin(struct load *load, struct visitor *visitor)
{
    visitor->client.index = load->opened++;
    visitor->step = VISIT_CONNECT;
    visitor->begun_ns = load_now_ns();
    if (load_connect(load, &visitor->client, &load->o.pub))
        load->failure = "nobody listens";
    visitor->client.state = CLIENT_READY; /* all packets come here, CONNACK first */
}

static void visit_goodbye(struct visitor *visitor)
{
    static const uint8_t goodbye[] = { MINI_DISCONNECT << 4, 0 };

    conn_put(&visitor->client.conn, goodbye, sizeof goodbye);
    visitor->step = VISIT_OVER;
}

static void visit_publish(struct load *load, struct visitor *visitor, const char *topic)
{
    uint8_t out[MINI_PACKET_MAX], payload[LOAD_SIZE_MAX] = { 0 };
    size_t n = mini_publish_head(out, topic, 0, 0, load->o.size);

    memcpy(payload, &visitor->client.index, sizeof visitor->client.index);
    conn_put2(&visitor->client.conn, out, n, payload, load->o.size);
    visitor->step = VISIT_PUBLISH;
}

/* Did the visitor's own message come back? */
static bool is_own(const struct load *load, const struct visitor *visitor,
                   const struct mini_packet *packet)
{
    struct mini_publish p;

    return packet->type == MINI_PUBLISH && mini_publish_read(packet, &p) &&
           p.payload_len == load->o.size &&
           memcmp(p.payload, &visitor->client.index, sizeof visitor->client.index) == 0;
}

int load_storm_packet(struct load *load, struct client *client, const struct mini_packet *packet)
{
    struct visitor *visitor = (struct visitor *)client;
    uint8_t out[MINI_PACKET_MAX];
    char topic[MINI_TOPIC_MAX];

    load_topic(load, client->index, topic);
    switch (visitor->step) {
    case VISIT_CONNECT:
        if (packet->type != MINI_CONNACK || packet->body_len < 2 || packet->body[1])
            return -1;
        if (!load->o.work) {
            visit_goodbye(visitor);
            return 0;
        }
        conn_put(&client->conn, out, mini_subscribe(out, 1, topic, 0));
        visitor->step = VISIT_SUBSCRIBE;
        return 0;
    case VISIT_SUBSCRIBE:
        if (packet->type != MINI_SUBACK || packet->body_len != 3 || packet->body[2])
            return -1;
        visit_publish(load, visitor, topic);
        return 0;
    case VISIT_PUBLISH:
        if (!is_own(load, visitor, packet))
            return -1;
        visit_goodbye(visitor);
        return 0;
    case VISIT_OVER: return -1;
    }
    return -1;
}

/* The visits that are over are counted and begin anew while the clock runs. */
static void turn_over(struct load *load, struct visitor *visitors)
{
    for (uint32_t i = 0; i < load->o.n && !load->failure; i++) {
        struct visitor *visitor = &visitors[i];
        if (visitor->step != VISIT_OVER || visitor->client.conn.out.len)
            continue;
        conn_close(&visitor->client.conn);
        load->delivered++;
        hist_add(&load->hist, load_now_ns() - visitor->begun_ns);
        visit_begin(load, visitor);
    }
}

void load_storm(struct load *load)
{
    struct visitor *visitors = calloc(load->o.n, sizeof *visitors);
    uint64_t begun_ns = load_now_ns();

    assert(visitors);
    load->phase = PHASE_WARMING;
    for (uint32_t i = 0; i < load->o.n && !load->failure; i++)
        visit_begin(load, &visitors[i]);
    while (!load->failure && load->phase != PHASE_DRAINING) {
        load_turn(load, 10000000);
        turn_over(load, visitors);
        load_phase(load, begun_ns, load_now_ns());
    }
    for (uint32_t i = 0; i < load->o.n; i++)
        conn_close(&visitors[i].client.conn);
    free(visitors);
}
