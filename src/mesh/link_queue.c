/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/link_queue.h"

#include "mesh/mesh.h"

#include <assert.h>
#include <stdlib.h>

/* Shares of what is left after control: snapshots, data, bulk. */
static const uint8_t class_weight[CLASS_COUNT] = { 0, 0, 8, 4, 1 };

void link_queue_init(struct link_queue *queue)
{
    *queue = (struct link_queue){ 0 };
    for (int i = 0; i < CLASS_COUNT; i++)
        list_init(&queue->bundles[i]);
}

static struct bundle *first_of(const struct link_queue *queue, enum queue_class class)
{
    if (list_empty(&queue->bundles[class]))
        return NULL;
    return list_entry(queue->bundles[class].next, struct bundle, node);
}

static void take_out(struct link_queue *queue, struct bundle_pool *pool, enum queue_class class,
                     struct bundle *bundle)
{
    list_remove(&bundle->node);
    queue->bytes[class] -= bundle->len;
    pool->bytes -= bundle->len;
}

/* Take the first bundle of a class out. */
static struct bundle *pop(struct link_queue *queue, struct bundle_pool *pool,
                          enum queue_class class)
{
    struct bundle *bundle = first_of(queue, class);

    take_out(queue, pool, class, bundle);
    return bundle;
}

void bundle_release(struct bundle_pool *pool, struct bundle *bundle)
{
    if (!pool->spare && bundle->cap == BUNDLE_TARGET)
        pool->spare = bundle;
    else
        free(bundle);
}

void link_queue_finish(struct link_queue *queue, struct bundle_pool *pool)
{
    for (enum queue_class class = 0; class < CLASS_COUNT; class ++) {
        while (first_of(queue, class))
            bundle_release(pool, pop(queue, pool, class));
    }
}

void bundle_pool_finish(struct bundle_pool *pool)
{
    free(pool->spare);
    pool->spare = NULL;
}

static struct bundle *bundle_new(struct bundle_pool *pool, size_t len, uint64_t now_ms)
{
    size_t cap = len > BUNDLE_TARGET ? len : BUNDLE_TARGET;
    struct bundle *bundle = NULL;

    if (cap == BUNDLE_TARGET && pool->spare) {
        bundle = pool->spare;
        pool->spare = NULL;
    } else {
        bundle = malloc(sizeof *bundle + cap);
    }
    if (bundle)
        *bundle = (struct bundle){ .born_ms = now_ms, .cap = (uint32_t)cap };
    return bundle;
}

bool link_queue_reserve(struct link_queue *queue, struct bundle_pool *pool, size_t len)
{
    if (len > pool->bytes_max)
        return false;
    while (queue->bytes[CLASS_DATA] + len > pool->bytes_max) {
        struct bundle *oldest = pop(queue, pool, CLASS_DATA);
        pool->dropped_full += oldest->frames;
        bundle_release(pool, oldest);
    }
    return true;
}

/* Make room in the class for len bytes, or say that there is none. */
static bool make_room(struct link_queue *queue, struct bundle_pool *pool, enum queue_class class,
                      size_t len)
{
    if (class == CLASS_DATA)
        return link_queue_reserve(queue, pool, len);
    /* A snapshot may be larger than the limit: it is bounded by the database. */
    return class == CLASS_SNAPSHOT || queue->bytes[class] + len <= pool->bytes_max;
}

uint8_t *link_queue_add(struct link_queue *queue, struct bundle_pool *pool, enum queue_class class,
                        size_t len, uint64_t now_ms)
{
    struct list *head = &queue->bundles[class];
    struct bundle *bundle;

    assert(len <= MESH_BUNDLE_MAX);
    if (queue->bytes[class] + len > pool->bytes_max && !make_room(queue, pool, class, len)) {
        pool->dropped_full++;
        return NULL;
    }
    bundle = list_empty(head) ? NULL : list_entry(head->prev, struct bundle, node);
    if (!bundle || bundle->cap - bundle->len < len) {
        bundle = bundle_new(pool, len, now_ms);
        if (!bundle) {
            pool->dropped_full++;
            return NULL;
        }
        list_push_back(head, &bundle->node);
    }
    uint8_t *at = bundle->data + bundle->len;
    bundle->len += (uint32_t)len;
    bundle->frames++;
    queue->bytes[class] += len;
    pool->bytes += len;
    if (pool->bytes > pool->bytes_peak)
        pool->bytes_peak = pool->bytes;
    return at;
}

void link_queue_keep(struct link_queue *queue, enum queue_class class)
{
    list_entry(queue->bundles[class].prev, struct bundle, node)->lasting = true;
}

/* The class whose turn it is among those that share. Each round gives every waiting class
 * its weight in bundle lengths. */
static enum queue_class next_shared(struct link_queue *queue)
{
    for (;;) {
        bool waiting = false;
        for (enum queue_class class = CLASS_SNAPSHOT; class < CLASS_COUNT; class ++) {
            struct bundle *bundle = first_of(queue, class);
            if (!bundle) {
                queue->credit[class] = 0;
                continue;
            }
            waiting = true;
            if (queue->credit[class] >= bundle->len) {
                queue->credit[class] -= bundle->len;
                return class;
            }
        }
        if (!waiting)
            return CLASS_COUNT;
        for (enum queue_class class = CLASS_SNAPSHOT; class < CLASS_COUNT; class ++) {
            if (first_of(queue, class))
                queue->credit[class] += class_weight[class] * (uint32_t)BUNDLE_TARGET;
        }
    }
}

struct bundle *link_queue_take(struct link_queue *queue, struct bundle_pool *pool,
                               enum queue_class *ret_class)
{
    enum queue_class class = CLASS_CONTROL;

    while (class <= CLASS_REPLY && !first_of(queue, class))
        class ++;
    if (class > CLASS_REPLY)
        class = next_shared(queue);
    if (class == CLASS_COUNT)
        return NULL;
    *ret_class = class;
    return pop(queue, pool, class);
}

uint64_t link_queue_expire(struct link_queue *queue, struct bundle_pool *pool, uint64_t now_ms)
{
    list_each_safe (&queue->bundles[CLASS_DATA], node, after) {
        struct bundle *bundle = list_entry(node, struct bundle, node);
        uint64_t due_ms = bundle->born_ms + pool->age_max_ms;
        if (bundle->lasting)
            continue;
        if (due_ms > now_ms)
            return due_ms;
        take_out(queue, pool, CLASS_DATA, bundle);
        pool->dropped_age += bundle->frames;
        bundle_release(pool, bundle);
    }
    return UINT64_MAX;
}

bool link_queue_empty(const struct link_queue *queue)
{
    for (enum queue_class class = 0; class < CLASS_COUNT; class ++) {
        if (first_of(queue, class))
            return false;
    }
    return true;
}

size_t link_queue_recount(const struct link_queue *queue)
{
    size_t bytes = 0;

    for (enum queue_class class = 0; class < CLASS_COUNT; class ++) {
        list_each (&queue->bundles[class], node)
            bytes += list_entry(node, struct bundle, node)->len;
    }
    return bytes;
}
