/* SPDX-License-Identifier: Apache-2.0 */
/* Two to five brokers talk: what users of a mesh can rely on. MESH.md 3.1 to 3.8. */
#include "unit.h"
#include "world.h"

#include "base/buf.h"
#include "mqtt/message.h"
#include "mqtt/props.h"

#include <stdio.h>
#include <string.h>

enum { A, B, C, D, E };

START_TEST(two_brokers_shake_hands_and_know_each_other)
{
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);
    struct mesh_node_view view;

    ck_assert_int_eq(world_link_state(world, link, 0), LINK_HELLO);
    world_run(world, 20);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_FULL);
    ck_assert_int_eq(world_link_state(world, link, 1), LINK_FULL);
    ck_assert(world_agrees(world));
    ck_assert(world_view(world, A, B, &view));
    ck_assert_uint_eq(view.hops, 1);
    ck_assert_int_eq(view.name.ptr[0], 'b');
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "link.full b"));
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "node.reachable b"));
    world_free(world);
}
END_TEST

START_TEST(a_lone_subscription_is_told_at_once)
{
    struct world *world = world_new(2, NULL);

    world_join(world, A, B);
    world_run(world, 50);
    ck_assert(!mesh_has_interest(world->nodes[A].mesh));
    world_subscribe(world, B, "plant/+/temp");
    world_run(world, 3);
    ck_assert(mesh_has_interest(world->nodes[A].mesh));
    world_publish(world, A, "plant/1/temp", "21");
    world_publish(world, A, "plant/1/pressure", "1013");
    world_run(world, 3);
    ck_assert_str_eq(world->nodes[B].inbox, "plant/1/temp=21 ");
    ck_assert(world_agrees(world));
    world_free(world);
}
END_TEST

START_TEST(an_unsubscribe_is_told_after_the_linger)
{
    struct world *world = world_new(2, NULL);

    world_join(world, A, B);
    world_subscribe(world, B, "t");
    world_run(world, 50);
    world_unsubscribe(world, B, "t");
    world_run(world, 1000);
    ck_assert(mesh_has_interest(world->nodes[A].mesh));
    world_run(world, 1100);
    ck_assert(!mesh_has_interest(world->nodes[A].mesh));
    ck_assert(world_agrees(world));
    world_free(world);
}
END_TEST

/* What can go on at once is in time, even if it must not wait at all. */
START_TEST(a_message_with_no_time_left_still_crosses)
{
    struct world *world = world_new(2, NULL);

    world_join(world, A, B);
    world_subscribe(world, B, "t");
    world_run(world, 100);
    struct message *message = message_new(STR("t"), (struct str){ 0 }, STR("now"));
    message->expires_ms = world->now_ms;
    world_publish_message(world, A, message);
    message = message_new(STR("t"), (struct str){ 0 }, STR("late"));
    message->expires_ms = world->now_ms - 1;
    world_publish_message(world, A, message);
    world_run(world, 5);
    ck_assert_str_eq(world->nodes[B].inbox, "t=now ");
    world_free(world);
}
END_TEST

START_TEST(a_message_crosses_two_hops_whole)
{
    struct world *world = world_new(3, NULL);
    struct buf props = { 0 };
    const uint8_t content_type[] = { PROP_CONTENT_TYPE, 0, 4, 't', 'e', 'x', 't' };

    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, C, "t/#");
    world_run(world, 100);
    buf_append(&props, content_type, sizeof content_type);
    struct message *message = message_new(STR("t/x"), buf_str(&props), STR("payload"));
    message->qos = 2;
    message->retain = 1;
    message->expires_ms = world->now_ms + 10000;
    world_publish_message(world, A, message);
    world_run(world, 5);
    const struct message *got = world->nodes[C].last;
    ck_assert_str_eq(world->nodes[C].inbox, "t/x=payload ");
    ck_assert(str_equal(message_props(got), buf_str(&props)));
    ck_assert_uint_eq(got->qos, 2);
    ck_assert(got->retain && got->remote);
    ck_assert_uint_ge(got->expires_ms, world->now_ms + 8000);
    ck_assert_uint_le(got->expires_ms, world->now_ms + 10000);
    ck_assert_str_eq(world->nodes[B].inbox, "");
    ck_assert_uint_eq(mesh_stats(world->nodes[B].mesh).frames_forwarded, 1);
    buf_finish(&props);
    world_free(world);
}
END_TEST

