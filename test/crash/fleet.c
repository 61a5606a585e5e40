/* SPDX-License-Identifier: Apache-2.0 */
/* Making a fleet, and what its brokers and the network ask of each other. */
#include "fleet.h"

#include "base/hash.h"
#include "mesh/lsdb.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct broker *fleet_broker(struct fleet *fleet, uint32_t node)
{
    struct broker *broker = &fleet->brokers[node];

    broker->now_ms = sim_node_now_ms(fleet->sim, node);
    broker->now_us = fleet->sim->now_us;
    return broker;
}

bool fleet_is_up(const struct fleet *fleet, uint32_t node)
{
    return fleet->brokers[node].node != NULL;
}

bool fleet_is_well(struct fleet *fleet)
{
    if (fleet->sim->failure[0]) {
        ledger_wrong(&fleet->ledger, "%s", fleet->sim->failure);
        fleet->sim->failure[0] = '\0';
    }
    return fleet->ledger.wrong.len == 0;
}

void fleet_disturb(struct fleet *fleet)
{
    fleet->disturbed_us = fleet->sim->now_us;
}

void fleet_crash(struct fleet *fleet, uint32_t node, bool power_lost)
{
    fleet_disturb(fleet);
    if (fleet->brokers[node].leaving) /* it does not get so far */
        passage_doubt(fleet, node);
    fleet->brokers[node].leaving = false;
    sim_crash(fleet->sim, fleet->sim->nodes.at[node].name, power_lost);
}

/* ---- what the network asks ---- */

static struct mesh *start(void *context, uint32_t node, const struct mesh_config *config)
{
    struct fleet *fleet = context;
    struct broker *broker = fleet_broker(fleet, node);

    if (config->inc <= fleet->members[node].inc)
        ledger_wrong(&fleet->ledger, "%s starts with incarnation %u after %u",
                     fleet->sim->nodes.at[node].name, config->inc, fleet->members[node].inc);
    fleet->members[node].inc = config->inc;
    fleet->members[node].armed = false;
    fleet->members[node].tseq = 0;
    fleet->members[node].drops = 0;
    for (uint32_t i = 0; i < fleet->count; i++)
        fleet->members[node].seen_incs[i] = 0; /* it learns anew */
    fleet_disturb(fleet);
    broker_start(broker, config);
    return node_mesh(broker->node);
}

static void stop(void *context, uint32_t node)
{
    struct fleet *fleet = context;
    struct broker *broker = &fleet->brokers[node];
    bool well = !broker->troubled && broker->vdisk.crash_at == 0;

    if (broker->leaving && well) {
        fleet->members[node].soft = true;
        passage_firm(fleet, node);
    } else if (broker->leaving) {
        passage_doubt(fleet, node);
    }
    passage_stopped(fleet, node);
    if (broker->leaving && well)
        broker_stop(broker);
    else
        broker_crash(broker);
}

static void step(void *context, uint32_t node, const struct mesh_event *event)
{
    struct fleet *fleet = context;
    struct broker *broker = fleet_broker(fleet, node);

    fleet->flushing = event->kind == MESH_FLUSH;
    broker->leaving |= event->kind == MESH_SHUTDOWN;
    if (event->kind == MESH_TICK)
        node_tick(broker->node, event->now_ms, event->now_us, &broker->out);
    else if (event->kind == MESH_FLUSH)
        node_flush(broker->node, event->now_ms, event->now_us, &broker->out);
    else if (event->kind == MESH_SHUTDOWN)
        node_shutdown(broker->node, event->now_ms, event->now_us, &broker->out);
    else
        node_on_link(broker->node, event, &broker->out);
    broker_carry(broker);
}

static uint64_t deadline(void *context, uint32_t node)
{
    const struct fleet *fleet = context;

    return node_deadline(fleet->brokers[node].node);
}

