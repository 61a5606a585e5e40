/* SPDX-License-Identifier: Apache-2.0 */
/* A random schedule: things happen one after the other, then all is healed, and must be well. */
#include "fleet.h"

#include "base/err.h"
#include "base/hash.h"

#include <stdio.h>

enum { ROUNDS = 2, MOMENT_MS = 50, REST_ROUNDS_MAX = 400, WELL_MS = 1500 };

static unsigned below(struct fleet *fleet, unsigned limit)
{
    return (unsigned)rand_below(&fleet->rand, limit);
}

static const char *name_of(const struct fleet *fleet, uint32_t node)
{
    return fleet->sim->nodes.at[node].name;
}

static void say(const struct fleet *fleet, const char *who, const char *what)
{
    if (fleet->sim->live)
        printf("[%6llu] %s %s\n", (unsigned long long)fleet->sim->now_us / 1000, who, what);
}

/* ---- what clients do ---- */

/* A client, with the clock of its broker set, or NULL: the broker is down. */
static struct client *any_client(struct fleet *fleet)
{
    struct client *client = &fleet->clients[below(fleet, (unsigned)fleet->ledger.author_count)];

    if (!fleet_is_up(fleet, client->broker->index))
        return NULL;
    fleet_broker(fleet, client->broker->index);
    return client;
}

static void connect_client(struct fleet *fleet, struct client *client)
{
    struct broker *broker = fleet_broker(fleet, client->broker->index);

    if (client->conn || !broker->node || broker->leaving ||
        !node_joined(broker->node, broker->now_ms))
        return; /* clients are let in when it has joined. MESH.md 3.5 */
    client_connect(client);
    fleet_arm(fleet, broker->index);
}

static void publish(struct fleet *fleet, struct client *client)
{
    enum { LARGE_MAX = 80000 };
    enum stream stream = STREAM_SURE;
    unsigned count = 1 + below(fleet, 3);
    unsigned filler = below(fleet, 50) ? 0 : below(fleet, LARGE_MAX);

    if (below(fleet, 4) == 0)
        stream = STREAM_LOOSE;
    else if (below(fleet, 8) == 0)
        stream = STREAM_RETAINED;
    while (count-- > 0)
        client_publish(client, stream, stream == STREAM_LOOSE ? 0 : (uint8_t)(1 + below(fleet, 2)),
                       filler);
    fleet_arm(fleet, client->broker->index);
}

static void act(struct fleet *fleet, unsigned what)
{
    struct client *client = any_client(fleet);

    if (!client)
        return;
    if (!client->conn) {
        connect_client(fleet, client);
    } else if (what < 10) {
        say(fleet, client->author->name, "is cut");
        client_cut(client);
    } else if (what < 25) {
        /* The last filter of the first client is that of wills: it stays. */
        client_toggle(client,
                      &client->slots[below(fleet, (unsigned)client->slot_count -
                                                      (client->index % FLEET_CLIENTS == 0))]);
    } else {
        publish(fleet, client);
    }
    fleet_arm(fleet, client->broker->index);
}

/* ---- what happens to brokers, disks and links ---- */

/* Start it; now and then the power goes while it does. */
static void restart(struct fleet *fleet, uint32_t node)
{
    struct vdisk *vdisk = &fleet->brokers[node].vdisk;

    say(fleet, name_of(fleet, node), "starts");
    if (below(fleet, 6) == 0)
        vdisk->crash_at = vdisk->ops + 1 + below(fleet, 6);
    sim_restart(fleet->sim, name_of(fleet, node), true);
    if (fleet->healing)
        vdisk->crash_at = 0;
}

static void change_broker(struct fleet *fleet)
{
    uint32_t node = below(fleet, fleet->count);

    if (!fleet_is_up(fleet, node)) {
        restart(fleet, node);
        return;
    }
    struct broker *broker = fleet_broker(fleet, node);
    switch (below(fleet, 5)) {
    case 0:
        say(fleet, name_of(fleet, node), "is to lose its power while it writes");
        broker->vdisk.crash_at = broker->vdisk.ops + 1 + below(fleet, 12);
        break;
    case 1:
        say(fleet, name_of(fleet, node), "has trouble with its disk");
        broker_trouble(broker, &fleet->rand);
        break;
    case 2:
        say(fleet, name_of(fleet, node), "leaves");
        fleet_disturb(fleet);
        if (!broker->leaving)
            sim_leave(fleet->sim, name_of(fleet, node));
        break;
    default: say(fleet, name_of(fleet, node), "stops"); fleet_crash(fleet, node, below(fleet, 2));
    }
}