START_TEST(each_of_several_destinations_gets_one_copy)
{
    struct world *world = world_new(5, NULL);

    world_join(world, A, B);
    world_join(world, B, C);
    world_join(world, B, D);
    world_join(world, C, E);
    world_join(world, D, E);
    for (int node = B; node <= E; node++)
        world_subscribe(world, node, "t");
    world_run(world, 200);
    ck_assert(world_agrees(world));
    uint64_t before = mesh_stats(world->nodes[A].mesh).frames_out;
    world_publish(world, A, "t", "1");
    world_run(world, 1);
    ck_assert_uint_eq(mesh_stats(world->nodes[A].mesh).frames_out - before, 1);
    world_run(world, 10);
    for (int node = B; node <= E; node++)
        ck_assert_str_eq(world->nodes[node].inbox, "t=1 ");
    world_free(world);
}
END_TEST

START_TEST(a_cut_link_reroutes_through_the_third_broker)
{
    struct world *world = world_new(3, NULL);
    int direct = world_join(world, A, C);
    struct mesh_node_view view;

    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, C, "t");
    world_run(world, 100);
    ck_assert(world_view(world, A, C, &view));
    ck_assert_uint_eq(view.hops, 1);
    world_cut(world, direct);
    world_publish(world, A, "t", "in between"); /* waits for the new path */
    world_run(world, 60);
    ck_assert(world_view(world, A, C, &view));
    ck_assert(view.reachable);
    ck_assert_uint_eq(view.hops, 2);
    world_publish(world, A, "t", "after");
    world_run(world, 10);
    ck_assert_str_eq(world->nodes[C].inbox, "t=in between t=after ");
    ck_assert(world_agrees(world));
    world_free(world);
}
END_TEST

START_TEST(a_silent_link_is_dead_after_three_pings)
{
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);

    world_run(world, 2000);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_FULL);
    world->links[link].cut = true;
    world_run(world, 480); /* a PING may have come up to 250 ms ago */
    ck_assert_ptr_null(strstr(world->nodes[A].facts, "link.down"));
    world_run(world, 280);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "link.down b: no bytes for 750 ms"));
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "node.lost b"));
    world_free(world);
}
END_TEST

START_TEST(a_handshake_that_does_not_end_is_given_up)
{
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);

    world->links[link].cut = true; /* A's HELLO is on its way, B's never comes */
    world_run(world, 10050);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "hello timeout"));
    world_free(world);
}
END_TEST

static void other_mesh(int node, struct mesh_config *config)
{
    if (node == B)
        config->mesh_name = STR("elsewhere");
}

START_TEST(another_mesh_is_refused_by_name)
{
    struct world *world = world_new(2, other_mesh);
    struct mesh_link_view view;
    size_t cursor = 0;

    world_join(world, A, B);
    world_run(world, 20);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "another mesh: elsewhere"));
    ck_assert_ptr_null(strstr(world->nodes[A].facts, "link.full"));
    bool seen = false;
    while (mesh_next_link(world->nodes[A].mesh, &cursor, &view))
        seen = seen || str_equal(view.reason, STR("another mesh: elsewhere"));
    ck_assert(seen);
    world_free(world);
}
END_TEST