/* One packet on one line, at random. */
static void carry_mail(struct fleet *fleet, struct broker *broker)
{
    struct client *client = &broker->clients[rand_below(&fleet->rand, broker->client_count)];

    if (rand_below(&fleet->rand, 2))
        client_hear(client);
    else
        client_speak(client);
}

/* One small thing goes on at a broker. */
static void work(void *context, uint32_t node)
{
    struct fleet *fleet = context;
    struct broker *broker = fleet_broker(fleet, node);

    fleet->members[node].armed = false;
    if (rand_below(&fleet->rand, 3)) {
        carry_mail(fleet, broker);
    } else {
        passage_review(fleet, node);
        broker_store(broker, &fleet->rand);
        if (broker_is_firm(broker))
            passage_firm(fleet, node);
    }
    if (broker->vdisk.dead || broker->disk_failed)
        fleet_crash(fleet, node, rand_below(&fleet->rand, 2));
    else
        fleet_arm(fleet, node);
}

void fleet_arm(struct fleet *fleet, uint32_t node)
{
    struct broker *broker = &fleet->brokers[node];
    bool mail = false;

    if (fleet->members[node].armed || !broker->node)
        return;
    for (size_t i = 0; i < broker->client_count; i++)
        mail |= client_has_mail(&broker->clients[i]);
    if (!mail && broker_is_still(broker))
        return;
    fleet->members[node].armed = true;
    sim_push(fleet->sim, (struct sim_event){ .time_us = fleet->sim->now_us + 10 +
                                                        rand_below(&fleet->rand, mail ? 300 : 3000),
                                             .kind = SIM_WORK,
                                             .node = node,
                                             .life = fleet->sim->nodes.at[node].life });
}

/* ---- what brokers ask ---- */

/* Does the broker say anything new of its links? Has it dropped anything? */
static void watch(struct fleet *fleet, uint32_t node)
{
    struct mesh *mesh = node_mesh(fleet->brokers[node].node);
    struct mesh_stats stats = mesh_stats(mesh);
    uint64_t drops = stats.dropped_ttl + stats.dropped_uturn + stats.dropped_unreachable +
                     stats.dropped_queue + stats.dropped_age;
    struct mesh_node_view view;
    size_t cursor = 0;

    while (mesh_next_node(mesh, &cursor, &view)) {
        if (view.self && view.tseq != fleet->members[node].tseq) {
            fleet->members[node].tseq = view.tseq;
            fleet_disturb(fleet);
        }
    }
    if (drops != fleet->members[node].drops)
        passage_dropped(fleet, node);
    fleet->members[node].drops = drops;
}

/* Who a broker is is written down, so it never meets what it takes for another one of its
 * own name; and nobody sends what others refuse. */
static void check_facts(struct fleet *fleet, uint32_t node, const struct mesh_out *out)
{
    vec_each (&out->facts, fact) {
        if (fact->kind == MESH_FACT_LINK_DOWN)
            passage_unlinked(fleet, node);
        if (fact->kind == MESH_FACT_DUPLICATE_ID || fact->kind == MESH_FACT_REFUSED)
            ledger_wrong(&fleet->ledger, "at %llu ms: %s says %s: %.*s",
                         (unsigned long long)fleet->sim->now_us / 1000,
                         fleet->sim->nodes.at[node].name, mesh_fact_name(fact->kind),
                         (int)fact->text_len, (const char *)out->bytes.data + fact->text_at);
    }
}

static void carry_mesh(void *context, struct broker *broker, struct mesh_out *out)
{
    struct fleet *fleet = context;
    bool flushed = fleet->flushing;

    check_facts(fleet, broker->index, out);
    fleet->flushing = false;
    sim_node_carry(fleet->sim, broker->index, out, flushed);
    watch(fleet, broker->index);
    fleet_arm(fleet, broker->index);
}

/* ---- making ---- */

