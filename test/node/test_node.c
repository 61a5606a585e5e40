/* SPDX-License-Identifier: Apache-2.0 */
/* What a node adds to its halves. */
#include "unit.h"

#include "node/node.h"

static struct node *make(uint8_t id, uint64_t now_ms)
{
    static const struct str seed = { "ws://peer.example/mesh", 22 };
    struct node_config config = { .core.seed = 1,
                                  .mesh = { .id.bytes = { id },
                                            .inc = 1,
                                            .boot = id,
                                            .random_seed = id,
                                            .name = STR("x"),
                                            .mesh_name = STR("test"),
                                            .seeds = &seed,
                                            .seed_count = 1 } };

    mesh_config_defaults(&config.mesh);
    return node_new(&config, now_ms);
}

START_TEST(a_broker_that_finds_nobody_to_join_has_no_deadline_in_the_past)
{
    struct node *node = make(1, 1000);
    struct node_out out = { 0 };
    uint64_t now_ms = 1000;

    ck_assert_ptr_nonnull(node);
    ck_assert(!node_joined(node, now_ms));
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_gt(node_deadline(node), now_ms - (i == 0));
        now_ms = node_deadline(node);
        node_tick(node, now_ms, now_ms * 1000, &out);
        node_out_clear(&out);
    }
    ck_assert(node_joined(node, now_ms));
    node_out_finish(&out);
    node_free(node);
}
END_TEST

UNIT_MAIN("node/node", a_broker_that_finds_nobody_to_join_has_no_deadline_in_the_past)
