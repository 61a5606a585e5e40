/* SPDX-License-Identifier: Apache-2.0 */
/* What two or three brokers make of bad luck and of limits that are met. */
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { A, B, C };

START_TEST(a_duplicate_stays_when_the_better_link_dies_before_it_drains)
{
    struct world *world = world_new(2, NULL);
    int first = world_join(world, B, A);

    world_subscribe(world, B, "t");
    world_run(world, 20);
    int second = world_join(world, A, B); /* preferred: a has the lower id */
    world_run(world, 500);
    ck_assert_int_eq(world_link_state(world, second, 0), LINK_FULL);
    world_cut(world, second);
    world_run(world, 3000);
    ck_assert_int_eq(world_link_state(world, first, 0), LINK_FULL);
    ck_assert_int_eq(world_link_state(world, first, 1), LINK_FULL);
    ck_assert_ptr_null(strstr(world->nodes[A].facts, "node.lost"));
    world_free(world);
}
END_TEST

static void small_a(int node, struct mesh_config *config)
{
    if (node != A)
        return;
    config->nodes_max = 2;
    config->filters_max = 10;
}

START_TEST(a_broker_that_has_no_room_for_one_more_still_gets_its_links_full)
{
    struct world *world = world_new(3, small_a);
    struct mesh_node_view view;

    world_join(world, B, C);
    world_subscribe(world, B, "t");
    world_subscribe(world, C, "t");
    world_run(world, 100);
    int link = world_join(world, A, B);
    world_run(world, 100);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_FULL);
    ck_assert_int_eq(world_link_state(world, link, 1), LINK_FULL);
    ck_assert(!world_view(world, A, C, &view));
    ck_assert_uint_gt(mesh_stats(world->nodes[A].mesh).refused, 0);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "more than 2 brokers"));
    world_publish(world, A, "t", "1");
    world_run(world, 10);
    ck_assert_str_eq(world->nodes[B].inbox, "t=1 ");
    world_free(world);
}
END_TEST

START_TEST(interest_beyond_the_limit_is_refused_and_the_link_gets_full)
{
    struct world *world = world_new(2, small_a);
    struct mesh_node_view view;
    char filter[16];

    for (int i = 0; i < 11; i++) {
        snprintf(filter, sizeof filter, "t/%d", i);
        world_subscribe(world, B, filter);
    }
    world_run(world, 20);
    int link = world_join(world, A, B);
    world_run(world, 100);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_FULL);
    ck_assert_int_eq(world_link_state(world, link, 1), LINK_FULL);
    ck_assert(world_view(world, A, B, &view));
    ck_assert_uint_eq(view.filters, 0);
    ck_assert_uint_gt(mesh_stats(world->nodes[A].mesh).refused, 0);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "more than 10 filters"));
    world_unsubscribe(world, B, "t/3");
    world_run(world, 200000);
    ck_assert(world_view(world, A, B, &view));
    ck_assert_uint_eq(view.filters, 10);
    world_free(world);
}
END_TEST

UNIT_MAIN("mesh/hardship", a_duplicate_stays_when_the_better_link_dies_before_it_drains,
          a_broker_that_has_no_room_for_one_more_still_gets_its_links_full,
          interest_beyond_the_limit_is_refused_and_the_link_gets_full)