/* What a client may subscribe to: mostly all of a stream, or one author of it. */
static void choose_wants(struct fleet *fleet, struct client *client)
{
    char filter[STREAM_TOPIC_CHARS];
    const struct author *one =
        &fleet->ledger.authors[rand_below(&fleet->rand, fleet->ledger.author_count)];
    bool first = client->index % FLEET_CLIENTS == 0;

    if (first || rand_below(&fleet->rand, 2))
        client_wants(client, rand_below(&fleet->rand, 3) ? "m/#" : "m/+", 2);
    client_wants(client, stream_topic(one, STREAM_SURE, filter),
                 (uint8_t)(1 + rand_below(&fleet->rand, 2)));
    client_wants(client, rand_below(&fleet->rand, 2) ? "q/#" : "q/+", 0);
    if (rand_below(&fleet->rand, 2))
        client_wants(client, "r/#", 1);
    if (first) /* somebody sees what wills are published */
        client_wants(client, "will/#", 1);
    for (size_t i = 0; i + 1 < client->slot_count; i++)
        client->slots[i].wanted = rand_below(&fleet->rand, 4) > 0;
}

static void make_clients(struct fleet *fleet)
{
    fleet->ledger.author_count = fleet->count * FLEET_CLIENTS;
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
        uint32_t home = i / FLEET_CLIENTS;
        struct author *author = &fleet->ledger.authors[i];
        snprintf(author->name, sizeof author->name, "n%u%c", home % 10,
                 "abcdefgh"[i % FLEET_CLIENTS]);
        author->home = home;
        fleet->clients[i] = (struct client){ .author = author,
                                             .broker = &fleet->brokers[home],
                                             .index = i,
                                             .kept = i % FLEET_CLIENTS < FLEET_CLIENTS - 1 };
    }
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++)
        choose_wants(fleet, &fleet->clients[i]);
}

static void make_broker(struct fleet *fleet, uint32_t node)
{
    struct broker *broker = &fleet->brokers[node];

    broker_init(broker, &fleet->ledger, hash_mix(fleet->seed + node * 7919u));
    broker->index = node;
    broker->clients = &fleet->clients[node * FLEET_CLIENTS];
    broker->client_count = FLEET_CLIENTS;
    broker->carry_mesh = carry_mesh;
    broker->context = fleet;
    fleet->members[node].sid = node_sid(&fleet->sim->nodes.at[node].id, 0);
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        fleet->members[node].kept[i] = (struct kept_values){ 1, 1 };
}

struct fleet *fleet_new(uint64_t seed, uint32_t nodes)
{
    struct fleet *fleet = sim_need(calloc(1, sizeof *fleet));

    fleet->seed = fleet->ledger.seed = seed;
    rand_init(&fleet->rand, hash_mix(seed));
    fleet->count = nodes ? nodes : 2 + (uint32_t)rand_below(&fleet->rand, FLEET_MAX - 1);
    assert(fleet->count <= FLEET_MAX);
    fleet->index = sim_need(calloc((size_t)AUTHORS_MAX * STREAM_COUNT * MESSAGES_MAX * ATTEMPTS_MAX,
                                   sizeof *fleet->index));
    fleet->ledger.witness =
        (struct witness){ passage_accepted, passage_taken, passage_let_go, fleet };
    fleet->hooks =
        (struct sim_brokers){ start,           stop, step, deadline, work, passage_bundle,
                              passage_deliver, fleet };
    enum sim_shape shape = (enum sim_shape)rand_below(&fleet->rand, SIM_SHAPES);
    fleet->sim = sim_new_whole(shape, fleet->count, seed, &fleet->hooks);
    for (uint32_t i = 0; i < fleet->count; i++)
        make_broker(fleet, i);
    make_clients(fleet);
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++)
        client_finish(&fleet->clients[i]);
    for (uint32_t i = 0; i < fleet->count; i++)
        broker_finish(&fleet->brokers[i]);
    sim_free(fleet->sim);
    vec_finish(&fleet->passages);
    buf_finish(&fleet->ledger.wrong);
    free(fleet->index);
    free(fleet);
}
