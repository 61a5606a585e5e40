/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of a few brokers, told by their traces. */
#include "sim.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* The trace since the last time must be this text. */
static void expect(struct sim *sim, const char *text)
{
    ck_assert_ptr_null(sim_failure(sim));
    ck_assert_str_eq(sim_trace(sim), text);
}

/* Settle, and find everything well: databases, links, and every delivery. */
static void expect_well(struct sim *sim)
{
    sim_settle(sim);
    sim_check_settled(sim);
    sim_check_delivery(sim);
    ck_assert_msg(!sim_failure(sim), "%s", sim_failure(sim));
    sim_trace(sim);
}

static bool told(struct sim *sim, const char *line)
{
    return strstr(sim_trace(sim), line) != NULL;
}

START_TEST(two_brokers_meet_and_route_what_is_wanted)
{
    struct sim *sim = sim_new("a-b", 1);

    sim_subscribe(sim, "b", "plant/+/temp", 0);
    sim_run(sim, 100);
    expect(sim, "[   7] b > link.full a\n"
                "[   8] a > link.full b\n"
                "[  12] b > node.reachable a\n"
                "[  13] a > node.reachable b\n");
    sim_publish(sim, "a", "plant/1/temp");
    sim_publish(sim, "a", "plant/1/pressure");
    sim_publish(sim, "b", "plant/2/temp");
    sim_run(sim, 100);
    expect(sim, "[   1] b > deliver plant/1/temp\n");
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_cut_link_reroutes_through_the_third_broker)
{
    struct sim *sim = sim_new("a-b b-c a-c", 7);

    sim_subscribe(sim, "c", "plant/+/temp", 0);
    expect_well(sim);
    sim_cut(sim, "a-c");
    sim_run(sim, 60);
    sim_publish(sim, "a", "plant/1/temp");
    sim_run(sim, 20);
    expect(sim, "[   0] c > link.down a: connection reset\n"
                "[   0] a > link.down c: connection reset\n"
                "[  62] c > deliver plant/1/temp\n");
    expect_well(sim);
    sim_heal(sim, "a-c", false);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_black_hole_is_noticed_within_three_pings)
{
    struct sim *sim = sim_new("a-b b-c a-c", 3);

    sim_subscribe(sim, "c", "#", 0);
    expect_well(sim);
    sim_silence(sim, "a-c");
    sim_run(sim, 1100);
    sim_publish(sim, "a", "x");
    sim_run(sim, 20);
    expect(sim, "[ 675] c > link.down a: no bytes for 750 ms\n"
                "[ 676] a > link.down c: no bytes for 750 ms\n"
                "[1102] c > deliver x\n");
    expect_well(sim);
    sim_heal(sim, "a-c", false);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_link_that_is_silent_one_way_is_given_up_by_both)
{
    struct sim *sim = sim_new("a-b b-c a-c", 4);

    sim_subscribe(sim, "c", "#", 0);
    expect_well(sim);
    sim_mute(sim, "c-a");
    sim_run(sim, 1500);
    sim_publish(sim, "a", "x");
    sim_publish(sim, "b", "y");
    sim_run(sim, 20);
    const char *trace = sim_trace(sim);
    ck_assert_ptr_nonnull(strstr(trace, "c > deliver x"));
    ck_assert_ptr_nonnull(strstr(trace, "c > deliver y"));
    expect_well(sim);
    sim_heal(sim, "c-a", true);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_crashed_broker_comes_back_with_its_subscriptions)
{
    struct sim *sim = sim_new("a-b b-c", 5);

    sim_subscribe(sim, "c", "kept/#", 1);
    sim_subscribe(sim, "c", "lost/#", 0);
    expect_well(sim);
    sim_crash(sim, "c", false);
    sim_run(sim, 100);
    expect(sim, "[   1] b > link.down c: connection reset\n"
                "[   6] b > node.lost c\n"
                "[   7] a > node.lost c\n"
                "[  98] b > link.down sim://c: connection refused\n");
    sim_restart(sim, "c", true);
    sim_run(sim, 1000);
    sim_publish(sim, "a", "kept/x");
    sim_publish(sim, "a", "lost/x");
    sim_run(sim, 20);
    ck_assert(told(sim, "c > deliver kept/x"));
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_broker_without_its_disk_moves_past_what_it_was)
{
    struct sim *sim = sim_new("a-b b-c", 6);

    for (int i = 0; i < 3; i++) {
        sim_subscribe(sim, "b", "x/#", 1);
        expect_well(sim);
        sim_crash(sim, "b", true);
        sim_run(sim, i * 1000);
        sim_restart(sim, "b", false);
        expect_well(sim);
    }
    sim_free(sim);
}
END_TEST

