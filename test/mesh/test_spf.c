/* SPDX-License-Identifier: Apache-2.0 */
/* Shortest paths against the slow and simple way: all pairs after Floyd and Warshall. */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "mesh/lsdb.h"
#include "mesh/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_MAX = 1000, FAR = 1000000 };

static struct node_id id_of(uint32_t number)
{
    /* The order of ids is not that of numbers. */
    uint32_t mixed = number * 2654435761u;
    struct node_id id = { { 0 } };

    for (int i = 0; i < 4; i++)
        id.bytes[i] = (uint8_t)(mixed >> (24 - 8 * i));
    id.bytes[15] = (uint8_t)number;
    return id;
}

/* Give a node an edge; both directions are two calls. */
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

static void fill(struct lsdb *lsdb, uint32_t count)
{
    struct node_id id = id_of(0);
    struct lsdb_node *node;

    memset(lsdb, 0, sizeof *lsdb);
    ck_assert_int_eq(lsdb_init(lsdb, &id, count), ERR_OK);
    for (uint32_t i = 1; i < count; i++) {
        id = id_of(i);
        ck_assert_int_eq(lsdb_need(lsdb, &id, &node), ERR_OK);
        ck_assert_uint_eq(node->index, i);
        node->link = i; /* where the own record lists an edge, there is a link */
    }
}

/* All pairs, where stubs carry nothing. */
static void all_pairs(const struct lsdb *lsdb, uint32_t n, uint32_t *dist)
{
    for (uint32_t i = 0; i < n * n; i++)
        dist[i] = i % (n + 1) ? FAR : 0;
    for (uint32_t a = 0; a < n; a++) {
        const struct lsdb_node *from = lsdb_at(lsdb, a);
        for (uint32_t i = 0; i < from->edge_count; i++) {
            const struct lsdb_node *to = lsdb_at(lsdb, from->edges[i].node);
            for (uint32_t j = 0; j < to->edge_count; j++) {
                if (to->edges[j].node == a)
                    dist[a * n + to->index] = from->edges[i].cost > to->edges[j].cost
                                                  ? from->edges[i].cost
                                                  : to->edges[j].cost;
            }
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t a = 0; a < n && !lsdb_at(lsdb, k)->stub; a++) {
            for (uint32_t b = 0; b < n; b++) {
                if (dist[a * n + k] + dist[k * n + b] < dist[a * n + b])
                    dist[a * n + b] = dist[a * n + k] + dist[k * n + b];
            }
        }
    }
}

static bool has_hop(const struct lsdb_node *node, uint32_t hop)
{
    for (int i = 0; i < node->hop_count; i++) {
        if (node->next_hops[i] == hop)
            return true;
    }
    return false;
}

/* What the own edge to a neighbour costs, FAR when only one end lists it. */
static uint32_t direct(const struct lsdb *lsdb, uint32_t hop)
{
    const struct lsdb_node *self = lsdb_self(lsdb), *node = lsdb_at(lsdb, hop);
    uint32_t there = FAR, back = FAR;

    for (uint32_t i = 0; i < self->edge_count; i++)
        there = self->edges[i].node == hop ? self->edges[i].cost : there;
    for (uint32_t i = 0; i < node->edge_count; i++)
        back = node->edges[i].node == NODE_SELF ? node->edges[i].cost : back;
    return there > back ? there : back;
}

/* A neighbour is a first hop exactly if the way through it is as short as any. */
static void check_hops(const struct lsdb *lsdb, uint32_t n, const uint32_t *dist, uint32_t to)
{
    const struct lsdb_node *self = lsdb_self(lsdb), *node = lsdb_at(lsdb, to);
    uint32_t expected = 0;

    for (uint32_t i = 0; i < self->edge_count; i++) {
        uint32_t hop = self->edges[i].node;
        bool through = hop == to || !lsdb_at(lsdb, hop)->stub;
        bool shortest = through && dist[hop] != FAR && dist[hop * n + to] != FAR &&
                        dist[hop] + dist[hop * n + to] == dist[to] &&
                        direct(lsdb, hop) == dist[hop];
        expected += shortest;
        if (!shortest)
            ck_assert(!has_hop(node, hop));
    }
    ck_assert_uint_eq(node->hop_count, expected < NEXT_HOPS_MAX ? expected : NEXT_HOPS_MAX);
    for (int i = 1; i < node->hop_count; i++)
        ck_assert_uint_lt(lsdb_at(lsdb, node->next_hops[i - 1])->rank,
                          lsdb_at(lsdb, node->next_hops[i])->rank);
}