static void change_edge(struct fleet *fleet)
{
    struct sim *sim = fleet->sim;
    const struct sim_edge *edge = &sim->edges.at[below(fleet, (unsigned)sim->edges.len)];
    char name[32];

    snprintf(name, sizeof name, "%s-%s", name_of(fleet, edge->ends[0]),
             name_of(fleet, edge->ends[1]));
    say(fleet, name, "changes");
    fleet_disturb(fleet);
    switch (below(fleet, 7)) {
    case 0: sim_cut(sim, name); break;
    case 1: sim_silence(sim, name); break;
    case 2: sim_mute(sim, name); break;
    case 3: sim_tune(sim, name, below(fleet, 200), below(fleet, 30), 0); break;
    case 4:
        sim_cut(sim, name);
        sim_run(sim, below(fleet, 300));
        fleet_disturb(fleet);
        sim_heal(sim, name, false);
        break;
    default: sim_heal(sim, name, below(fleet, 2)); break;
    }
}

static void happen(struct fleet *fleet)
{
    unsigned what = below(fleet, 130);

    if (what < 100)
        act(fleet, what);
    else if (what < 115)
        change_edge(fleet);
    else
        change_broker(fleet);
    sim_run(fleet->sim, below(fleet, 4) ? below(fleet, 30) : below(fleet, 800));
    fleet_check_identities(fleet);
}

/* ---- healing ---- */

/* All disks work again, and all links but a few that stay cut, and all brokers run; some were
 * down until now, so that they have nothing but what their stores kept, and no client. */
static void heal(struct fleet *fleet)
{
    struct sim *sim = fleet->sim;
    char name[32];

    say(fleet, "all", "is healed");
    fleet->healing = true;
    fleet_disturb(fleet);
    vec_each (&sim->edges, edge) {
        snprintf(name, sizeof name, "%s-%s", name_of(fleet, edge->ends[0]),
                 name_of(fleet, edge->ends[1]));
        sim_heal(sim, name, below(fleet, 2));
        if (edge->delay_us > 100000 || edge->bytes_per_s)
            sim_tune(sim, name, below(fleet, 50), below(fleet, 10), 0);
        if (below(fleet, 15) == 0)
            sim_cut(sim, name);
    }
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct broker *broker = &fleet->brokers[i];
        vdisk_fail(&broker->vdisk, 0, 0, 0, ERR_OK);
        broker->vdisk.crash_at = 0;
        bool anew = below(fleet, 3) == 0;
        if (fleet_is_up(fleet, i) &&
            (anew || broker->disk_failed || broker->full || broker->leaving))
            fleet_crash(fleet, i, below(fleet, 2));
        if (!fleet_is_up(fleet, i))
            restart(fleet, i);
        for (uint32_t c = i * FLEET_CLIENTS; c < (i + 1) * FLEET_CLIENTS; c++)
            fleet->absent[c] = fleet->clients[c].kept && (anew || below(fleet, 4) == 0);
    }
}

static bool is_busy(struct fleet *fleet)
{
    bool busy = false;

    for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
        const struct client *client = &fleet->clients[i];
        busy |= client_has_mail(client) || (!client->up && !fleet->absent[i]);
    }
    for (uint32_t i = 0; i < fleet->count; i++)
        busy |= !broker_is_still(&fleet->brokers[i]);
    return busy;
}

/* Until everybody who should be is connected, and nothing is on its way or to be written. */
static void come_to_rest(struct fleet *fleet)
{
    for (int round = 0; round < REST_ROUNDS_MAX; round++) {
        for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
            if (!fleet->absent[i])
                connect_client(fleet, &fleet->clients[i]);
        }
        sim_run(fleet->sim, MOMENT_MS);
        if (!fleet_is_well(fleet) || !is_busy(fleet))
            return;
    }
    ledger_wrong(&fleet->ledger, "it does not come to rest");
}

