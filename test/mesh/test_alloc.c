/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation in which each allocation fails once in turn: nothing crashes or leaks,
 * and afterwards all is as if nothing had been. */
#include "alloc_fault.h"
#include "unit.h"
#include "world.h"

#include "mqtt/message.h"

#include <stdio.h>
#include <string.h>

enum { A, B, LARGE = 100000, WISHES = 12 };

static long left; /* allocations until the fault, counted in steps only */

static void around(bool before)
{
    if (before) {
        alloc_fault_after(left);
    } else {
        left = alloc_fault_left;
        alloc_fault_after(-1);
    }
}

static void quick(int node, struct mesh_config *config)
{
    (void)node;
    config->digest_ms = 500;
    config->handshake_ms = 500;
}

static void subscribe(struct world *world)
{
    char filter[16];

    for (int i = 0; i < WISHES; i++) {
        snprintf(filter, sizeof filter, "t/%d", i);
        world_subscribe(world, B, filter);
    }
    world_subscribe(world, A, "t/#");
}

static void converse(struct world *world)
{
    static char large[LARGE];

    world_join(world, A, B);
    subscribe(world);
    world_run(world, 60);
    for (int i = 0; i < 3; i++) {
        world_publish(world, A, "t/1", "x");
        world_publish(world, B, "t/2", "y");
    }
    struct message *message = message_new(STR("t/3"), STR(""), (struct str){ large, sizeof large });
    message->expires_ms = MESSAGE_NEVER;
    world_publish_message(world, A, message);
    world_run(world, 20);
    world_unsubscribe(world, B, "t/5");
    world_cut(world, 0);
    world_run(world, 20);
    world_join(world, A, B);
    world_run(world, 3000);
}

/* With memory again: a client that was not heard subscribes again, what was closed is
 * dialled again, and everything works. */
static void recover(struct world *world)
{
    subscribe(world);
    world_unsubscribe(world, B, "t/5");
    world_run(world, 3000);
    int link = world->link_count - 1;
    for (int i = 0; i < 3 && world_link_state(world, link, 0) != LINK_FULL; i++) {
        world_cut(world, link);
        link = world_join(world, A, B);
        world_run(world, 2000);
    }
    ck_assert(world_agrees(world));
    world->nodes[B].inbox[0] = '\0';
    world_publish(world, A, "t/7", "after");
    world_run(world, 5);
    ck_assert_str_eq(world->nodes[B].inbox, "t/7=after ");
}

START_TEST(a_conversation_survives_the_failure_of_any_allocation)
{
    bool happened = true;

    for (long n = 0; happened; n++) {
        struct world *world = world_new(2, quick);
        left = n;
        world->around = around;
        converse(world);
        happened = left < 0;
        left = -1;
        world->around = NULL;
        recover(world);
        world_free(world);
    }
}
END_TEST

START_TEST(a_mesh_is_made_whole_or_not_at_all)
{
    struct mesh_config config = { .id = { { 1 } }, .inc = 1, .name = STR("a") };
    struct mesh *mesh = NULL;

    for (long n = 0; !mesh; n++) {
        alloc_fault_after(n);
        mesh = mesh_new(&config, 1000);
        alloc_fault_after(-1);
    }
    ck_assert_ptr_null(mesh_audit(mesh));
    mesh_free(mesh);
}
END_TEST

UNIT_MAIN("mesh/alloc", a_mesh_is_made_whole_or_not_at_all,
          a_conversation_survives_the_failure_of_any_allocation)
