/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Subs mode: HOLDERS clients share many subscriptions, and one publisher publishes random
 * topics, each of which one subscription matches. The number of subscriptions rises in
 * steps; each is measured. Of ten filters one ends in + and one is like +/+/NAME/#. */
enum {
    HOLDERS = 20,
    FILTERS_EACH = 100, /* in a SUBSCRIBE */
    PLANTS = 97,
    SETTLE_NS = 300000000,
    SETTLES_MAX = 200,
    QUIET = 20, /* the broker uses less than one in so many of its time */
};

struct holder {
    struct client client;
    uint32_t next, asked; /* number of its next filter; filters in the SUBSCRIBE that is out */
};

/* What load_subs_packet() counts for. */
struct subs {
    struct holder holders[HOLDERS];
    struct client publisher;
    uint32_t want; /* subscriptions */
    uint32_t held;
    uint64_t random;
};

static struct subs *subs_of(struct load *load)
{
    return load->subs_mode;
}

static size_t topic_at(char *out, size_t cap, uint32_t i)
{
    return (size_t)snprintf(out, cap, "plant/%u/dev%u/temp", i % PLANTS, i);
}

static size_t filter_at(char *out, size_t cap, uint32_t i)
{
    if (i % 10 == 3)
        return (size_t)snprintf(out, cap, "plant/%u/dev%u/+", i % PLANTS, i);
    if (i % 10 == 7)
        return (size_t)snprintf(out, cap, "+/+/dev%u/#", i);
    return topic_at(out, cap, i);
}

/* The holder's next SUBSCRIBE; filter i is that of holder i % HOLDERS. */
static void ask(struct load *load, struct holder *holder)
{
    struct subs *subs = subs_of(load);
    struct bytes *body = &load->batch;
    char filter[MINI_TOPIC_MAX];
    uint8_t head[8] = { MINI_SUBSCRIBE << 4 | 2 };

    holder->asked = 0;
    body->len = 0;
    bytes_add(body, "\0\1", 2);
    for (; holder->asked < FILTERS_EACH && holder->next < subs->want; holder->next += HOLDERS) {
        size_t len = filter_at(filter, sizeof filter, holder->next);
        bytes_add(body, (uint8_t[]){ 0, (uint8_t)len }, 2);
        bytes_add(body, filter, len);
        bytes_add(body, "", 1);
        holder->asked++;
    }
    if (holder->asked == 0)
        return;
    size_t n = 1 + mini_length(head + 1, body->len);
    conn_put2(&holder->client.conn, head, n, body->data, body->len);
}

/* A holder got one of the messages: is it whole, and for him? */
static int on_message(struct load *load, const struct holder *holder,
                      const struct mini_packet *packet)
{
    struct mini_publish p;
    struct stamp stamp;
    uint32_t seal;
    char topic[MINI_TOPIC_MAX];

    if (!mini_publish_read(packet, &p))
        return -1;
    load->delivered++;
    if (p.payload_len != load->o.size) {
        load->corrupt++;
        return 0;
    }
    memcpy(&stamp, p.payload, sizeof stamp);
    memcpy(&seal, p.payload + p.payload_len - 4, 4);
    size_t len = topic_at(topic, sizeof topic, stamp.publisher);
    load->corrupt += seal != load_seal(&stamp) || p.topic_len != len || memcmp(p.topic, topic, len);
    load->stray += stamp.publisher % HOLDERS != holder->client.index;
    return 0;
}

int load_subs_packet(struct load *load, struct client *client, const struct mini_packet *packet)
{
    struct subs *subs = subs_of(load);

    if (client == &subs->publisher)
        return -1;
    struct holder *holder = (struct holder *)client;
    if (packet->type == MINI_PUBLISH)
        return on_message(load, holder, packet);
    if (packet->type != MINI_SUBACK || packet->body_len != 2 + holder->asked)
        return -1;
    for (size_t i = 2; i < packet->body_len; i++)
        if (packet->body[i])
            return -1;
    subs->held += holder->asked;
    ask(load, holder);
    return 0;
}

static void hold(struct load *load, uint32_t want)
{
    struct subs *subs = subs_of(load);

    subs->want = want;
    for (uint32_t i = 0; i < HOLDERS && !load->failure; i++) {
        ask(load, &subs->holders[i]);
        if (conn_flush(&subs->holders[i].client.conn, load->epfd, &subs->holders[i].client))
            load->failure = "the broker closed a subscriber's connection";
    }
    while (!load->failure && subs->held < want)
        load_turn(load, 10000000);
}

