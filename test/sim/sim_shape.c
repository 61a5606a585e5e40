/* SPDX-License-Identifier: Apache-2.0 */
/* Topologies by name and number. */
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

enum { DELAY_MAX_US = 20000, JITTER_MAX_US = 5000 };

enum sim_shape sim_shape_named(const char *name)
{
    static const char *const names[] = { "ring", "star", "tree", "grid", "full", "random" };

    for (int i = 0; i < SIM_SHAPES; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum sim_shape)i;
    }
    return SIM_SHAPES;
}

static bool has_edge(const struct sim *sim, uint32_t a, uint32_t b)
{
    vec_each (&sim->edges, edge) {
        if ((edge->ends[0] == a && edge->ends[1] == b) ||
            (edge->ends[0] == b && edge->ends[1] == a))
            return true;
    }
    return false;
}

/* An edge, if there is none yet, with random habits: either side dials, or both. */
static void join(struct sim *sim, uint32_t a, uint32_t b)
{
    if (a == b || has_edge(sim, a, b))
        return;
    bool swap = rand_below(&sim->rand, 2);
    sim_add_edge(sim, swap ? b : a, swap ? a : b, rand_below(&sim->rand, 5) == 0);
    struct sim_edge *edge = &sim->edges.at[sim->edges.len - 1];
    edge->delay_us = 100 + rand_below(&sim->rand, DELAY_MAX_US);
    edge->jitter_us = rand_below(&sim->rand, JITTER_MAX_US);
    if (rand_below(&sim->rand, 10) == 0)
        edge->bytes_per_s = 100000;
}

static void join_grid(struct sim *sim, uint32_t count)
{
    uint32_t width = 1;

    while (width * width < count)
        width++;
    for (uint32_t i = 1; i < count; i++) {
        if (i % width)
            join(sim, i - 1, i);
        if (i >= width)
            join(sim, i - width, i);
    }
}

/* A random tree, and as many edges more. */
static void join_random(struct sim *sim, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        join(sim, i, (uint32_t)rand_below(&sim->rand, i));
    for (uint32_t i = 0; i < count; i++)
        join(sim, (uint32_t)rand_below(&sim->rand, count), (uint32_t)rand_below(&sim->rand, count));
}

static void join_all(struct sim *sim, enum sim_shape shape, uint32_t count)
{
    switch (shape) {
    case SIM_RING:
        for (uint32_t i = 0; i < count; i++)
            join(sim, i, (i + 1) % count);
        break;
    case SIM_STAR:
        for (uint32_t i = 1; i < count; i++)
            join(sim, 0, i);
        break;
    case SIM_TREE:
        for (uint32_t i = 1; i < count; i++)
            join(sim, (i - 1) / 2, i);
        break;
    case SIM_GRID: join_grid(sim, count); break;
    case SIM_FULL:
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t j = 0; j < i; j++)
                join(sim, i, j);
        }
        break;
    case SIM_RANDOM:
    case SIM_SHAPES: join_random(sim, count); break;
    }
}

struct sim *sim_new_shape(enum sim_shape shape, uint32_t count, uint64_t seed)
{
    struct sim *sim = sim_new_whole(shape, count, seed, NULL);

    sim_start(sim);
    return sim;
}

struct sim *sim_new_whole(enum sim_shape shape, uint32_t count, uint64_t seed,
                          const struct sim_brokers *brokers)
{
    struct sim *sim = sim_make(seed);
    char name[12];

    sim->brokers = brokers;
    sim->quiet = true;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%u", i);
        sim_add_node(sim, name);
    }
    join_all(sim, shape, count);
    return sim;
}
