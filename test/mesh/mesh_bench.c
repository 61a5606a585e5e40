/* SPDX-License-Identifier: Apache-2.0 */
/* What the mesh's own work costs, by CPU time: paths of a thousand brokers, and a message
 * of 64 bytes where it enters, passes and ends. And what an idle mesh holds. A program to
 * run by hand, not a test:
 *
 *     ninja -C build test/mesh/mesh_bench && build/test/mesh/mesh_bench */
#include "base/hash.h"
#include "base/rand.h"
#include "mesh/mesh.h"
#include "mesh/spf.h"
#include "mesh/state.h"
#include "mqtt/message.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 1000, SPF_RUNS = 200, MESSAGES = 1000000, TURN = 100, PAYLOAD = 64 };

static double cpu_us(void)
{
    struct timespec at;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

/* ---- paths ---- */

static void add_edge(struct lsdb *lsdb, uint32_t from, uint32_t to, uint16_t cost)
{
    struct lsdb_node *node = lsdb_at(lsdb, from);

    node->edges = realloc(node->edges, (node->edge_count + 1) * sizeof node->edges[0]);
    uint32_t at = node->edge_count++;
    for (; at > 0 && node_id_compare(&node->edges[at - 1].id, &lsdb_at(lsdb, to)->id) > 0; at--)
        node->edges[at] = node->edges[at - 1];
    node->edges[at] =
        (struct lsdb_edge){ .id = lsdb_at(lsdb, to)->id, .node = NODE_NONE, .cost = cost };
    node->edges_open = true;
}

static void join(struct lsdb *lsdb, uint32_t a, uint32_t b)
{
    add_edge(lsdb, a, b, 10);
    add_edge(lsdb, b, a, 12);
}

static void bench_spf(bool star)
{
    struct lsdb lsdb = { 0 };
    struct spf spf = { 0 };
    struct rand rand;
    struct lsdb_node *node;

    rand_init(&rand, 9);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node_id id = { { (uint8_t)(i * 37), (uint8_t)(i >> 8), (uint8_t)i } };
        if (i == 0)
            lsdb_init(&lsdb, &id, NODES);
        else
            lsdb_need(&lsdb, &id, &node);
        lsdb_at(&lsdb, i)->link = i; /* where there is an edge, there is a link */
    }
    for (uint32_t a = 1; a < NODES; a++) {
        for (int i = 0; i < 2 && !star; i++)
            join(&lsdb, a, (uint32_t)rand_below(&rand, a));
        if (star && a != 1)
            join(&lsdb, a, 1);
    }
    if (star)
        join(&lsdb, 0, 1);
    spf_compute(&spf, &lsdb);
    double from = cpu_us();
    for (int i = 0; i < SPF_RUNS; i++)
        spf_compute(&spf, &lsdb);
    printf("spf of %d brokers, %-10s %8.1f us\n", NODES, star ? "a star" : "random",
           (cpu_us() - from) / SPF_RUNS);
    spf_finish(&spf);
    lsdb_finish(&lsdb);
}

/* ---- messages: a - b - c, and a turn of the caller after every hundred ---- */

static uint64_t now_ms = 1000;
static struct mesh *meshes[3];
static struct mesh_out outs[3];
static double spent_us[3];

static void step(int node, struct mesh_event event)
{
    event.now_ms = now_ms;
    event.now_us = now_ms * 1000;
    double from = cpu_us();
    mesh_step(meshes[node], &event, &outs[node]);
    spent_us[node] += cpu_us() - from;
}

/* Link 1 of a leads to link 1 of b, link 2 of b to link 1 of c. */
static void carry(int node)
{
    vec_each (&outs[node].actions, action) {
        if (action->kind != MESH_SEND)
            continue;
        int to = node == 1 ? (action->link == 1 ? 0 : 2) : 1;
        step(to, (struct mesh_event){
                     .kind = MESH_LINK_RX,
                     .link = node == 2 ? 2 : 1,
                     .bytes = { (char *)outs[node].bytes.data + action->at, action->len } });
    }
    mesh_out_clear(&outs[node]);
}

static void turn(void)
{
    for (int i = 0; i < 3; i++) {
        for (link_id link = 1; link <= (i == 1 ? 2 : 1); link++)
            step(i, (struct mesh_event){
                        .kind = MESH_LINK_WRITABLE, .link = link, .room = MESH_LINK_ROOM });
        step(i, (struct mesh_event){ .kind = MESH_FLUSH });
        carry(i);
    }
}

static void bench_messages(void)
{
    struct str seed = STR("ws://next");
    char payload[PAYLOAD] = { 0 };
    uint64_t before = 0;

    for (int i = 0; i < 3; i++) {
        struct mesh_config config = { .inc = 1,
                                      .boot = 10 + (uint64_t)i,
                                      .seeds = &seed,
                                      .seed_count = i < 2,
                                      .name = STR("bench") };
        config.id.bytes[0] = (uint8_t)(i + 1);
        meshes[i] = mesh_new(&config, now_ms);
    }
    step(0, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 1, .seed = 0 });
    step(1, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 1, .seed = MESH_ACCEPTED });
    step(1, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 2, .seed = 0 });
    step(2, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 1, .seed = MESH_ACCEPTED });
    step(2, (struct mesh_event){ .kind = MESH_INTEREST,
                                 .interest = { .filter = STR("t/#"), .wanted = true } });
    for (int i = 0; i < 2000; i++, now_ms++)
        turn();
    before = mesh_stats(meshes[2]).delivered;
    memset(spent_us, 0, sizeof spent_us);
    struct message *message =
        message_new(STR("t/1"), STR(""), (struct str){ payload, sizeof payload });
    message->expires_ms = MESSAGE_NEVER;
    message->topic_hash = hash_fast(1, "t/1", 3);
    for (int i = 0; i < MESSAGES; i += TURN) {
        /* The clock is read once for the batch: it costs more than a publish. */
        struct mesh_event event = {
            .kind = MESH_PUBLISH, .now_ms = now_ms, .now_us = now_ms * 1000, .message = message
        };
        double from = cpu_us();
        for (int k = 0; k < TURN; k++)
            mesh_step(meshes[0], &event, &outs[0]);
        spent_us[0] += cpu_us() - from;
        turn();
    }
    turn();
    static const char *const what[] = { "publish", "transit", "deliver" };
    for (int i = 0; i < 3; i++)
        printf("%s of %d bytes %28.1f ns\n", what[i], PAYLOAD, spent_us[i] * 1000 / MESSAGES);
    if (mesh_stats(meshes[2]).delivered - before != MESSAGES)
        printf("but only %d arrived\n", (int)(mesh_stats(meshes[2]).delivered - before));
    message_unref(message);
    for (int i = 0; i < 3; i++) {
        mesh_out_finish(&outs[i]);
        mesh_free(meshes[i]);
    }
}

/* ---- memory ---- */

static void bench_memory(void)
{
    enum { COUNT = 100 };
    struct mesh_config config = { .inc = 1, .name = STR("bench") };
    struct mesh *idle[COUNT];
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

    for (int i = 0; i < COUNT; i++) {
        config.id.bytes[0] = (uint8_t)(i + 1);
        idle[i] = mesh_new(&config, now_ms);
    }
    printf("an idle mesh %37zu B\n", (mallinfo2().uordblks + mallinfo2().hblkhd - before) / COUNT);
    for (int i = 0; i < COUNT; i++)
        mesh_free(idle[i]);
}

int main(void)
{
    bench_spf(false);
    bench_spf(true);
    bench_messages();
    bench_memory();
    return 0;
}