START_TEST(of_two_links_between_a_pair_the_lower_id_s_stays)
{
    struct world *world = world_new(2, NULL);
    int first = world_join(world, B, A);

    world_subscribe(world, B, "t");
    world_run(world, 20);
    int second = world_join(world, A, B); /* a has the lower id */
    for (int i = 0; i < 300; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        world_publish(world, A, "t", payload);
        world_run(world, 10);
    }
    ck_assert_int_eq(world_link_state(world, first, 0), LINK_DOWN);
    ck_assert_int_eq(world_link_state(world, second, 0), LINK_FULL);
    ck_assert(!world->links[first].up);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "duplicate link"));
    ck_assert_ptr_null(strstr(world->nodes[A].facts, "node.lost"));
    ck_assert_uint_eq(mesh_stats(world->nodes[B].mesh).delivered, 300);
    ck_assert_ptr_nonnull(strstr(world->nodes[B].inbox, "t=298 t=299 "));
    world_free(world);
}
END_TEST

START_TEST(of_two_links_dialled_by_one_side_the_newer_stays)
{
    struct world *world = world_new(2, NULL);
    int first = world_join(world, A, B);

    world_run(world, 20);
    int second = world_join(world, A, B);
    world_run(world, 200);
    ck_assert_int_eq(world_link_state(world, first, 0), LINK_DOWN);
    ck_assert_int_eq(world_link_state(world, second, 0), LINK_FULL);
    ck_assert(world_agrees(world));
    world_free(world);
}
END_TEST

START_TEST(equal_databases_exchange_no_records)
{
    struct world *world = world_new(3, NULL);
    char filter[16];
    int link = world_join(world, A, B);

    world_join(world, B, C);
    for (int i = 0; i < 500; i++) {
        snprintf(filter, sizeof filter, "t/%d", i);
        world_subscribe(world, C, filter);
    }
    world_run(world, 200);
    world_join(world, A, C); /* keeps all three connected */
    world_run(world, 200);
    world_cut(world, link);
    world_run(world, 200);
    uint64_t before = world->nodes[A].bytes + world->nodes[B].bytes;
    world_join(world, A, B);
    world_run(world, 20);
    ck_assert_uint_le(world->nodes[A].bytes + world->nodes[B].bytes - before, 2600);
    world_run(world, 300);
    ck_assert(world_agrees(world));
    for (int i = A; i <= C; i++)
        ck_assert_uint_eq(mesh_stats(world->nodes[i].mesh).repairs, 0);
    world_free(world);
}
END_TEST

START_TEST(a_broker_that_was_away_gets_a_snapshot)
{
    struct world *world = world_new(2, NULL);
    char filter[64];
    int link = world_join(world, A, B);

    world_subscribe(world, B, "first");
    world_run(world, 100);
    world_cut(world, link);
    for (int i = 0; i < 5000; i++) {
        snprintf(filter, sizeof filter, "plant/line/%d/machine/%d/temperature", i % 37, i);
        world_subscribe(world, B, filter);
        if (i % 100 == 0)
            world_run(world, 6);
    }
    world_run(world, 40000); /* what was remembered as changes is forgotten */
    world_join(world, A, B);
    world_run(world, 300);
    ck_assert(world_agrees(world));
    world_publish(world, A, "plant/line/3/machine/40/temperature", "5");
    world_run(world, 5);
    ck_assert_str_eq(world->nodes[B].inbox, "plant/line/3/machine/40/temperature=5 ");
    world_free(world);
}
END_TEST

START_TEST(a_restarted_broker_s_old_interest_serves_until_the_new_comes)
{
    struct world *world = world_new(3, NULL);
    struct mesh_node_view view;

    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, C, "t");
    world_subscribe(world, C, "gone");
    world_run(world, 100);
    world_restart(world, C, 2, 900);
    world_join(world, B, C);
    world_run(world, 500);
    ck_assert(world_view(world, A, C, &view));
    ck_assert_uint_eq(view.inc, 2);
    world_subscribe(world, C, "t");
    world_run(world, 50);
    ck_assert(world_view(world, A, C, &view));
    ck_assert_uint_eq(view.filters, 1);
    ck_assert(world_agrees(world));
    world_publish(world, A, "t", "x");
    world_publish(world, A, "gone", "x");
    world_run(world, 10);
    ck_assert_str_eq(world->nodes[C].inbox, "t=x ");
    world_free(world);
}
END_TEST

