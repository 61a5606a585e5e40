/* SPDX-License-Identifier: Apache-2.0 */
#include "crash.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

void crash_wrong(struct crash *crash, const char *format, ...)
{
    char text[400];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buf_printf(&crash->wrong, "seed %llu: %s\n", (unsigned long long)crash->seed, text);
}

/* The disk has no room for a while, or fails to sync once. */
static void trouble(struct crash *crash)
{
    uint64_t after = rand_below(&crash->rand, 20), times = 1 + rand_below(&crash->rand, 5);

    crash->vdisk.short_writes = rand_below(&crash->rand, 2) == 0;
    if (rand_below(&crash->rand, 3) == 0)
        vdisk_fail(&crash->vdisk, VDISK_SYNC, after, 1, ERR_IO);
    else
        vdisk_fail(&crash->vdisk, VDISK_CREATE | VDISK_ALLOCATE | VDISK_WRITE, after, times,
                   ERR_LIMIT);
}

/* One thing happens. */
static void happen(struct crash *crash)
{
    struct client *client = &crash->clients[rand_below(&crash->rand, CLIENTS)];
    unsigned what = (unsigned)rand_below(&crash->rand, 1000);

    if (what < 2 || crash->disk_failed) {
        broker_crash(crash);
        crash->now_ms += rand_below(&crash->rand, 5000);
        broker_start(crash);
    } else if (what < 8) {
        if (client->conn)
            client_cut(crash, client);
    } else if (what < 100) {
        if (!client->conn)
            client_connect(crash, client);
    } else if (what < 200) {
        if (client - crash->clients < PUBLISHERS)
            client_publish(crash, client);
    } else if (what < 450) {
        client_hear(crash, client);
    } else if (what < 700) {
        client_speak(crash, client);
    } else if (what < 970) {
        broker_store(crash);
    } else if (what < 995) {
        crash->now_ms += rand_below(&crash->rand, 300);
        broker_step(crash, (struct core_event){ .kind = CORE_TICK });
    } else {
        trouble(crash);
    }
}

/* Everybody comes back, and all that is on its way arrives. */
static void settle(struct crash *crash)
{
    enum { ROUNDS_MAX = 20000 };
    bool busy = true;

    vdisk_fail(&crash->vdisk, 0, 0, 0, ERR_OK);
    if (crash->disk_failed) {
        broker_crash(crash);
        broker_start(crash);
    }
    for (int round = 0; busy; round++) {
        if (round == ROUNDS_MAX) {
            crash_wrong(crash, "it does not come to rest");
            return;
        }
        busy = !broker_is_idle(crash);
        crash->now_ms += 600;
        broker_step(crash, (struct core_event){ .kind = CORE_TICK });
        for (size_t i = 0; i < CLIENTS; i++) {
            struct client *client = &crash->clients[i];
            if (!client->conn) {
                client_connect(crash, client);
                busy = true;
            }
            while (client_hear(crash, client) || client_speak(crash, client))
                busy = true;
        }
    }
}

static void check_subscriber(struct crash *crash, const struct client *client)
{
    for (size_t p = 0; p < PUBLISHERS; p++) {
        const struct client *from = &crash->clients[p];
        for (uint32_t n = client->since[p]; client->since[p] && n <= from->sent; n++) {
            if (from->acked_of[n] && client->from[p].times[n] == 0)
                crash_wrong(crash, "%s has lost %u of %s, QoS %u", client->name, n, from->name,
                            from->qos_of[n]);
        }
    }
}

static void check_retained(struct crash *crash, const struct client *from)
{
    uint32_t value = crash->retained[from - crash->clients];

    if ((value < from->retained_acked && !from->retained_refused) || value > from->retained_sent)
        crash_wrong(crash, "%s retained %u, acknowledged was %u", from->name, value,
                    from->retained_acked);
}

static void check(struct crash *crash)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct client *client = &crash->clients[i];
        check_subscriber(crash, client);
        if (client->flight_count)
            crash_wrong(crash, "%s waits for answers", client->name);
        if (client->mourned > client->will_seen)
            crash_wrong(crash, "the will of %s, life %u, was never sent", client->name,
                        client->mourned);
    }
    client_look(crash);
    for (size_t i = 0; i < PUBLISHERS; i++)
        check_retained(crash, &crash->clients[i]);
}

bool crash_run(struct crash *crash, uint64_t seed, unsigned steps)
{
    static const char *const names[CLIENTS] = { "ann", "bob", "cat", "dan" };

    *crash = (struct crash){ .seed = seed, .now_ms = 1000000 };
    vdisk_init(&crash->vdisk, seed);
    crash->tables = tables_mem_new(true);
    rand_init(&crash->rand, seed);
    for (size_t i = 0; i < CLIENTS; i++)
        crash->clients[i].name = names[i];
    broker_start(crash);
    for (unsigned i = 0; i < steps && crash->wrong.len == 0; i++)
        happen(crash);
    if (crash->wrong.len == 0)
        settle(crash);
    if (crash->wrong.len == 0)
        check(crash);
    return crash->wrong.len == 0;
}

void crash_finish(struct crash *crash)
{
    for (size_t i = 0; i < CLIENTS; i++)
        client_lose_lines(&crash->clients[i]);
    store_close(crash->store);
    tables_mem_free(crash->tables);
    vdisk_finish(&crash->vdisk);
    node_out_finish(&crash->out);
    node_free(crash->node);
    buf_finish(&crash->wrong);
}