START_TEST(when_both_dial_one_link_remains)
{
    struct sim *sim = sim_new("a=b b=c a=c", 8);

    sim_subscribe(sim, "a", "#", 0);
    expect_well(sim);
    sim_crash(sim, "a", false);
    sim_restart(sim, "a", true);
    expect_well(sim);
    sim_cut(sim, "a-b");
    sim_heal(sim, "a-b", false);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_goodbye_is_known_at_once)
{
    struct sim *sim = sim_new("a-b b-c", 9);

    sim_subscribe(sim, "c", "#", 0);
    expect_well(sim);
    sim_leave(sim, "c");
    sim_run(sim, 30);
    expect(sim, "[   0] c > link.down b: shutting down\n"
                "[   1] b > link.down c: peer said bye: shutting down\n"
                "[   5] c > node.lost a\n"
                "[   5] c > node.lost b\n"
                "[   6] b > node.lost c\n"
                "[   7] a > node.lost c\n");
    expect_well(sim);
    sim_restart(sim, "c", true);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_partition_heals_with_what_changed_on_either_side)
{
    struct sim *sim = sim_new("a-b b-c c-d d-e", 10);

    sim_subscribe(sim, "a", "a/#", 0);
    sim_subscribe(sim, "e", "e/#", 1);
    expect_well(sim);
    sim_cut(sim, "c-d");
    expect_well(sim);
    sim_unsubscribe(sim, "a", "a/#");
    sim_subscribe(sim, "a", "b/#", 2);
    sim_subscribe(sim, "d", "b/a", 0);
    sim_crash(sim, "e", false);
    sim_restart(sim, "e", true);
    expect_well(sim);
    sim_heal(sim, "c-d", false);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_wide_filter_that_comes_and_goes_leaves_no_hole)
{
    struct sim *sim = sim_new("a-b", 11);
    char filter[32];

    for (int i = 0; i < 300; i++) {
        snprintf(filter, sizeof filter, "a/%d", i);
        sim_subscribe(sim, "b", filter, 0);
    }
    expect_well(sim);
    for (int flip = 0; flip < 20; flip++) {
        if (flip % 2)
            sim_unsubscribe(sim, "b", "#");
        else
            sim_subscribe(sim, "b", "#", 1);
        for (int i = 0; i < 10; i++) {
            sim_publish(sim, "a", "a/7");
            sim_run(sim, 50 + 40 * flip);
            ck_assert_msg(told(sim, "b > deliver a/7"), "flip %d, %d", flip, i);
        }
    }
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_slow_link_drops_messages_before_it_loses_its_neighbour)
{
    struct sim *sim = sim_new("a-b", 12);

    sim_tune(sim, "a-b", 20, 5, 8000);
    sim_subscribe(sim, "b", "#", 0);
    sim_settle(sim);
    sim_trace(sim);
    uint64_t before = sim_delivered(sim);
    for (int i = 0; i < 2000; i++) {
        sim_publish(sim, "a", "plant/1/temp");
        sim_run(sim, 1);
    }
    ck_assert(!told(sim, "down"));
    ck_assert_uint_gt(sim_delivered(sim), before + 100);
    ck_assert_uint_lt(sim_delivered(sim), before + 2000);
    sim_tune(sim, "a-b", 20, 5, 0);
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_flapping_link_is_damped_and_then_trusted_again)
{
    struct sim *sim = sim_new("a-b b-c a-c", 13);

    sim_subscribe(sim, "c", "#", 0);
    expect_well(sim);
    for (int i = 0; i < 20; i++) {
        sim_cut(sim, "a-c");
        sim_run(sim, 500);
        sim_heal(sim, "a-c", false);
        sim_run(sim, 500);
        sim_publish(sim, "b", "x");
    }
    expect_well(sim);
    sim_free(sim);
}
END_TEST

START_TEST(a_link_that_goes_is_left_although_its_records_have_to_wait)
{
    struct sim *sim = sim_new("a-b b-c a-c a-d c-d a-e c-e a-f c-f a-g c-g a-h c-h a-i c-i a-j c-j", 17);
    static const char *const others[] = { "d", "e", "f", "g", "h", "i", "j" };

    sim_subscribe(sim, "c", "plant/+/temp", 0);
    expect_well(sim);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        sim_crash(sim, others[i], false); /* so many that the next records are a second away */
        sim_run(sim, i < 6 ? 700 : 20);
    }
    sim_cut(sim, "a-c");
    sim_run(sim, 560); /* paths are computed every half second at most */
    sim_trace(sim);
    sim_publish(sim, "a", "plant/1/temp");
    sim_run(sim, 20);
    expect(sim, "[   2] c > deliver plant/1/temp\n");
    sim_free(sim);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_effects)
{
    struct sim_schedule schedule = {
        .seed = 99, .nodes = 7, .steps = 40, .faults = true, .shape = SIM_RANDOM
    };
    struct sim_result first = sim_schedule_run(&schedule), second = sim_schedule_run(&schedule);

    ck_assert_str_eq(first.failure, "");
    ck_assert_uint_eq(first.hash, second.hash);
    ck_assert_uint_eq(first.steps, second.steps);
    schedule.seed++;
    ck_assert_uint_ne(sim_schedule_run(&schedule).hash, first.hash);
}
END_TEST

UNIT_MAIN("sim/stories", two_brokers_meet_and_route_what_is_wanted,
          a_cut_link_reroutes_through_the_third_broker, a_black_hole_is_noticed_within_three_pings,
          a_link_that_is_silent_one_way_is_given_up_by_both,
          a_crashed_broker_comes_back_with_its_subscriptions,
          a_broker_without_its_disk_moves_past_what_it_was, when_both_dial_one_link_remains,
          a_goodbye_is_known_at_once, a_partition_heals_with_what_changed_on_either_side,
          a_wide_filter_that_comes_and_goes_leaves_no_hole,
          a_slow_link_drops_messages_before_it_loses_its_neighbour,
          a_flapping_link_is_damped_and_then_trusted_again,
          a_link_that_goes_is_left_although_its_records_have_to_wait,
          the_same_seed_gives_the_same_effects)
