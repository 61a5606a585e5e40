/* SPDX-License-Identifier: Apache-2.0 */
/* Random conversations: the same seed says the same things, byte for byte; what is counted
 * comes back to nothing; and with an allocation failing anywhere nothing breaks. Linked
 * with malloc wrapped. */
#include "unit.h"

#include "base/rand.h"
#include "talk.h"

#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool in_step;     /* only the core's own allocations fail */
static long fail_after;  /* so many succeed first; below 0: all do */
static long fail_missed; /* failures so far */

static bool fails(void)
{
    if (!in_step || fail_after < 0)
        return false;
    if (fail_after > 0) {
        fail_after--;
        return false;
    }
    fail_missed++;
    fail_after = -1;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static void around_step(bool before)
{
    in_step = before;
}

enum { CLIENTS = 6 };

static const char *const topics[] = { "a", "a/b", "a/b/c", "b//c", "/", "$x/a" };
static const char *const filters[] = { "#",    "a/#", "+/b",  "a/b",          "+/+/c",
                                       "$x/+", "/",   "b//+", "$share/g/a/#", "$share/h/#" };

static void say_hello(struct talk *t, struct rand *rand, conn_id conn)
{
    static const char *const ids[] = { "k0", "k1", "k2", "k3", "k4", "" };
    static const enum mqtt_version versions[] = { MQTT_5, MQTT_311, MQTT_31 };
    struct hello hello = { .version = versions[rand_below(rand, 3)],
                           .keep = rand_below(rand, 2),
                           .keep_alive = (uint16_t)rand_below(rand, 50),
                           .receive_max = (uint16_t)rand_below(rand, 4),
                           .alias_max = (uint16_t)rand_below(rand, 3),
                           .packet_max = rand_below(rand, 4) ? 0 : 60,
                           .expiry_s = (uint32_t)rand_below(rand, 30) };

    if (rand_below(rand, 2)) {
        hello.will_topic = topics[rand_below(rand, 6)];
        hello.will_payload = "w";
        hello.will_qos = (uint8_t)rand_below(rand, 3);
        hello.will_retain = rand_below(rand, 2);
        hello.will_delay_s = (uint32_t)rand_below(rand, 5);
    }
    talk_connect(t, conn, ids[rand_below(rand, 6)], hello);
}

static void say_something(struct talk *t, struct rand *rand, conn_id conn)
{
    static const enum mqtt_kind acks[] = { MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP };
    uint16_t id = (uint16_t)(1 + rand_below(rand, 6));
    uint64_t filter;

    switch (rand_below(rand, 6)) {
    case 0:
        filter = rand_below(rand, 10);
        SUBSCRIBE(t, conn, filters[filter], .qos = (uint8_t)rand_below(rand, 3),
                  .no_local = filter < 8 && rand_below(rand, 2),
                  .as_published = rand_below(rand, 2), .handling = (uint8_t)rand_below(rand, 3),
                  .sub_id = (uint32_t)rand_below(rand, 3));
        break;
    case 1: talk_unsubscribe(t, conn, filters[rand_below(rand, 10)]); break;
    case 2:
        if (rand_below(rand, 9))
            talk_ack(t, conn, acks[rand_below(rand, 4)], id, 0);
        else
            talk_ack(t, conn, acks[rand_below(rand, 2)], id, 0x80);
        break;
    default:
        PUBLISH(t, conn, topics[rand_below(rand, 6)], rand_below(rand, 5) ? "payload" : "",
                .qos = (uint8_t)rand_below(rand, 3), .id = id, .retain = rand_below(rand, 3) == 0,
                .expiry_s = (uint32_t)rand_below(rand, 3), .user = "v");
    }
}

/* A conversation of so many turns; its talk, for looking at. */
static struct talk *converse(uint64_t seed, int turns)
{
    struct talk *t = talk_new(&(struct core_config){ .queue_messages_max = 5,
                                                     .queue_qos0 = seed % 2,
                                                     .inflight_max = 3,
                                                     .retained_max = 4,
                                                     .receive_max = 4,
                                                     .subscriptions_max = 4 });
    struct rand rand;

    rand_init(&rand, seed);
    t->show = TALK_FORWARDS | TALK_INTERESTS | TALK_STORES | TALK_FACTS;
    for (int i = 0; i < turns; i++) {
        conn_id conn = 1 + (conn_id)rand_below(&rand, CLIENTS);
        uint64_t dice = rand_below(&rand, 40);
        if (dice == 0)
            talk_wait(t, rand_below(&rand, 4000));
        else if (dice == 1)
            talk_remote(t, topics[rand_below(&rand, 5)], "far", (uint8_t)rand_below(&rand, 3),
                        rand_below(&rand, 2));
        else if (dice == 2)
            t->hold_store = !t->hold_store;
        else if (!t->versions[conn] || !t->open[conn])
            say_hello(t, &rand, conn);
        else if (dice == 3)
            talk_cut(t, conn);
        else if (dice == 4)
            talk_goodbye(t, conn, rand_below(&rand, 2) ? 0 : 4, -1);
        else if (dice < 8)
            talk_event(t, conn, dice == 5 ? CORE_CONGESTED : CORE_DRAINED);
        else
            say_something(t, &rand, conn);
    }
    return t;
}

START_TEST(the_same_events_have_the_same_effects)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct talk *a = converse(seed, 2000), *b = converse(seed, 2000);
        ck_assert(!a->failed);
        ck_assert_uint_gt(a->wire.len, 10000);
        ck_assert(str_equal(buf_str(&a->wire), buf_str(&b->wire)));
        ck_assert_str_eq(talk_said(a), talk_said(b));
        talk_free(a);
        talk_free(b);
    }
}
END_TEST

