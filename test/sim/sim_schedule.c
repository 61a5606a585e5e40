/* SPDX-License-Identifier: Apache-2.0 */
/* Random schedules: things happen one after the other, then all is healed and must be
 * well, round by round. */
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 2, NODES_MAX_RANDOM = 12 };

/* A schedule while it runs. */
struct run {
    struct sim *sim;
    const struct sim_schedule *schedule;
    struct rand rand;
};

static unsigned below(struct run *run, unsigned limit)
{
    return (unsigned)rand_below(&run->rand, limit);
}

static struct sim_node *any_node(struct run *run)
{
    return &run->sim->nodes.at[below(run, (unsigned)run->sim->nodes.len)];
}

static const char *any_text(struct run *run, char *out, bool filter)
{
    static const char *const levels[] = { "a", "b", "c", "+", "#" };
    unsigned depth = 1 + below(run, 4);

    out[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        const char *level = levels[below(run, filter ? 5 : 3)];
        if (*level == '#' && i == 0 && below(run, 4))
            level = "a";
        strcat(strcat(out, i ? "/" : ""), level);
        if (*level == '#')
            break;
    }
    return out;
}

static const char *any_edge(struct run *run, char *out)
{
    const struct sim *sim = run->sim;

    if (sim->edges.len == 0)
        return NULL;
    const struct sim_edge *edge = &sim->edges.at[below(run, (unsigned)sim->edges.len)];
    unsigned end = below(run, 2);
    sprintf(out, "%s-%s", sim->nodes.at[edge->ends[end]].name,
            sim->nodes.at[edge->ends[end ^ 1]].name);
    return out;
}

static void change_wishes(struct run *run)
{
    struct sim_node *node = any_node(run);
    char text[SIM_FILTER_MAX];

    if (!node->mesh)
        return;
    run->sim->still = false;
    if (node->wants.len && below(run, 3) == 0) {
        const struct sim_want *want = &node->wants.at[below(run, (unsigned)node->wants.len)];
        snprintf(text, sizeof text, "%s", want->filter);
        if (want->wanted)
            sim_unsubscribe(run->sim, node->name, text);
        return;
    }
    unsigned burst = below(run, 10) == 0 ? 30 : 1;
    for (unsigned i = 0; i < burst; i++)
        sim_subscribe(run->sim, node->name, any_text(run, text, true), below(run, 3));
}

static void publish(struct run *run)
{
    struct sim_node *node = any_node(run);
    char text[SIM_FILTER_MAX];

    if (!node->mesh)
        return;
    for (unsigned i = 1 + below(run, 8); i-- > 0;)
        sim_publish(run->sim, node->name, any_text(run, text, false));
}

static void change_edge(struct run *run)
{
    char name[32];

    if (!any_edge(run, name))
        return;
    if (run->sim->live)
        printf("[%6u] edge %s changes\n", (unsigned)sim_now_ms(run->sim), name);
    switch (below(run, 7)) {
    case 0: sim_cut(run->sim, name); break;
    case 1: sim_silence(run->sim, name); break;
    case 2: sim_mute(run->sim, name); break;
    case 3:
        sim_tune(run->sim, name, below(run, 300), below(run, 50), below(run, 3) ? 0 : 20000);
        break;
    case 4: /* flaps */
        for (unsigned i = 0; i < 4; i++) {
            sim_cut(run->sim, name);
            sim_run(run->sim, below(run, 400));
            sim_heal(run->sim, name, false);
            sim_run(run->sim, below(run, 400));
        }
        break;
    default: sim_heal(run->sim, name, below(run, 2)); break;
    }
}

static void change_broker(struct run *run)
{
    struct sim_node *node = any_node(run);

    if (run->sim->live)
        printf("[%6u] broker %s %s\n", (unsigned)sim_now_ms(run->sim), node->name,
               node->mesh ? "stops" : "starts");
    if (!node->mesh)
        sim_restart(run->sim, node->name, below(run, 4) > 0);
    else if (below(run, 4) == 0)
        sim_leave(run->sim, node->name);
    else
        sim_crash(run->sim, node->name, below(run, 2));
}

static void one_thing(struct run *run)
{
    unsigned kind = below(run, run->schedule->faults ? 100 : 70);

    if (kind < 35)
        change_wishes(run);
    else if (kind < 70)
        publish(run);
    else if (kind < 88)
        change_edge(run);
    else
        change_broker(run);
    /* Mostly close together, sometimes with time to notice. */
    sim_run(run->sim, below(run, 3) ? below(run, 30) : below(run, 1500));
}

/* Everything works again, but for a few edges that stay cut and brokers that stay away. */
static void heal(struct run *run)
{
    struct sim *sim = run->sim;
    char name[32];

    for (size_t i = 0; i < sim->edges.len; i++) {
        const struct sim_edge *edge = &sim->edges.at[i];
        snprintf(name, sizeof name, "%s-%s", sim->nodes.at[edge->ends[0]].name,
                 sim->nodes.at[edge->ends[1]].name);
        sim_heal(sim, name, below(run, 2));
        if (run->schedule->faults && below(run, 10) == 0)
            sim_cut(sim, name);
        else if (edge->delay_us > 100000 || edge->bytes_per_s)
            sim_tune(sim, name, below(run, 50), below(run, 10), 0);
    }
    vec_each (&sim->nodes, node) {
        if (!node->mesh && below(run, 5))
            sim_restart(sim, node->name, below(run, 4) > 0);
    }
}

struct sim_result sim_schedule_run(const struct sim_schedule *schedule)
{
    struct run run = { .schedule = schedule };
    struct sim_result result = { 0 };

    rand_init(&run.rand, schedule->seed + 1);
    uint32_t count = schedule->nodes ? schedule->nodes : 2 + below(&run, NODES_MAX_RANDOM - 1);
    enum sim_shape shape =
        schedule->shape == SIM_SHAPES ? (enum sim_shape)below(&run, SIM_SHAPES) : schedule->shape;
    struct sim *sim = run.sim = sim_new_shape(shape, count, schedule->seed);
    sim_trace_live(sim, schedule->trace);
    for (unsigned round = 0; round < ROUNDS && !sim_failure(sim); round++) {
        for (uint32_t i = 0; i < schedule->steps && !sim_failure(sim); i++)
            one_thing(&run);
        heal(&run);
        sim_settle(sim);
        if (!sim_failure(sim))
            sim_check_settled(sim);
        if (!sim_failure(sim))
            sim_check_delivery(sim);
    }
    memcpy(result.failure, sim->failure, sizeof result.failure);
    result.hash = sim_hash(sim);
    result.steps = sim_steps(sim);
    result.delivered = sim_delivered(sim);
    sim_free(sim);
    return result;
}
