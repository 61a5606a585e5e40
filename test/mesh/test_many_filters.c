/* SPDX-License-Identifier: Apache-2.0 */
/* Very many filters: they take little memory, and no turn works on more of them than a piece,
 * whatever happens. MESH.md 3.4, 3.5. */
#include "unit.h"
#include "world.h"

#include "mesh/state.h"

#include <stdio.h>

enum { A, B, C };
/* Changes that come in one bundle of 16 KiB are applied in one step. */
enum { PIECE = 100, BUNDLE = 800, MANY = 3000, TEXT = 48 };

static void small_pieces(int node, struct mesh_config *config)
{
    (void)node;
    config->interest_piece = PIECE;
    config->interest_linger_ms = 50;
}

static const char *filter_at(char *out, unsigned i)
{
    sprintf(out, "plant/%u/dev%u/temp", i % 7, i);
    return out;
}

static void want(struct world *world, int node, unsigned from, unsigned to, bool wanted)
{
    char text[TEXT];

    for (unsigned i = from; i < to; i++) {
        if (wanted)
            world_subscribe(world, node, filter_at(text, i));
        else
            world_unsubscribe(world, node, filter_at(text, i));
    }
}

static size_t filters(struct world *world, int at, int of)
{
    struct mesh_node_view view;

    return world_view(world, at, of, &view) ? view.filters : 0;
}

static size_t pairs(const struct world *world, int node)
{
    return interest_index_stats(world->nodes[node].mesh->index).pairs;
}

static size_t apart(size_t a, size_t b)
{
    return a < b ? b - a : a - b;
}

/* What a broker has told may not change by more than a piece in a step, nor what its index
 * holds, but for what a bundle brings. */
static struct world *watched;
static size_t told_before[WORLD_NODES], pairs_before[WORLD_NODES];
static size_t told_most, pairs_most;

static void watch(bool before)
{
    for (int i = 0; i < watched->count; i++) {
        struct mesh *mesh = watched->nodes[i].mesh;
        size_t told = mesh ? local_interest_told(mesh->local) : 0;
        size_t held = mesh ? pairs(watched, i) : 0;
        if (!before) {
            size_t told_by = apart(told, told_before[i]), held_by = apart(held, pairs_before[i]);
            told_most = told_by > told_most ? told_by : told_most;
            pairs_most = held_by > pairs_most ? held_by : pairs_most;
        }
        told_before[i] = told;
        pairs_before[i] = held;
    }
}

static struct world *watched_world(int count)
{
    watched = world_new(count, small_pieces);
    watched->around = watch;
    told_most = pairs_most = 0;
    return watched;
}

static void finish(struct world *world, size_t pairs_max)
{
    ck_assert(!world->failed);
    ck_assert_uint_gt(told_most, 0);
    ck_assert_uint_le(told_most, PIECE);
    ck_assert_uint_gt(pairs_most, 0);
    ck_assert_uint_le(pairs_most, pairs_max);
    world_free(world);
}

START_TEST(a_broker_that_joins_with_many_filters_tells_them_in_pieces)
{
    struct world *world = watched_world(2);
    int link = world_join(world, A, B);

    want(world, A, 0, MANY, true);
    /* The neighbour is in step when it knows them all, and not before. */
    for (int i = 0; i < 2000 && world_link_state(world, link, 1) != LINK_FULL; i++)
        world_run(world, 1);
    ck_assert_uint_eq(filters(world, B, A), MANY);
    ck_assert_uint_eq(pairs(world, B), MANY);
    world_run(world, 20);
    ck_assert(world_agrees(world));
    finish(world, BUNDLE);
}
END_TEST

START_TEST(a_snapshot_of_many_filters_is_installed_in_pieces)
{
    struct world *world = watched_world(2);

    want(world, A, 0, MANY, true);
    world_run(world, 40000); /* the changes that led to it are not remembered any more */
    ck_assert_uint_eq(filters(world, A, A), MANY);
    world_join(world, A, B);
    for (int i = 0; i < 2000 && filters(world, B, A) != MANY; i++) {
        ck_assert_uint_eq(filters(world, B, A), 0); /* all or nothing */
        world_run(world, 1);
    }
    ck_assert_uint_eq(filters(world, B, A), MANY);
    world_run(world, 50);
    ck_assert(world_agrees(world));
    finish(world, PIECE);
}
END_TEST

START_TEST(changes_that_come_while_a_snapshot_does_follow_on_it)
{
    struct world *world = watched_world(2);
    char text[TEXT];

    want(world, A, 0, MANY, true);
    world_run(world, 40000);
    world_join(world, A, B);
    while (pairs(world, B) < MANY / 2)
        world_run(world, 1);
    uint64_t bytes = world->nodes[A].bytes;
    want(world, A, 0, 10, false);
    for (unsigned i = MANY; i < MANY + 40; i++) {
        world_subscribe(world, A, filter_at(text, i));
        world_run(world, 2);
    }
    world_run(world, 200);
    ck_assert_uint_eq(filters(world, A, A), MANY + 30);
    ck_assert(world_agrees(world));
    /* The changes alone: another snapshot would be MANY filters. */
    ck_assert_uint_le(world->nodes[A].bytes - bytes, MANY * 5);
    finish(world, PIECE + 40);
}
END_TEST

