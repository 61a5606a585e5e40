/* SPDX-License-Identifier: Apache-2.0 */
/* What waits on a link: limits, ages, and who goes first. MESH.md 3.15. */
#include "unit.h"

#include "mesh/link_queue.h"
#include "mesh/mesh.h"

#include <string.h>

static bool add(struct link_queue *queue, struct bundle_pool *pool, enum queue_class class,
                size_t len, uint64_t now_ms)
{
    uint8_t *at = link_queue_add(queue, pool, class, len, now_ms);

    if (at)
        memset(at, class, len);
    return at != NULL;
}

START_TEST(frames_share_bundles_up_to_the_target)
{
    struct link_queue queue;
    struct bundle_pool pool = { .bytes_max = 1 << 20, .age_max_ms = 1000 };
    enum queue_class class;

    link_queue_init(&queue);
    for (int i = 0; i < 100; i++)
        ck_assert(add(&queue, &pool, CLASS_DATA, 1000, 5));
    add(&queue, &pool, CLASS_DATA, MESH_BUNDLE_MAX, 5); /* one large frame has its own */
    ck_assert_uint_eq(pool.bytes, 100000 + MESH_BUNDLE_MAX);
    ck_assert_uint_eq(link_queue_recount(&queue), pool.bytes);
    size_t frames = 0, bundles = 0;
    struct bundle *bundle;
    while ((bundle = link_queue_take(&queue, &pool, &class))) {
        ck_assert_uint_le(bundle->len, bundles == 7 ? MESH_BUNDLE_MAX : BUNDLE_TARGET);
        frames += bundle->frames;
        bundles++;
        bundle_release(&pool, bundle);
    }
    ck_assert_uint_eq(frames, 101);
    ck_assert_uint_eq(bundles, 8);
    ck_assert_uint_eq(pool.bytes, 0);
    ck_assert(link_queue_empty(&queue));
    link_queue_finish(&queue, &pool);
    bundle_pool_finish(&pool);
}
END_TEST

START_TEST(a_full_class_drops_its_oldest_data_and_refuses_the_rest)
{
    struct link_queue queue;
    struct bundle_pool pool = { .bytes_max = 100000, .age_max_ms = 1000 };
    enum queue_class class;

    link_queue_init(&queue);
    for (int i = 0; i < 300; i++)
        ck_assert(add(&queue, &pool, CLASS_DATA, 1000, 5));
    ck_assert_uint_le(queue.bytes[CLASS_DATA], 100000);
    ck_assert_uint_ge(queue.bytes[CLASS_DATA], 80000);
    ck_assert_uint_eq(pool.dropped_full, 300 - queue.bytes[CLASS_DATA] / 1000);
    for (int i = 0; i < 100; i++)
        ck_assert(add(&queue, &pool, CLASS_CONTROL, 1000, 5));
    ck_assert(!add(&queue, &pool, CLASS_CONTROL, 1000, 5));
    struct bundle *bundle = link_queue_take(&queue, &pool, &class);
    ck_assert_int_eq(class, CLASS_CONTROL);
    bundle_release(&pool, bundle);
    ck_assert(add(&queue, &pool, CLASS_CONTROL, 1000, 5));
    link_queue_finish(&queue, &pool);
    ck_assert_uint_eq(pool.bytes, 0);
    bundle_pool_finish(&pool);
}
END_TEST

START_TEST(data_that_is_too_old_goes)
{
    struct link_queue queue;
    struct bundle_pool pool = { .bytes_max = 1 << 20, .age_max_ms = 1000 };

    link_queue_init(&queue);
    add(&queue, &pool, CLASS_DATA, BUNDLE_TARGET, 5);
    add(&queue, &pool, CLASS_DATA, BUNDLE_TARGET, 500);
    add(&queue, &pool, CLASS_CONTROL, 10, 0);
    ck_assert_uint_eq(link_queue_expire(&queue, &pool, 1004), 1005);
    ck_assert_uint_eq(link_queue_expire(&queue, &pool, 1005), 1500);
    ck_assert_uint_eq(link_queue_expire(&queue, &pool, 1500), UINT64_MAX);
    ck_assert_uint_eq(pool.dropped_age, 2);
    ck_assert_uint_eq(pool.bytes, 10);
    link_queue_finish(&queue, &pool);
    bundle_pool_finish(&pool);
}
END_TEST

START_TEST(data_that_must_last_is_not_dropped_for_its_age)
{
    struct link_queue queue;
    struct bundle_pool pool = { .bytes_max = 1 << 20, .age_max_ms = 1000 };

    link_queue_init(&queue);
    add(&queue, &pool, CLASS_DATA, BUNDLE_TARGET, 5);
    link_queue_keep(&queue, CLASS_DATA);
    add(&queue, &pool, CLASS_DATA, BUNDLE_TARGET, 500);
    ck_assert_uint_eq(link_queue_expire(&queue, &pool, 1200), 1500);
    ck_assert_uint_eq(link_queue_expire(&queue, &pool, 1500), UINT64_MAX);
    ck_assert_uint_eq(pool.dropped_age, 1);
    ck_assert_uint_eq(pool.bytes, BUNDLE_TARGET);
    ck_assert_uint_eq(link_queue_recount(&queue), BUNDLE_TARGET);
    link_queue_finish(&queue, &pool);
    bundle_pool_finish(&pool);
}
END_TEST

START_TEST(control_goes_first_and_the_rest_shares_by_weight)
{
    struct link_queue queue;
    struct bundle_pool pool = { .bytes_max = 1 << 22, .age_max_ms = 1000 };
    int taken[CLASS_COUNT] = { 0 };

    link_queue_init(&queue);
    for (int i = 0; i < 100; i++) {
        for (enum queue_class class = CLASS_SNAPSHOT; class < CLASS_COUNT; class ++)
            add(&queue, &pool, class, BUNDLE_TARGET, 5);
    }
    add(&queue, &pool, CLASS_REPLY, 100, 5);
    add(&queue, &pool, CLASS_CONTROL, 100, 5);
    for (int i = 0; i < 2 + 13 * 5; i++) {
        enum queue_class class;
        struct bundle *bundle = link_queue_take(&queue, &pool, &class);
        if (i < 2)
            ck_assert_int_eq(class, i);
        taken[class]++;
        bundle_release(&pool, bundle);
    }
    ck_assert_int_eq(taken[CLASS_SNAPSHOT], 40);
    ck_assert_int_eq(taken[CLASS_DATA], 20);
    ck_assert_int_eq(taken[CLASS_BULK], 5);
    link_queue_finish(&queue, &pool);
    bundle_pool_finish(&pool);
}
END_TEST

UNIT_MAIN("mesh/link_queue", frames_share_bundles_up_to_the_target,
          a_full_class_drops_its_oldest_data_and_refuses_the_rest, data_that_is_too_old_goes,
          data_that_must_last_is_not_dropped_for_its_age,
          control_goes_first_and_the_rest_shares_by_weight)