/* ---- when all is well ---- */

/* Everybody who is there says something of each kind. */
static void speak(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
        struct client *client = &fleet->clients[i];
        fleet_broker(fleet, client->broker->index);
        if (!client->up)
            continue;
        for (uint8_t qos = 1; qos <= 2; qos++) {
            client_publish(client, STREAM_SURE, qos, 0);
            client_publish(client, STREAM_LOOSE, 0, 0);
            client_publish(client, STREAM_RETAINED, 0, 0);
        }
        fleet_arm(fleet, client->broker->index);
    }
}

/* A client is lost, with a will. */
static void mourn(struct fleet *fleet)
{
    struct client *client = &fleet->clients[below(fleet, (unsigned)fleet->ledger.author_count)];

    fleet_broker(fleet, client->broker->index);
    if (!client->up)
        return;
    client_cut(client);
    fleet->absent[client->index] = true;
    sim_run(fleet->sim, WELL_MS);
    if (fleet_is_well(fleet))
        fleet_check_will(fleet, client);
}

static void enjoy(struct fleet *fleet, uint8_t round)
{
    fleet->quiet = round;
    speak(fleet);
    come_to_rest(fleet);
    sim_run(fleet->sim, WELL_MS);
    if (fleet_is_well(fleet))
        fleet_check_quiet(fleet);
    if (fleet_is_well(fleet))
        mourn(fleet);
    fleet->quiet = 0;
}

/* Some brokers stop once more, and everybody comes back. */
static void return_all(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (below(fleet, 3))
            continue;
        fleet_crash(fleet, i, below(fleet, 2));
        restart(fleet, i);
    }
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++)
        fleet->absent[i] = false;
    come_to_rest(fleet);
    if (fleet_is_well(fleet))
        fleet_check_promises(fleet);
}

/* Steps, then all is healed and must be well. */
static void go_round(struct fleet *fleet, uint8_t round, unsigned steps)
{
    fleet->healing = false;
    for (unsigned i = 0; i < steps && fleet_is_well(fleet); i++)
        happen(fleet);
    if (!fleet_is_well(fleet))
        return;
    heal(fleet);
    come_to_rest(fleet);
    if (fleet_is_well(fleet))
        sim_settle(fleet->sim);
    if (fleet_is_well(fleet))
        come_to_rest(fleet);
    if (fleet_is_well(fleet))
        sim_rest(fleet->sim);
    if (fleet_is_well(fleet))
        fleet_check_settled(fleet);
    if (fleet_is_well(fleet))
        enjoy(fleet, round);
    if (fleet_is_well(fleet))
        return_all(fleet);
}

bool fleet_run(uint64_t seed, uint32_t nodes, unsigned steps, bool trace,
               struct fleet_result *ret_result, struct buf *wrong)
{
    struct fleet *fleet = fleet_new(seed, nodes);

    sim_trace_live(fleet->sim, trace);
    sim_start(fleet->sim);
    for (uint8_t round = 1; round <= ROUNDS && fleet_is_well(fleet); round++)
        go_round(fleet, round, steps);
    bool well = fleet_is_well(fleet);
    *ret_result =
        (struct fleet_result){ .messages = fleet->passages.len, .hash = sim_hash(fleet->sim) };
    for (uint32_t i = 0; i < fleet->count; i++) {
        ret_result->crashes += fleet->brokers[i].crashes;
        ret_result->hash = hash_mix(ret_result->hash ^ fleet->brokers[i].hash);
    }
    vec_each (&fleet->passages, passage) {
        for (uint32_t i = 0; i < fleet->count; i++) {
            ret_result->crossed += passage->copies[i].place == PLACE_CAME;
            ret_result->lost += passage->copies[i].place == PLACE_LOST;
        }
    }
    buf_append_str(wrong, buf_str(&fleet->ledger.wrong));
    fleet_free(fleet);
    return well;
}
