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

UNIT_MAIN("mesh/hardship", a_duplicate_stays_when_the_better_link_dies_before_it_drains)