START_TEST(an_incarnation_that_fell_back_moves_past_what_others_remember)
{
    struct world *world = world_new(2, NULL);

    world_join(world, A, B);
    world_subscribe(world, B, "old");
    world_run(world, 100);
    world_restart(world, B, 1, 900); /* a disk restored from an old backup */
    world_subscribe(world, B, "new");
    world_join(world, A, B);
    world_run(world, 300);
    ck_assert_uint_eq(world->nodes[B].persisted, 2);
    ck_assert(world_agrees(world));
    world_publish(world, A, "new", "1");
    world_run(world, 5);
    ck_assert_str_eq(world->nodes[B].inbox, "new=1 ");
    world_free(world);
}
END_TEST

static void same_id(int node, struct mesh_config *config)
{
    if (node == C)
        memset(config->id.bytes, 0x11, NODE_ID_LEN); /* that of a */
}

START_TEST(of_two_brokers_with_one_id_the_lower_boot_leaves)
{
    struct world *world = world_new(4, same_id);

    world_join(world, A, B);
    world_join(world, C, D);
    world_join(world, B, D);
    world_run(world, 30000);
    ck_assert_msg(strstr(world->nodes[A].facts, "five minutes"), "%.2000s", world->nodes[A].facts);
    ck_assert_ptr_null(strstr(world->nodes[C].facts, "five minutes"));
    ck_assert_ptr_nonnull(strstr(world->nodes[C].facts, "node.duplicate_id"));
    world_free(world);
}
END_TEST

START_TEST(a_link_to_oneself_is_closed)
{
    struct world *world = world_new(1, NULL);

    world_join(world, A, A);
    world_run(world, 20);
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "this is the same broker"));
    ck_assert(world_agrees(world));
    world_free(world);
}
END_TEST

START_TEST(unknown_frames_are_skipped_unless_they_must_be_understood)
{
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);
    const uint8_t skipped[] = { 3, 0x7f, 1, 2 }, needed[] = { 3, 0xff, 1, 2 };

    world_run(world, 20);
    world_inject(world, link, 0, skipped, sizeof skipped);
    world_run(world, 5);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_FULL);
    world_inject(world, link, 0, needed, sizeof needed);
    ck_assert_ptr_nonnull(
        strstr(world->nodes[A].facts, "mesh.refused b: a frame that this version"));
    world_run(world, 5);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_DOWN);
    ck_assert_ptr_nonnull(strstr(world->nodes[B].facts, "peer said bye: refused"));
    world_free(world);
}
END_TEST

START_TEST(garbage_is_refused_with_a_fact_and_the_link_closed)
{
    const uint8_t garbage[] = { 9, 0x10, 0xff, 0xff, 0xff }, early[] = { 2, 0x03, 0 };
    struct world *world = world_new(2, NULL);
    int link = world_join(world, A, B);

    world_inject(world, link, 1, early, sizeof early);
    ck_assert_ptr_nonnull(strstr(world->nodes[B].facts, "a frame before the handshake"));
    world_run(world, 20);
    link = world_join(world, A, B);
    world_run(world, 20);
    world_inject(world, link, 0, garbage, sizeof garbage);
    ck_assert_ptr_nonnull(
        strstr(world->nodes[A].facts, "mesh.refused b: a bundle that is not whole"));
    world_run(world, 5);
    ck_assert_int_eq(world_link_state(world, link, 0), LINK_DOWN);
    world_free(world);
}
END_TEST

START_TEST(a_large_message_comes_in_one_piece)
{
    struct world *world = world_new(3, NULL);
    static char payload[300000];

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 31 % 251);
    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, C, "big");
    world_run(world, 100);
    struct message *message =
        message_new(STR("big"), (struct str){ NULL, 0 }, (struct str){ payload, sizeof payload });
    message->expires_ms = MESSAGE_NEVER;
    world_publish_message(world, A, message);
    world_run(world, 20);
    ck_assert_ptr_nonnull(world->nodes[C].last);
    ck_assert(
        str_equal(message_payload(world->nodes[C].last), (struct str){ payload, sizeof payload }));
    ck_assert_ptr_null(mesh_audit(world->nodes[B].mesh));
    world_free(world);
}
END_TEST

