/* SPDX-License-Identifier: Apache-2.0 */
/* What two or three brokers make of bad luck and of limits that are met. */
#include "unit.h"
#include "world.h"

#include "mesh/interest_codec.h"
#include "mqtt/message.h"

#include <stdio.h>
#include <stdlib.h>
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

START_TEST(at_the_limit_of_filters_a_wish_can_still_change)
{
    struct world *world = world_new(2, small_a);
    struct mesh_event event = { .kind = MESH_INTEREST };
    struct str got;
    uint8_t qos;
    size_t cursor = 0;
    char filter[16];

    world_join(world, A, B);
    for (int i = 0; i < 11; i++) {
        snprintf(filter, sizeof filter, "t/%c", 'a' + i);
        world_subscribe(world, A, filter);
    }
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "too many filters"));
    event.interest.filter = STR("t/a");
    event.interest.qos = 2;
    event.interest.wanted = true;
    world_event(world, A, event);
    world_run(world, 100);
    ck_assert(
        mesh_next_filter(world->nodes[B].mesh, &world->nodes[A].config.id, &cursor, &got, &qos));
    ck_assert_int_eq(qos, 2);
    world_free(world);
}
END_TEST

START_TEST(a_broker_whose_own_interest_runs_ahead_of_it_leaves_after_three_fights)
{
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);
    struct mesh_node_view self;

    world_run(world, 50);
    for (int i = 0; i < 4; i++) {
        struct buf notice = { 0 };
        ck_assert_ptr_null(strstr(world->nodes[A].facts, "leaves the mesh"));
        ck_assert(world_view(world, A, A, &self));
        struct interest_head head = { .id = self.id,
                                      .inc = self.inc,
                                      .iver = self.iver + 1,
                                      .prev = self.iver + 1,
                                      .flags = IDELTA_NOTICE };
        buf_append_u8(&notice, 0); /* the length */
        buf_append_u8(&notice, 0x0B);
        idelta_put_head(&notice, &head);
        notice.data[0] = (uint8_t)(notice.len - 1);
        world_inject(world, link, 0, notice.data, notice.len);
        buf_finish(&notice);
        world_run(world, 1500);
    }
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "leaves the mesh"));
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_DOWN);
    world_free(world);
}
END_TEST

/* A link's queue of a megabyte. */
static void narrow(int node, struct mesh_config *config)
{
    (void)node;
    config->link_queue_bytes_max = 1 << 20;
}

/* Publish so many bytes at a. */
static void publish_bytes(struct world *world, size_t len, uint8_t qos)
{
    char *payload = calloc(1, len);
    struct message *message = message_new(STR("t"), STR(""), (struct str){ payload, len });

    message->qos = qos;
    message->expires_ms = MESSAGE_NEVER;
    world_publish_message(world, A, message);
    free(payload);
}

START_TEST(a_large_message_goes_in_whole_or_not_at_all)
{
    struct world *world = world_new(2, narrow);
    struct mesh_stats stats;
    size_t most = 0;

    world_join(world, A, B);
    world_subscribe(world, B, "t");
    world_run(world, 50);
    /* Up to the limit, and over it by less and by more than the heads of its pieces. */
    for (size_t len = (1 << 20) - 8192; len <= (1 << 20) + 64; len += 256) {
        stats = mesh_stats(world->nodes[A].mesh);
        uint64_t delivered = mesh_stats(world->nodes[B].mesh).delivered;
        publish_bytes(world, len, 0);
        bool dropped = mesh_stats(world->nodes[A].mesh).dropped_queue != stats.dropped_queue;
        world_run(world, 20);
        ck_assert_uint_eq(mesh_stats(world->nodes[B].mesh).delivered, delivered + !dropped);
        if (!dropped)
            most = len;
        else
            ck_assert_uint_lt(mesh_stats(world->nodes[A].mesh).bytes_out, stats.bytes_out + 4096);
    }
    ck_assert_uint_ge(most, (1 << 20) - 8192);
    ck_assert_uint_lt(most, 1 << 20);
    world_free(world);
}
END_TEST

START_TEST(a_message_of_the_largest_packet_crosses_an_idle_link)
{
    struct world *world = world_new(3, NULL);

    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, C, "t");
    world_run(world, 100);
    publish_bytes(world, 16 << 20, 0);
    world_run(world, 1000);
    ck_assert_ptr_nonnull(world->nodes[C].last);
    ck_assert_uint_eq(message_payload(world->nodes[C].last).len, 16 << 20);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(mesh_stats(world->nodes[i].mesh).dropped_queue, 0);
    world_free(world);
}
END_TEST

UNIT_MAIN("mesh/hardship", a_duplicate_stays_when_the_better_link_dies_before_it_drains,
          a_broker_that_has_no_room_for_one_more_still_gets_its_links_full,
          interest_beyond_the_limit_is_refused_and_the_link_gets_full,
          at_the_limit_of_filters_a_wish_can_still_change,
          a_broker_whose_own_interest_runs_ahead_of_it_leaves_after_three_fights,
          a_large_message_goes_in_whole_or_not_at_all,
          a_message_of_the_largest_packet_crosses_an_idle_link)
