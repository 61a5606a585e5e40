/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <sys/resource.h>
#include <time.h>

enum { PROBE_EVERY_MS = 20 };
#define PROBE_BIT        (1u << 31)
#define PROBE_TIMEOUT_NS 15000000000ull
#define LATE_MAX_NS      5000000

uint64_t load_cpu_ns(int pid)
{
    clockid_t clock;
    struct timespec used;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

uint32_t load_seal(const struct stamp *stamp)
{
    return (stamp->publisher * 2654435761u) ^ (uint32_t)stamp->number ^ (uint32_t)stamp->sent_ns;
}

/* Whether the publisher may send another batch. */
static bool may_send(const struct load *load, const struct publisher *pub)
{
    uint64_t room = load->o.window - load->o.batch;

    if (pub->client.conn.out.len)
        return false;
    if (load->o.count && pub->sent >= load->o.count)
        return false;
    if (load->o.qos && pub->sent - pub->acked > room)
        return false;
    return pub->sent * load->fan - pub->delivered <= room * load->fan;
}

static void enqueue(struct load *load, struct publisher *pub)
{
    bool sending = load->phase == PHASE_WARMING || load->phase == PHASE_MEASURING;

    if (!sending || load->o.rate || pub->queued || !may_send(load, pub))
        return;
    pub->queued = true;
    uint32_t at = load->queue_head + load->queue_len++;
    load->queue[at < load->pub_count ? at : at - load->pub_count] = pub;
}

/* MQTT-2.3.1-1: ids are not zero. */
static uint16_t id_after(uint16_t id)
{
    return id == 65535 ? 1 : id + 1;
}

/* Stamp the image; the payload's last four bytes seal it. */
static void stamp_put(const struct load *load, struct publisher *pub, const struct stamp *stamp)
{
    uint8_t *payload = pub->image + pub->payload_at;
    uint32_t seal = load_seal(stamp);

    memcpy(payload, stamp, sizeof *stamp);
    memcpy(payload + load->o.size - 4, &seal, 4);
}

/* One write of up to a batch of messages. */
static int send_batch(struct load *load, struct publisher *pub)
{
    struct stamp stamp = {
        .publisher = pub->client.index,
        .size = load->o.size,
        .sent_ns = load_now_ns(),
    };
    uint64_t n = load->o.batch;

    if (load->o.count && load->o.count - pub->sent < n)
        n = load->o.count - pub->sent;
    load->batch.len = 0;
    for (uint64_t i = 0; i < n; i++) {
        stamp.number = pub->sent++;
        if (pub->sent_ns)
            pub->sent_ns[stamp.number % load->o.window] = stamp.sent_ns;
        stamp_put(load, pub, &stamp);
        if (load->o.qos) {
            pub->image[pub->payload_at - 2] = (uint8_t)(pub->next_id >> 8);
            pub->image[pub->payload_at - 1] = (uint8_t)pub->next_id;
            pub->next_id = id_after(pub->next_id);
        }
        if (load->o.ws_pack)
            bytes_add(&load->batch, pub->image, pub->image_len);
        else
            conn_put(&pub->client.conn, pub->image, pub->image_len);
    }
    if (load->o.ws_pack)
        conn_put(&pub->client.conn, load->batch.data, load->batch.len);
    load->published += n;
    return conn_flush(&pub->client.conn, load->epfd, &pub->client);
}

/* Everyone who may send sends one batch. */
static void send_round(struct load *load)
{
    for (uint32_t left = load->queue_len; left && !load->failure; left--) {
        struct publisher *pub = load->queue[load->queue_head];
        load->queue_head = load->queue_head + 1 == load->pub_count ? 0 : load->queue_head + 1;
        load->queue_len--;
        pub->queued = false;
        if (!may_send(load, pub))
            continue;
        if (send_batch(load, pub))
            load->failure = "the broker closed a publisher's connection";
        enqueue(load, pub);
    }
}

/* Those whose time has come send one message, in turn; how long until the next is due. Who
 * was kept from sending does not make up for it in a burst. */
static uint64_t send_due(struct load *load)
{
    uint64_t every_ns = 1000000000 / load->o.rate, now_ns = load_now_ns();

    if (load->due_ns + LATE_MAX_NS < now_ns)
        load->due_ns = now_ns;
    for (; load->due_ns <= now_ns && !load->failure; load->due_ns += every_ns) {
        struct publisher *pub = &load->pubs[load->queue_head];
        load->queue_head = load->queue_head + 1 == load->pub_count ? 0 : load->queue_head + 1;
        if (may_send(load, pub) && send_batch(load, pub))
            load->failure = "the broker closed a publisher's connection";
    }
    return load->due_ns - now_ns;
}

/* Send what may be sent; how long to wait for events then. */
static uint64_t send_some(struct load *load)
{
    enum { IDLE_NS = 10000000 };

    if (load->phase == PHASE_DRAINING)
        return IDLE_NS;
    if (load->o.rate)
        return send_due(load);
    send_round(load);
    return load->queue_len ? 0 : IDLE_NS;
}

static int on_ack(struct load *load, struct publisher *pub, const struct mini_packet *packet,
                  uint64_t now_ns)
{
    uint8_t out[MINI_PACKET_MAX];
    uint16_t id = mini_id(packet);

    if (packet->type == MINI_PUBREC && load->o.qos == 2) {
        load->ack_errors += id != pub->next_recorded;
        pub->next_recorded = id_after(pub->next_recorded);
        conn_put(&pub->client.conn, out, mini_ack(out, MINI_PUBREL, id));
        return 0;
    }
    if (packet->type != (load->o.qos == 2 ? MINI_PUBCOMP : MINI_PUBACK))
        return -1;
    load->ack_errors += id != pub->next_acked;
    pub->next_acked = id_after(pub->next_acked);
    if (pub->sent_ns)
        hist_add(&load->hist, now_ns - pub->sent_ns[pub->acked % load->o.window]);
    if (load->o.window == 1) /* one at a time: in turn, so that both meet the same disk */
        load_disk(load);
    pub->acked++;
    load->acked++;
    enqueue(load, pub);
    return 0;
}

/* The message is whole and belongs here: account for it. */
static void on_stamp(struct load *load, struct subscriber *sub, const struct stamp *stamp,
                     uint64_t now_ns)
{
    if (stamp->publisher & PROBE_BIT) {
        load->probed_count += !sub->probed;
        sub->probed = true;
        return;
    }
    struct publisher *pub = &load->pubs[stamp->publisher];
    bool fanin = sub->flow_count > 1;
    if (!flow_see(&sub->flows[fanin ? stamp->publisher : 0], stamp->number))
        return;
    load->delivered++;
    pub->delivered++;
    if (load->fan)
        hist_add(&load->hist, now_ns - stamp->sent_ns);
    enqueue(load, pub);
}

static int on_publish(struct load *load, struct subscriber *sub, const struct mini_packet *packet,
                      uint64_t now_ns)
{
    struct mini_publish p;
    struct stamp stamp;
    uint32_t seal;
    uint8_t out[MINI_PACKET_MAX];

    if (!mini_publish_read(packet, &p))
        return -1;
    if (p.qos)
        conn_put(&sub->client.conn, out,
                 mini_ack(out, p.qos == 1 ? MINI_PUBACK : MINI_PUBREC, p.id));
    if (p.payload_len != load->o.size) {
        load->corrupt++;
        return 0;
    }
    memcpy(&stamp, p.payload, sizeof stamp);
    memcpy(&seal, p.payload + p.payload_len - 4, 4);
    uint32_t from = stamp.publisher & ~PROBE_BIT;
    bool probe = from != stamp.publisher;
    if (seal != load_seal(&stamp) || stamp.size != load->o.size || from >= load->pub_count ||
        p.qos != (probe ? 0 : load->o.qos)) {
        load->corrupt++;
        return 0;
    }
    if (load->o.mode == LOAD_P2P && from != sub->client.index) {
        load->stray++;
        return 0;
    }
    on_stamp(load, sub, &stamp, now_ns);
    return 0;
}

int load_packet(struct load *load, struct client *client, const struct mini_packet *packet,
                uint64_t now_ns)
{
    uint8_t out[MINI_PACKET_MAX];

    if (load->o.mode == LOAD_STORM)
        return load_storm_packet(load, client, packet);
    if (load->o.mode == LOAD_SUBS)
        return load_subs_packet(load, client, packet);
    if (client->pub)
        return on_ack(load, client->pub, packet, now_ns);
    if (!client->sub)
        return 0;
    switch (packet->type) {
    case MINI_PUBLISH: return on_publish(load, client->sub, packet, now_ns);
    case MINI_PUBREL:
        conn_put(&client->conn, out, mini_ack(out, MINI_PUBCOMP, mini_id(packet)));
        return 0;
    default: return -1;
    }
}

/* One QoS 0 message of its own kind per publisher: has the route been learnt? */
static void probe_round(struct load *load)
{
    uint8_t head[MINI_PACKET_MAX];
    char topic[MINI_TOPIC_MAX];

    for (uint32_t i = 0; i < load->pub_count; i++) {
        struct publisher *pub = &load->pubs[i];
        struct stamp stamp = { .publisher = i | PROBE_BIT, .size = load->o.size };
        /* The topic stands in the image behind a fixed header of two to five bytes. */
        size_t topic_end = pub->payload_at - (load->o.qos ? 2 : 0), at = 1;
        while (pub->image[at++] & 0x80)
            continue;
        memcpy(topic, pub->image + at + 2, topic_end - at - 2);
        topic[topic_end - at - 2] = 0;
        size_t n = mini_publish_head(head, topic, 0, 0, load->o.size);
        stamp_put(load, pub, &stamp);
        load->batch.len = 0;
        bytes_add(&load->batch, head, n);
        bytes_add(&load->batch, pub->image + pub->payload_at, load->o.size);
        conn_put(&pub->client.conn, load->batch.data, load->batch.len);
        if (conn_flush(&pub->client.conn, load->epfd, &pub->client))
            load->failure = "the broker closed a publisher's connection";
    }
}

static void probe(struct load *load)
{
    uint64_t until_ns = load_now_ns() + PROBE_TIMEOUT_NS;

    load->phase = PHASE_PROBING;
    while (!load->failure && load->probed_count < load->sub_count) {
        uint64_t next_ns = load_now_ns() + PROBE_EVERY_MS * 1000000ull;
        probe_round(load);
        while (!load->failure && load->probed_count < load->sub_count && load_now_ns() < next_ns)
            load_turn(load, 1000000);
        if (load_now_ns() > until_ns)
            load->failure = "no route from publisher to subscriber";
    }
}

struct reading load_reading(const struct load *load)
{
    struct reading r = { .delivered = load->o.mode == LOAD_OFFLINE ? load->acked : load->delivered,
                         .published = load->published };

    for (uint32_t i = 0; i < load->o.pid_count; i++)
        r.cpu_ns[i] = load_cpu_ns(load->o.pids[i]);
    r.main_cpu_ns = load->o.pid_count ? load_main_cpu_ns(load->o.pids[0]) : 0;
    r.written = load->o.pid_count ? load_written(load->o.pids[0]) : 0;
    r.own_cpu_ns = load_cpu_ns(0);
    r.at_ns = load_now_ns();
    return r;
}

static bool all_arrived(const struct load *load)
{
    return load->delivered == load->published * load->fan &&
           (load->o.qos == 0 || load->acked == load->published);
}

void load_phase(struct load *load, uint64_t begun_ns, uint64_t now_ns)
{
    const struct load_options *o = &load->o;

    if (load->phase == PHASE_WARMING && now_ns - begun_ns >= o->warmup_ns) {
        load->phase = PHASE_MEASURING;
        memset(&load->hist, 0, sizeof load->hist);
        load->start = load_reading(load);
    }
    bool over = o->count ? load->published == o->count * load->pub_count && all_arrived(load)
                         : now_ns - begun_ns >= o->warmup_ns + o->duration_ns;
    if (load->phase == PHASE_MEASURING && over) {
        load->end = load_reading(load);
        load->phase = PHASE_DRAINING;
    }
}

void load_run(struct load *load)
{
    if (memcmp(&load->o.pub, &load->o.sub, sizeof load->o.pub))
        probe(load);
    uint64_t begun_ns = load_now_ns(), progress_ns = begun_ns, progress = 0;
    load->phase = PHASE_WARMING;
    load_phase(load, begun_ns, begun_ns);
    for (uint32_t i = 0; i < load->pub_count; i++)
        enqueue(load, &load->pubs[i]);
    while (!load->failure && !(load->phase == PHASE_DRAINING && all_arrived(load))) {
        load_turn(load, send_some(load));
        uint64_t now_ns = load_now_ns();
        if (load->delivered + load->acked != progress) {
            progress = load->delivered + load->acked;
            progress_ns = now_ns;
        }
        load_phase(load, begun_ns, now_ns);
        if (now_ns - progress_ns > load->o.stall_ns) {
            if (load->phase != PHASE_DRAINING)
                load->failure = "the broker stopped delivering";
            break;
        }
    }
}
