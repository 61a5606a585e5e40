/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that gets real conversations with bytes changed, cut and repeated must refuse
 * or ignore them, and stay whole. Run with the sanitizers. */
#include "unit.h"
#include "world.h"

#include "base/buf.h"
#include "base/rand.h"
#include "mqtt/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3000, KEPT = 400 };

/* Bundles as they were really sent. */
struct recording {
    struct buf bundles[KEPT];
    size_t count;
};

static void record(struct recording *recording, const struct world *world)
{
    for (const struct world_packet *at = world->first; at; at = at->next) {
        if (recording->count < KEPT && at->len)
            buf_append(&recording->bundles[recording->count++], at->bytes, at->len);
    }
}

/* Let two brokers say all kinds of things. */
static void converse(struct world *world, struct recording *recording)
{
    char filter[32], topic[32];
    static char large[100000];

    for (int i = 0; i < 400; i++) {
        snprintf(filter, sizeof filter, "t/%d/+", i % 90);
        snprintf(topic, sizeof topic, "t/%d/x", i % 90);
        if (i % 3 == 0)
            world_subscribe(world, i % 2, filter);
        if (i % 7 == 0)
            world_unsubscribe(world, i % 2, filter);
        world_publish(world, !(i % 2), topic, "payload");
        world_publish(world, i % 2, "t/0/x", "payload");
        if (i % 50 == 0) {
            struct message *message = message_new(STR("t/3/x"), (struct str){ NULL, 0 },
                                                  (struct str){ large, sizeof large });
            message->expires_ms = world->now_ms + 5000;
            world_publish_message(world, i % 2, message);
        }
        world_run(world, 1);
        record(recording, world);
        world_run(world, 13);
    }
}

/* Change some bytes, cut, or double a part. */
static void mutate(struct rand *rand, struct buf *bytes)
{
    for (uint64_t n = 1 + rand_below(rand, 6); n > 0 && bytes->len; n--) {
        size_t at = rand_below(rand, bytes->len);
        switch (rand_below(rand, 5)) {
        case 0: bytes->data[at] = (uint8_t)rand_next(rand); break;
        case 1: bytes->data[at] ^= (uint8_t)(1u << rand_below(rand, 8)); break;
        case 2: bytes->data[at] = 0xff; break;
        case 3: bytes->len = at; break;
        default: {
            size_t len = rand_below(rand, bytes->len - at) / 2;
            struct buf copy = { 0 };
            buf_append(&copy, bytes->data + at, len);
            buf_append_str(bytes, buf_str(&copy));
            buf_finish(&copy);
        }
        }
    }
}

static void remember(int node, struct mesh_config *config)
{
    (void)node;
    config->digest_ms = 100;
    config->filters_max = 2000;
    config->nodes_max = 50;
}

START_TEST(mutated_conversations_are_refused_or_harmless)
{
    static struct recording recording;
    struct world *world = world_new(2, remember);
    struct rand rand;
    int link, injected = 0;

    rand_init(&rand, 4711);
    world_join(world, 0, 1);
    record(&recording, world);
    for (int i = 0; i < 20; i++) {
        world_run(world, 1);
        record(&recording, world);
    }
    converse(world, &recording);
    ck_assert_uint_ge(recording.count, 200);
    for (int round = 0; round < ROUNDS; round++) {
        if (world->link_count == WORLD_LINKS) {
            /* A new start: it may be in quarantine by now, or full of invented brokers. */
            ck_assert_ptr_null(mesh_audit(world->nodes[0].mesh));
            world_free(world);
            world = world_new(2, remember);
            world_join(world, 0, 1);
            world_subscribe(world, 0, "t/#");
            world_run(world, 20);
            world_cut(world, 0);
        }
        link = world_join(world, 0, 1);
        world_run(world, 1 + rand_below(&rand, 12));
        for (int i = 0; i < 4 && world->links[link].id[0]; i++) {
            struct buf bytes = { 0 };
            buf_append_str(&bytes, buf_str(&recording.bundles[rand_below(&rand, recording.count)]));
            mutate(&rand, &bytes);
            /* In a block of its own, so that a read beyond is seen. */
            uint8_t *block = malloc(bytes.len + 1);
            memcpy(block, bytes.data, bytes.len);
            injected += world_link_state(world, link, 0) >= LINK_EXCHANGE;
            world_inject(world, link, 0, block, bytes.len);
            free(block);
            buf_finish(&bytes);
        }
        world_run(world, 3);
        if (world->links[link].up)
            world_cut(world, link);
        world->nodes[0].facts[0] = world->nodes[1].facts[0] = '\0';
        world->nodes[0].inbox[0] = world->nodes[1].inbox[0] = '\0';
    }
    for (size_t i = 0; i < recording.count; i++)
        buf_finish(&recording.bundles[i]);
    ck_assert_int_ge(injected, ROUNDS / 2); /* not all at closed doors */
    world_free(world);
}
END_TEST

UNIT_MAIN("mesh/mutation", mutated_conversations_are_refused_or_harmless)
