/* SPDX-License-Identifier: Apache-2.0 */
#include "crash.h"

#include "base/err.h"

#include <stdio.h>

static void start(struct crash *crash)
{
    struct mesh_config mesh = { .inc = 1, .boot = 1 };

    mesh.id.bytes[0] = 1;
    broker_start(&crash->broker, &mesh);
    broker_carry(&crash->broker);
}

static void publish(struct crash *crash, struct client *client)
{
    if (rand_below(&crash->rand, 8) == 0)
        client_publish(client, STREAM_RETAINED, 0, 0);
    else if (rand_below(&crash->rand, 8) == 0)
        client_publish(client, STREAM_LOOSE, 0, 0);
    else
        client_publish(client, STREAM_SURE, (uint8_t)(1 + rand_below(&crash->rand, 2)), 0);
}

/* One thing happens. */
static void happen(struct crash *crash)
{
    struct broker *broker = &crash->broker;
    struct client *client = &crash->clients[rand_below(&crash->rand, CLIENTS)];
    unsigned what = (unsigned)rand_below(&crash->rand, 1000);

    if (what < 2 || broker->disk_failed) {
        broker_crash(broker);
        broker->now_ms += rand_below(&crash->rand, 5000);
        start(crash);
    } else if (what < 8) {
        if (client->conn)
            client_cut(client);
    } else if (what < 100) {
        if (!client->conn)
            client_connect(client);
    } else if (what < 200) {
        if (client - crash->clients < PUBLISHERS)
            publish(crash, client);
    } else if (what < 450) {
        client_hear(client);
    } else if (what < 700) {
        client_speak(client);
    } else if (what < 970) {
        broker_store(broker, &crash->rand);
    } else if (what < 995) {
        broker->now_ms += rand_below(&crash->rand, 300);
        broker_step(broker, (struct core_event){ .kind = CORE_TICK });
    } else {
        broker_trouble(broker, &crash->rand);
    }
}

/* Everybody comes back, and all that is on its way arrives. */
static void settle(struct crash *crash)
{
    enum { ROUNDS_MAX = 20000 };
    struct broker *broker = &crash->broker;
    bool busy = true;

    vdisk_fail(&broker->vdisk, 0, 0, 0, ERR_OK);
    if (broker->disk_failed) {
        broker_crash(broker);
        start(crash);
    }
    for (int round = 0; busy; round++) {
        if (round == ROUNDS_MAX) {
            ledger_wrong(&crash->ledger, "it does not come to rest");
            return;
        }
        busy = !broker_is_idle(broker);
        broker->now_ms += 600;
        broker_step(broker, (struct core_event){ .kind = CORE_TICK });
        for (size_t i = 0; i < CLIENTS; i++) {
            struct client *client = &crash->clients[i];
            if (!client->conn) {
                client_connect(client);
                busy = true;
            }
            while (client_hear(client) || client_speak(client))
                busy = true;
        }
    }
}

static void make_clients(struct crash *crash)
{
    static const char *const names[CLIENTS] = { "ann", "bob", "cat", "dan" };

    crash->ledger.author_count = CLIENTS;
    crash->broker.clients = crash->clients;
    crash->broker.client_count = CLIENTS;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *client = &crash->clients[i];
        snprintf(crash->ledger.authors[i].name, NAME_CHARS, "%s", names[i]);
        *client = (struct client){
            .author = &crash->ledger.authors[i], .broker = &crash->broker, .index = i, .kept = true
        };
        client_wants(client, "m/#", 2);
        client_wants(client, "q/#", 0);
        client_wants(client, "will/#", 1);
    }
}

bool crash_run(struct crash *crash, uint64_t seed, unsigned steps)
{
    *crash = (struct crash){ .ledger.seed = seed };
    rand_init(&crash->rand, seed);
    broker_init(&crash->broker, &crash->ledger, seed);
    crash->broker.now_ms = 1000000;
    make_clients(crash);
    start(crash);
    for (unsigned i = 0; i < steps && crash->ledger.wrong.len == 0; i++)
        happen(crash);
    if (crash->ledger.wrong.len == 0)
        settle(crash);
    if (crash->ledger.wrong.len == 0)
        promise_check(&crash->broker);
    return crash->ledger.wrong.len == 0;
}

void crash_finish(struct crash *crash)
{
    for (size_t i = 0; i < CLIENTS; i++)
        client_finish(&crash->clients[i]);
    broker_finish(&crash->broker);
    buf_finish(&crash->ledger.wrong);
}