START_TEST(when_all_have_left_nothing_is_left)
{
    for (uint64_t seed = 30; seed <= 50; seed++) {
        struct talk *t = converse(seed, 2000);
        for (conn_id conn = 1; conn <= CLIENTS; conn++) {
            if (t->open[conn])
                talk_cut(t, conn);
        }
        talk_wait(t, 8ull * 24 * 3600 * 1000);
        struct core_stats stats = core_stats(t->core);
        ck_assert_uint_eq(stats.connections, 0);
        ck_assert_uint_eq(stats.sessions, 0);
        ck_assert_uint_eq(stats.subscriptions, 0);
        ck_assert_uint_eq(stats.filters, 0);
        ck_assert_uint_eq(stats.queued, 0);
        ck_assert_uint_eq(stats.queued_bytes, 0);
        ck_assert_uint_eq(stats.inflight, 0);
        ck_assert_uint_eq(core_deadline(t->core), UINT64_MAX);
        talk_free(t);
    }
}
END_TEST

/* One failure in each conversation, a little later each time. */
START_TEST(memory_may_run_out_anywhere)
{
    int said = 0;

    talk_around_step = around_step;
    for (long after = 0; after < 500; after++) {
        fail_after = after;
        fail_missed = 0;
        struct talk *t = converse((uint64_t)(60 + after % 7), 250);
        fail_after = -1;
        said += t->failed;
        talk_free(t);
    }
    talk_around_step = NULL;
    in_step = false;
    ck_assert_int_gt(said, 200);
}
END_TEST

/* [MQTT311-4.8.0-2]: without memory for a message nothing is promised. */
START_TEST(who_publishes_when_memory_is_short_is_closed_and_not_acknowledged)
{
    static const char *const closes[] = { "1 close\n", "1 DISCONNECT 89\n1 close\n" };

    for (int i = 0; i < 2; i++) {
        struct talk *t = talk_new(NULL);
        CONNECT(t, 1, "a", .version = i ? MQTT_5 : MQTT_311);
        talk_forget(t);
        talk_around_step = around_step;
        fail_after = 0;
        PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
        talk_around_step = NULL;
        in_step = false;
        fail_after = -1;
        ck_assert(t->failed);
        TALK_EXPECT(t, closes[i]);
        talk_free(t);
    }
}
END_TEST

START_TEST(a_core_is_made_whole_or_not_at_all)
{
    int after = 0;
    struct core *core;

    in_step = true;
    do {
        fail_after = after++;
        core = core_new(&(struct core_config){ .seed = 1 }, 0);
    } while (!core);
    in_step = false;
    fail_after = -1;
    ck_assert_int_gt(after, 3);
    core_free(core);
    core_free(NULL);
}
END_TEST

UNIT_MAIN("core/determinism", the_same_events_have_the_same_effects,
          when_all_have_left_nothing_is_left, memory_may_run_out_anywhere,
          who_publishes_when_memory_is_short_is_closed_and_not_acknowledged,
          a_core_is_made_whole_or_not_at_all)