/* A batch of messages with random topics in one write. */
static void publish(struct load *load)
{
    struct subs *subs = subs_of(load);
    struct stamp stamp = { .size = load->o.size, .sent_ns = load_now_ns() };
    uint8_t head[MINI_PACKET_MAX], payload[LOAD_SIZE_MAX] = { 0 };
    char topic[MINI_TOPIC_MAX];

    for (uint32_t i = 0; i < load->o.batch; i++) {
        subs->random = subs->random * 6364136223846793005u + 1442695040888963407u;
        stamp.publisher = (uint32_t)((subs->random >> 32) * subs->want >> 32);
        stamp.number = load->published++;
        uint32_t seal = load_seal(&stamp);
        topic_at(topic, sizeof topic, stamp.publisher);
        memcpy(payload, &stamp, sizeof stamp);
        memcpy(payload + load->o.size - 4, &seal, 4);
        size_t n = mini_publish_head(head, topic, 0, 0, load->o.size);
        conn_put2(&subs->publisher.conn, head, n, payload, load->o.size);
    }
    if (conn_flush(&subs->publisher.conn, load->epfd, &subs->publisher))
        load->failure = "the broker closed the publisher's connection";
}

/* Publish for the warm-up and the measured window, and wait for what is out. */
static void measure(struct load *load)
{
    struct subs *subs = subs_of(load);
    uint64_t begun_ns = load_now_ns(), seen = load->delivered, seen_ns = begun_ns;

    load->phase = PHASE_WARMING;
    while (!load->failure && (load->phase != PHASE_DRAINING || load->delivered < load->published)) {
        bool room = load->published - load->delivered + load->o.batch <= load->o.window &&
                    subs->publisher.conn.out.len == 0;
        if (room && load->phase != PHASE_DRAINING)
            publish(load);
        load_turn(load, room ? 0 : 1000000);
        uint64_t now_ns = load_now_ns();
        if (load->delivered != seen) {
            seen = load->delivered;
            seen_ns = now_ns;
        }
        if (now_ns - seen_ns > load->o.stall_ns)
            load->failure = "the broker stopped delivering";
        load_phase(load, begun_ns, now_ns);
    }
}

/* Wait until the broker is at rest: one in a mesh tells others of many filters piece by piece. */
static void settle(struct load *load)
{
    for (int i = 0; i < SETTLES_MAX; i++) {
        uint64_t before_ns = load_cpu_ns(load->o.pids[0]);
        nanosleep(&(struct timespec){ .tv_nsec = SETTLE_NS }, NULL);
        if (load_cpu_ns(load->o.pids[0]) - before_ns < SETTLE_NS / QUIET)
            return;
    }
}

/* Resident bytes of the broker, exactly. */
static uint64_t rss_of(struct load *load)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    int pid = load->o.pids[0];

    settle(load);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Rss: %llu", &kib) != 1)
        continue;
    if (file)
        fclose(file);
    return kib * 1024;
}

static void open_all(struct load *load)
{
    struct subs *subs = subs_of(load);

    for (uint32_t i = 0; i <= HOLDERS && !load->failure; i++) {
        struct client *client = i < HOLDERS ? &subs->holders[i].client : &subs->publisher;
        client->index = i;
        if (i < HOLDERS)
            subs->holders[i].next = i;
        if (load_connect(load, client, &load->o.pub))
            load->failure = "nobody listens";
    }
    while (!load->failure && load->ready_count <= HOLDERS)
        load_turn(load, 10000000);
}

int load_subs(struct load *load)
{
    struct subs *subs = calloc(1, sizeof *subs);

    assert(subs);
    load->subs_mode = subs;
    open_all(load);
    uint64_t empty = rss_of(load);
    printf("{\"steps\": [");
    for (uint32_t i = 0; i < load->o.step_count && !load->failure; i++) {
        uint64_t before_ns = load_cpu_ns(load->o.pids[0]);
        hold(load, load->o.steps[i]);
        uint64_t rss = rss_of(load), held_ns = load_cpu_ns(load->o.pids[0]);
        uint32_t added = load->o.steps[i] - (i ? load->o.steps[i - 1] : 0);
        measure(load);
        uint64_t count = load->end.published - load->start.published;
        printf("%s{\"subs\": %u, \"bytes_each\": %.1f, \"subscribe_us\": %.3f, \"cpu_us\": %.4f}",
               i ? ", " : "", load->o.steps[i], ((double)rss - (double)empty) / load->o.steps[i],
               (double)(held_ns - before_ns) / 1e3 / added,
               count ? (double)(load->end.cpu_ns[0] - load->start.cpu_ns[0]) / 1e3 / (double)count
                     : 0);
    }
    bool ok = !load->failure && !load->corrupt && !load->stray &&
              load->delivered == load->published;
    printf("], \"lost\": %" PRIu64 ", \"corrupt\": %" PRIu64 ", \"stray\": %" PRIu64
           ", \"failure\": \"%s\", \"ok\": %s}\n",
           load->published - load->delivered, load->corrupt, load->stray,
           load->failure ? load->failure : "", ok ? "true" : "false");
    for (uint32_t i = 0; i < HOLDERS; i++)
        conn_close(&subs->holders[i].client.conn);
    conn_close(&subs->publisher.conn);
    free(subs);
    return ok ? 0 : 1;
}
