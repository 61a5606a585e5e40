/* SPDX-License-Identifier: Apache-2.0 */
/* What very many filters cost a mesh: a broker whose clients want them, and its neighbour. Bytes
 * of heap a filter at both, CPU time a filter, and the longest step, when the wishes come before
 * the link, after it, all go, and when a # comes and goes. A program to run by hand:
 *
 *     ninja -C build test/mesh/interest_bench && build/test/mesh/interest_bench 1000000 */
#include "mesh/mesh.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ms = 1000;
static struct mesh *meshes[2];
static struct mesh_out outs[2];
static double longest_us[2], spent_us[2];

static double cpu_us(void)
{
    struct timespec at;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void step(int node, struct mesh_event event)
{
    event.now_ms = now_ms;
    event.now_us = now_ms * 1000;
    double from = cpu_us();
    mesh_step(meshes[node], &event, &outs[node]);
    double took = cpu_us() - from;
    spent_us[node] += took;
    if (took > longest_us[node])
        longest_us[node] = took;
}

static void carry(int node)
{
    vec_each (&outs[node].actions, action) {
        if (action->kind == MESH_CLOSE)
            printf("closed: %.*s\n", (int)action->len, (char *)outs[node].bytes.data + action->at);
        if (action->kind == MESH_SEND)
            step(!node, (struct mesh_event){
                            .kind = MESH_LINK_RX,
                            .link = 1,
                            .bytes = { (char *)outs[node].bytes.data + action->at, action->len } });
    }
    mesh_out_clear(&outs[node]);
}

/* A millisecond: each sends what it has, and is told what came. */
static void turn(void)
{
    for (int i = 0; i < 2; i++) {
        step(i,
             (struct mesh_event){ .kind = MESH_LINK_WRITABLE, .link = 1, .room = MESH_LINK_ROOM });
        step(i, (struct mesh_event){ .kind = MESH_FLUSH });
        carry(i);
    }
    now_ms++;
}

static struct str filter_at(char *out, unsigned i)
{
    if (i % 10 == 3)
        return (struct str){ out, (size_t)sprintf(out, "plant/%u/dev%u/+", i % 97, i) };
    if (i % 10 == 7)
        return (struct str){ out, (size_t)sprintf(out, "+/+/dev%u/#", i) };
    return (struct str){ out, (size_t)sprintf(out, "plant/%u/dev%u/temp", i % 97, i) };
}

static void wish(struct str filter, bool wanted)
{
    step(0, (struct mesh_event){ .kind = MESH_INTEREST,
                                 .interest = { .filter = filter, .wanted = wanted } });
}

/* Filters that a node knows a to want. */
static size_t known(int node)
{
    struct mesh_node_view view;
    size_t cursor = 0;

    while (mesh_next_node(meshes[node], &cursor, &view)) {
        if (view.id.bytes[0] == 1)
            return view.filters;
    }
    return 0;
}

static uint64_t begun_ms;

static void begin(void)
{
    memset(longest_us, 0, sizeof longest_us);
    memset(spent_us, 0, sizeof spent_us);
    begun_ms = now_ms;
}

static void report(const char *what, double count)
{
    printf("%-34s a: %6.2f us a filter, longest %8.0f us   b: %6.2f, %8.0f   %6u turns\n", what,
           spent_us[0] / count, longest_us[0], spent_us[1] / count, longest_us[1],
           (unsigned)(now_ms - begun_ms));
}

/* Until both know that many, or all is quiet. */
static void settle(size_t count)
{
    for (int i = 0; i < 60000 && (known(0) != count || known(1) != count); i++)
        turn();
    if (known(1) != count)
        printf("but b knows %zu\n", known(1));
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
    struct str seed = STR("ws://next");
    char text[64];

    for (int i = 0; i < 2; i++) {
        struct mesh_config config = { .inc = 1,
                                      .boot = (uint64_t)(10 + i) << 32,
                                      .seeds = &seed,
                                      .seed_count = i == 0,
                                      .name = STR("bench"),
                                      .filters_max = 20000000 };
        config.id.bytes[0] = (uint8_t)(i + 1);
        meshes[i] = mesh_new(&config, now_ms);
    }
    size_t before = heap();
    begin();
    for (unsigned i = 0; i < count; i++)
        wish(filter_at(text, i), true);
    report("wishes", count);
    begin();
    for (size_t last = 1; known(0) != last || known(0) < count / 2;) {
        last = known(0);
        for (int i = 0; i < 20; i++)
            turn();
    }
    report("told, without a link", count);
    size_t told = known(0);
    malloc_trim(0);
    printf("heap at a: %.1f B a filter\n", (double)(heap() - before) / count);
    before = heap();
    begin();
    step(0, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 1, .seed = 0 });
    step(1, (struct mesh_event){ .kind = MESH_LINK_UP, .link = 1, .seed = MESH_ACCEPTED });
    settle(told);
    report("a link, a snapshot", count);
    for (int i = 0; i < 100; i++)
        turn();
    printf("heap at b: %.1f B a filter\n", (double)(heap() - before) / count);
    begin();
    wish(STR("#"), true);
    settle(1);
    report("# comes", count);
    begin();
    wish(STR("#"), false);
    settle(told);
    report("# goes", count);
    begin();
    for (unsigned i = 0; i < count; i++)
        wish(filter_at(text, i), false);
    report("no wishes", count);
    begin();
    settle(0);
    for (int i = 0; i < 3000; i++)
        turn();
    report("all untold", count);
    for (int i = 0; i < 2; i++) {
        mesh_out_finish(&outs[i]);
        mesh_free(meshes[i]);
    }
    return 0;
}