START_TEST(paths_are_those_of_floyd_and_warshall)
{
    struct rand rand;
    static uint32_t dist[60 * 60];

    rand_init(&rand, 5);
    for (int round = 0; round < 300; round++) {
        struct lsdb lsdb;
        struct spf spf = { 0 };
        uint32_t n = 2 + (uint32_t)rand_below(&rand, 58);
        fill(&lsdb, n);
        for (uint32_t i = 0; i < n; i++)
            lsdb_at(&lsdb, i)->stub = rand_below(&rand, 10) == 0;
        for (uint32_t a = 0; a < n; a++) {
            for (uint32_t b = a + 1; b < n; b++) {
                if (rand_below(&rand, n) >= 3)
                    continue;
                /* Small costs, for many ties; now and then only one end lists it. */
                add_edge(&lsdb, a, b, (uint16_t)(1 + rand_below(&rand, 3)));
                if (rand_below(&rand, 10))
                    add_edge(&lsdb, b, a, (uint16_t)(1 + rand_below(&rand, 3)));
            }
        }
        ck_assert_int_eq(spf_compute(&spf, &lsdb), ERR_OK);
        bool stub = lsdb_self(&lsdb)->stub;
        lsdb_self(&lsdb)->stub = false; /* what it sends itself always goes */
        all_pairs(&lsdb, n, dist);
        lsdb_self(&lsdb)->stub = stub;
        for (uint32_t to = 1; to < n; to++) {
            const struct lsdb_node *node = lsdb_at(&lsdb, to);
            ck_assert_uint_eq(node->dist, dist[to] == FAR ? UINT32_MAX : dist[to]);
            if (dist[to] != FAR)
                check_hops(&lsdb, n, dist, to);
            else
                ck_assert_uint_eq(node->hop_count, 0);
        }
        spf_finish(&spf);
        lsdb_finish(&lsdb);
    }
}
END_TEST

START_TEST(a_thousand_brokers_take_less_than_a_millisecond_or_so)
{
    struct lsdb lsdb;
    struct spf spf = { 0 };
    struct rand rand;
    struct timespec from, to;

    rand_init(&rand, 9);
    fill(&lsdb, N_MAX);
    for (uint32_t a = 1; a < N_MAX; a++) {
        for (int i = 0; i < 2; i++) {
            uint32_t b = (uint32_t)rand_below(&rand, a);
            add_edge(&lsdb, a, b, 10);
            add_edge(&lsdb, b, a, 12);
        }
    }
    spf_compute(&spf, &lsdb);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 20; i++)
        spf_compute(&spf, &lsdb);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double us =
        ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3) / 20;
    printf("spf of %d brokers: %.0f us\n", N_MAX, us);
    ck_assert_double_lt(us, 20000); /* sanitizers and busy machines */
    for (uint32_t i = 1; i < N_MAX; i++)
        ck_assert_uint_ne(lsdb_at(&lsdb, i)->dist, UINT32_MAX);
    spf_finish(&spf);
    lsdb_finish(&lsdb);
}
END_TEST

START_TEST(of_two_brokers_with_one_sid_the_lower_id_has_it)
{
    struct lsdb lsdb;

    fill(&lsdb, 5);
    struct lsdb_node *low = NULL, *high = NULL;
    for (uint32_t i = 1; i < 3; i++) {
        struct lsdb_node *node = lsdb_at(&lsdb, i), *other = lsdb_at(&lsdb, 3 - i);
        if (node_id_compare(&node->id, &other->id) < 0) {
            low = node;
            high = other;
        }
    }
    ck_assert_int_eq(lsdb_set_sid(&lsdb, high, 77), ERR_OK);
    ck_assert_ptr_eq(lsdb_by_sid(&lsdb, 77), high);
    ck_assert_int_eq(lsdb_set_sid(&lsdb, low, 77), ERR_OK);
    ck_assert_ptr_eq(lsdb_by_sid(&lsdb, 77), low);
    ck_assert(high->sid_lost && !low->sid_lost);
    ck_assert_int_eq(lsdb_set_sid(&lsdb, high, 78), ERR_OK);
    ck_assert(!high->sid_lost);
    ck_assert_ptr_eq(lsdb_by_sid(&lsdb, 77), low);
    ck_assert_ptr_eq(lsdb_by_sid(&lsdb, 78), high);
    ck_assert_int_eq(lsdb_set_sid(&lsdb, high, 77), ERR_OK);
    lsdb_remove(&lsdb, low);
    ck_assert_ptr_eq(lsdb_by_sid(&lsdb, 77), high);
    ck_assert(!high->sid_lost);
    ck_assert_uint_eq(lsdb.sid_conflicts, 0);
    lsdb_finish(&lsdb);
}
END_TEST

UNIT_MAIN("mesh/spf", paths_are_those_of_floyd_and_warshall,
          a_thousand_brokers_take_less_than_a_millisecond_or_so,
          of_two_brokers_with_one_sid_the_lower_id_has_it)
