/* SPDX-License-Identifier: Apache-2.0 */
/* Making a simulation, running it, and what tests do with it by name. */
#include "sim_state.h"

#include "base/hash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLE_MS = 16000, REST_MS = 1500, REST_ROUNDS = 40, GOODBYE_US = 20000 };

void *sim_need(void *memory)
{
    if (!memory) {
        fputs("the simulator is out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* ---- making ---- */

struct sim *sim_make(uint64_t seed)
{
    struct sim *sim = sim_need(calloc(1, sizeof *sim));

    sim->seed = seed;
    rand_init(&sim->rand, seed);
    return sim;
}

uint32_t sim_node_named(const struct sim *sim, const char *name)
{
    for (uint32_t i = 0; i < sim->nodes.len; i++) {
        if (strcmp(sim->nodes.at[i].name, name) == 0)
            return i;
    }
    return UINT32_MAX;
}

uint32_t sim_add_node(struct sim *sim, const char *name)
{
    uint32_t index = sim_node_named(sim, name);

    if (index != UINT32_MAX)
        return index;
    index = (uint32_t)sim->nodes.len;
    struct sim_node *node = sim_need(vec_push(&sim->nodes));
    snprintf(node->name, sizeof node->name, "%s", name);
    for (uint32_t i = 0; i < NODE_ID_LEN; i++)
        node->id.bytes[i] = (uint8_t)(hash_mix(sim->seed * 31 + index) >> (i % 8 * 8));
    node->id.bytes[15] = (uint8_t)index;
    node->id.bytes[14] = (uint8_t)(index >> 8);
    node->skew_ms = rand_below(&sim->rand, 7200000);
    return index;
}

void sim_add_edge(struct sim *sim, uint32_t a, uint32_t b, bool both_dial)
{
    uint32_t number = (uint32_t)sim->edges.len;
    struct sim_edge *edge = sim_need(vec_push(&sim->edges));

    edge->ends[0] = a;
    edge->ends[1] = b;
    edge->delay_us = 1000;
    for (uint8_t end = 0; end < (both_dial ? 2 : 1); end++) {
        struct sim_seed *seed = sim_need(vec_push(&sim->nodes.at[edge->ends[end]].seeds));
        seed->edge = number;
        seed->end = end;
    }
    for (uint8_t end = 0; end < 2; end++)
        *(uint32_t *)sim_need(vec_push(&sim->nodes.at[edge->ends[end]].edges)) = number;
}

void sim_start(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->nodes.len; i++)
        sim_node_start(sim, i, true);
}

struct sim *sim_new(const char *topology, uint64_t seed)
{
    struct sim *sim = sim_make(seed);
    char word[32];
    int used;

    while (sscanf(topology, "%31s%n", word, &used) == 1) {
        char *mark = strpbrk(word, "-=");
        bool both = mark && *mark == '=';
        topology += used;
        if (mark)
            *mark = '\0';
        uint32_t a = sim_add_node(sim, word);
        if (mark)
            sim_add_edge(sim, a, sim_add_node(sim, mark + 1), both);
    }
    sim_start(sim);
    return sim;
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    mesh_out_finish(&sim->out);
    vec_each (&sim->nodes, node) {
        if (!sim->brokers)
            mesh_free(node->mesh);
        vec_finish(&node->seeds);
        vec_finish(&node->edges);
        vec_finish(&node->links);
        vec_finish(&node->wants);
        vec_finish(&node->versions);
    }
    vec_each (&sim->conns, conn)
        free(*conn);
    vec_each (&sim->queue, event)
        free(event->bytes);
    vec_each (&sim->held, event)
        free(event->bytes);
    vec_each (&sim->messages, message) {
        free(message->got);
        free(message->want);
    }
    vec_finish(&sim->nodes);
    vec_finish(&sim->edges);
    vec_finish(&sim->conns);
    vec_finish(&sim->queue);
    vec_finish(&sim->held);
    vec_finish(&sim->messages);
    buf_finish(&sim->trace);
    buf_finish(&sim->shown);
    free(sim);
}

/* ---- trace and failure ---- */

void sim_say(struct sim *sim, const struct sim_node *node, const char *format, ...)
{
    char line[256];
    va_list args;

    if (sim->quiet && !sim->live)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (sim->live)
        printf("[%6" PRIu64 "] %s > %s\n", sim->now_us / 1000, node->name, line);
    if (!sim->quiet)
        buf_printf(&sim->trace, "[%4" PRIu64 "] %s > %s\n",
                   (sim->now_us - sim->trace_from_us) / 1000, node->name, line);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    int n;

    if (sim->failure[0])
        return;
    n = snprintf(sim->failure, sizeof sim->failure, "at %" PRIu64 " ms: ", sim->now_us / 1000);
    va_start(args, format);
    vsnprintf(sim->failure + n, sizeof sim->failure - (size_t)n, format, args);
    va_end(args);
    if (sim->live)
        printf("FAILED %s\n", sim->failure);
}

const char *sim_trace(struct sim *sim)
{
    struct buf shown = sim->shown;

    buf_append_u8(&sim->trace, 0);
    sim->shown = sim->trace;
    sim->trace = shown;
    buf_clear(&sim->trace);
    sim->trace_from_us = sim->now_us;
    return (const char *)sim->shown.data;
}

void sim_trace_live(struct sim *sim, bool on)
{
    sim->live = on;
}

const char *sim_failure(const struct sim *sim)
{
    return sim->failure[0] ? sim->failure : NULL;
}

uint64_t sim_hash(const struct sim *sim)
{
    return sim->hash;
}

uint64_t sim_steps(const struct sim *sim)
{
    return sim->steps;
}

uint64_t sim_delivered(const struct sim *sim)
{
    return sim->delivered;
}

/* ---- time ---- */

void sim_run(struct sim *sim, uint64_t ms)
{
    uint64_t until_us = sim->now_us + ms * 1000;
    struct sim_event event;

    while (!sim->failure[0] && sim_pop(sim, until_us, &event)) {
        sim->now_us = event.time_us;
        if (event.kind >= SIM_TICK)
            sim_node_handle(sim, &event);
        else
            sim_net_handle(sim, &event);
        free(event.bytes);
    }
    sim->now_us = until_us;
}

void sim_rest(struct sim *sim)
{
    uint64_t before, now;
    int rounds = 0;

    do {
        before = sim_databases(sim);
        sim_run(sim, REST_MS);
        now = sim_databases(sim);
    } while (now != before && ++rounds < REST_ROUNDS);
}

void sim_settle(struct sim *sim)
{
    sim_run(sim, SETTLE_MS);
    sim_rest(sim);
}

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_us / 1000;
}

/* ---- by name ---- */

static uint32_t running(struct sim *sim, const char *broker)
{
    uint32_t index = sim_node_named(sim, broker);

    assert(index != UINT32_MAX && sim->nodes.at[index].mesh);
    return index;
}

void sim_subscribe(struct sim *sim, const char *broker, const char *filter, unsigned qos)
{
    sim->still = false;
    sim_node_want(sim, running(sim, broker), filter, qos, qos > 0, true);
}

void sim_unsubscribe(struct sim *sim, const char *broker, const char *filter)
{
    sim->still = false;
    sim_node_want(sim, running(sim, broker), filter, 0, false, false);
}

void sim_publish(struct sim *sim, const char *broker, const char *topic)
{
    sim_node_publish(sim, running(sim, broker), topic);
}

void sim_crash(struct sim *sim, const char *broker, bool power_lost)
{
    uint32_t index = running(sim, broker);

    sim->still = false;
    sim->nodes.at[index].host_up = !power_lost;
    sim_net_forget(sim, index, !power_lost);
    sim_node_stop(sim, index);
}

void sim_leave(struct sim *sim, const char *broker)
{
    uint32_t index = running(sim, broker);
    struct mesh_event bye = { .kind = MESH_SHUTDOWN };

    sim->still = false;
    sim_node_step(sim, index, &bye);
    sim_push(sim, (struct sim_event){ .time_us = sim->now_us + GOODBYE_US,
                                      .kind = SIM_GONE,
                                      .node = index,
                                      .life = sim->nodes.at[index].life });
}

void sim_restart(struct sim *sim, const char *broker, bool disk)
{
    uint32_t index = sim_node_named(sim, broker);

    sim->still = false;
    assert(index != UINT32_MAX);
    sim_node_start(sim, index, disk);
}

/* The edge named "a-b", and which of its ends is a. */
static struct sim_edge *edge_named(struct sim *sim, const char *name, unsigned *ret_end)
{
    char word[32];

    snprintf(word, sizeof word, "%s", name);
    char *mark = strchr(word, '-');
    assert(mark);
    *mark = '\0';
    uint32_t a = sim_node_named(sim, word), b = sim_node_named(sim, mark + 1);
    vec_each (&sim->edges, edge) {
        for (unsigned end = 0; end < 2; end++) {
            *ret_end = end;
            if (edge->ends[end] == a && edge->ends[end ^ 1] == b)
                return edge;
        }
    }
    assert(!"no such edge");
    return NULL;
}

void sim_cut(struct sim *sim, const char *name)
{
    unsigned end;
    struct sim_edge *edge = edge_named(sim, name, &end);

    sim->still = false;
    edge->cut = true;
    sim_net_reset(sim, (uint32_t)(edge - sim->edges.at));
}

void sim_silence(struct sim *sim, const char *name)
{
    unsigned end;
    struct sim_edge *edge = edge_named(sim, name, &end);

    sim->still = false;
    edge->mute[0] = edge->mute[1] = true;
}

void sim_mute(struct sim *sim, const char *name)
{
    unsigned end;
    struct sim_edge *edge = edge_named(sim, name, &end);

    sim->still = false;
    edge->mute[end] = true;
}

void sim_heal(struct sim *sim, const char *name, bool reset)
{
    unsigned end;
    struct sim_edge *edge = edge_named(sim, name, &end);
    bool silent = edge->mute[0] || edge->mute[1];

    sim->still = false;
    if (reset && silent)
        sim_net_reset(sim, (uint32_t)(edge - sim->edges.at));
    edge->cut = edge->mute[0] = edge->mute[1] = false;
    sim_net_release(sim);
}

void sim_tune(struct sim *sim, const char *name, uint32_t delay_ms, uint32_t jitter_ms,
              uint32_t bytes_per_s)
{
    unsigned end;
    struct sim_edge *edge = edge_named(sim, name, &end);

    sim->still = false;
    edge->delay_us = delay_ms * 1000;
    edge->jitter_us = jitter_ms * 1000;
    edge->bytes_per_s = bytes_per_s;
}