START_TEST(a_snapshot_that_is_overtaken_by_a_restart_leaves_nothing_behind)
{
    struct world *world = watched_world(2);

    want(world, A, 0, MANY, true);
    world_run(world, 40000);
    world_join(world, A, B);
    while (pairs(world, B) < MANY / 2)
        world_run(world, 1);
    world_restart(world, A, 2, 7);
    want(world, A, MANY - 5, MANY + 5, true);
    world_join(world, A, B);
    world_run(world, 300);
    ck_assert_uint_eq(filters(world, B, A), 10);
    ck_assert_uint_eq(pairs(world, B), 10);
    ck_assert(world_agrees(world));
    finish(world, PIECE);
}
END_TEST

START_TEST(a_wide_filter_that_comes_and_goes_costs_pieces)
{
    struct world *world = watched_world(2);

    world_join(world, A, B);
    world_run(world, 50);
    want(world, A, 0, MANY, true);
    world_run(world, 200);
    ck_assert_uint_eq(filters(world, B, A), MANY);
    world_subscribe(world, A, "plant/#");
    world_run(world, 400);
    ck_assert_uint_eq(filters(world, B, A), 1);
    world_unsubscribe(world, A, "plant/#");
    for (int i = 0; i < 600; i++) {
        world_publish(world, B, "plant/3/dev1004/temp", "1");
        world_run(world, 1);
    }
    world_run(world, 5);
    ck_assert_uint_eq(filters(world, B, A), MANY);
    /* Whatever was told when: the topic was always wanted. */
    ck_assert_uint_eq(mesh_stats(world->nodes[A].mesh).delivered, 600);
    ck_assert(world_agrees(world));
    finish(world, BUNDLE);
}
END_TEST

START_TEST(a_broker_that_is_forgotten_leaves_the_index_in_pieces)
{
    struct world *world = watched_world(2);
    int link = world_join(world, A, B);

    want(world, A, 0, MANY, true);
    world_run(world, 300);
    ck_assert_uint_eq(pairs(world, B), MANY);
    world_cut(world, link);
    world_run(world, 900000 + 2000);
    struct mesh_node_view view;
    ck_assert(!world_view(world, B, A, &view));
    ck_assert_uint_eq(pairs(world, B), 0);
    ck_assert_ptr_null(mesh_audit(world->nodes[B].mesh));
    finish(world, BUNDLE);
}
END_TEST

START_TEST(clients_that_go_all_at_once_are_untold_in_pieces)
{
    struct world *world = watched_world(2);

    world_join(world, A, B);
    want(world, A, 0, MANY, true);
    world_run(world, 300);
    want(world, A, 0, MANY, false);
    world_run(world, 40);
    ck_assert_uint_eq(filters(world, B, A), MANY); /* they linger */
    world_run(world, 300);
    ck_assert_uint_eq(filters(world, B, A), 0);
    ck_assert(world_agrees(world));
    finish(world, BUNDLE);
}
END_TEST

/* The bar is 250 bytes a subscription in all, of which the core takes 150. */
START_TEST(a_filter_costs_the_mesh_a_few_bytes)
{
    enum { COUNT = 50000 };
    struct local_interest *li = local_interest_new(2000, 1000);
    struct interest_changes changes = { 0 };
    char text[TEXT];

    for (unsigned i = 0; i < COUNT; i++) {
        struct interest interest = { .filter = str_from_c(filter_at(text, i * 7919u % COUNT)) };
        ck_assert_int_eq(local_interest_set(li, &interest), 0);
    }
    while (local_interest_deadline(li) == 0)
        ck_assert_int_eq(local_interest_take(li, 0, &changes), 0);
    ck_assert_uint_eq(local_interest_told(li), COUNT);
    ck_assert_uint_le(iset_bytes(local_interest_told_set(li)), COUNT * 20);
    interest_changes_finish(&changes);
    local_interest_free(li);
}
END_TEST

UNIT_MAIN("mesh/many_filters", a_broker_that_joins_with_many_filters_tells_them_in_pieces,
          a_snapshot_of_many_filters_is_installed_in_pieces,
          changes_that_come_while_a_snapshot_does_follow_on_it,
          a_snapshot_that_is_overtaken_by_a_restart_leaves_nothing_behind,
          a_wide_filter_that_comes_and_goes_costs_pieces,
          a_broker_that_is_forgotten_leaves_the_index_in_pieces,
          clients_that_go_all_at_once_are_untold_in_pieces, a_filter_costs_the_mesh_a_few_bytes)