START_TEST(a_stopping_broker_says_bye)
{
    struct world *world = world_new(2, NULL);
    struct mesh_event event = { .kind = MESH_SHUTDOWN };

    world_join(world, A, B);
    world_run(world, 50);
    world_event(world, B, event);
    world_run(world, 50);
    ck_assert_ptr_nonnull(
        strstr(world->nodes[A].facts, "link.down b: peer said bye: shutting down"));
    ck_assert_ptr_nonnull(strstr(world->nodes[A].facts, "node.lost b"));
    world_free(world);
}
END_TEST

static void short_memory(int node, struct mesh_config *config)
{
    (void)node;
    config->stale_ms = 5000;
    config->digest_ms = 1000;
}

START_TEST(a_lost_broker_is_forgotten_and_can_come_back)
{
    struct world *world = world_new(3, short_memory);
    struct mesh_node_view view;

    world_join(world, A, B);
    int link = world_join(world, B, C);
    world_subscribe(world, C, "t");
    world_run(world, 100);
    world_cut(world, link);
    world_run(world, 3000);
    ck_assert(world_view(world, A, C, &view));
    ck_assert(!view.reachable);
    world_run(world, 9000);
    ck_assert(!world_view(world, A, C, &view));
    ck_assert(!world_view(world, B, C, &view));
    ck_assert_ptr_null(mesh_audit(world->nodes[A].mesh));
    world_join(world, B, C);
    world_run(world, 500);
    ck_assert(world_agrees(world));
    world_publish(world, A, "t", "1");
    world_run(world, 10);
    ck_assert_str_eq(world->nodes[C].inbox, "t=1 ");
    world_free(world);
}
END_TEST

static void stub_in_the_middle(int node, struct mesh_config *config)
{
    config->stub_only = node == B;
}

START_TEST(a_stub_carries_nobody_else_s_traffic)
{
    struct world *world = world_new(3, stub_in_the_middle);
    struct mesh_node_view view;

    world_join(world, A, B);
    world_join(world, B, C);
    world_subscribe(world, B, "t");
    world_run(world, 200);
    ck_assert(world_view(world, A, B, &view) && view.reachable);
    ck_assert(!world_view(world, A, C, &view) || !view.reachable);
    world_publish(world, A, "t", "1");
    world_run(world, 10);
    ck_assert_str_eq(world->nodes[B].inbox, "t=1 ");
    world_free(world);
}
END_TEST

UNIT_MAIN("mesh/conversation", two_brokers_shake_hands_and_know_each_other,
          a_lone_subscription_is_told_at_once, an_unsubscribe_is_told_after_the_linger,
          a_message_crosses_two_hops_whole, a_message_with_no_time_left_still_crosses,
          each_of_several_destinations_gets_one_copy, a_cut_link_reroutes_through_the_third_broker,
          a_silent_link_is_dead_after_three_pings, a_handshake_that_does_not_end_is_given_up,
          another_mesh_is_refused_by_name, of_two_links_between_a_pair_the_lower_id_s_stays,
          of_two_links_dialled_by_one_side_the_newer_stays, equal_databases_exchange_no_records,
          a_broker_that_was_away_gets_a_snapshot,
          a_restarted_broker_s_old_interest_serves_until_the_new_comes,
          an_incarnation_that_fell_back_moves_past_what_others_remember,
          of_two_brokers_with_one_id_the_lower_boot_leaves, a_link_to_oneself_is_closed,
          unknown_frames_are_skipped_unless_they_must_be_understood,
          garbage_is_refused_with_a_fact_and_the_link_closed, a_large_message_comes_in_one_piece,
          a_stopping_broker_says_bye, a_lost_broker_is_forgotten_and_can_come_back,
          a_stub_carries_nobody_else_s_traffic)
