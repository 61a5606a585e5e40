/* SPDX-License-Identifier: Apache-2.0 */
/* What waits to go out on one link, by class: frames are written straight into bundles,
 * bundles leave by priority. Data is dropped oldest first when its class is full, such of
 * QoS 0 also when it is too old; snapshots are bounded by the database only; the other
 * classes refuse when they are full. MESH.md 3.15. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum queue_class {
    CLASS_CONTROL,  /* hello, ping, topology, interest changes: always first */
    CLASS_REPLY,    /* acknowledgements, claims */
    CLASS_SNAPSHOT, /* interest snapshots; later reliable data */
    CLASS_DATA,     /* data of every QoS, as long as nothing is reliable */
    CLASS_BULK,     /* drain, retained, migration */
    CLASS_COUNT
};

enum { BUNDLE_TARGET = 16384 };

/* Frames that travel together. */
struct bundle {
    struct list node;
    uint64_t born_ms; /* when its first frame came */
    uint32_t len, cap, frames;
    bool lasting; /* some frame in it must not be dropped for its age */
    uint8_t data[];
};

/* Limits and counts that all links of a broker share, and one bundle kept for use again. */
struct bundle_pool {
    struct bundle *spare;
    size_t bytes_max; /* per link and class */
    uint32_t age_max_ms;
    size_t bytes, bytes_peak;
    uint64_t dropped_full, dropped_age; /* frames */
};

struct link_queue {
    struct list bundles[CLASS_COUNT];
    size_t bytes[CLASS_COUNT];
    uint32_t credit[CLASS_COUNT]; /* of the deficit round robin */
};

/* An empty queue. */
void link_queue_init(struct link_queue *queue);

/* Drop everything. */
void link_queue_finish(struct link_queue *queue, struct bundle_pool *pool);

/* Free what the pool keeps. */
void bundle_pool_finish(struct bundle_pool *pool);

/* A place for one frame of exactly len bytes (at most MESH_BUNDLE_MAX) at the end of the
 * class, to be written at once; NULL when there is none (counted). */
uint8_t *link_queue_add(struct link_queue *queue, struct bundle_pool *pool, enum queue_class class,
                        size_t len, uint64_t now_ms);

/* Make room for so many bytes of data that belong together, by dropping what is older;
 * false when they would push one another out. */
bool link_queue_reserve(struct link_queue *queue, struct bundle_pool *pool, size_t len);

/* The frame that was added to the class last is not dropped for its age. */
void link_queue_keep(struct link_queue *queue, enum queue_class class);

/* The bundle to send next, taken out, and its class; NULL when the queue is empty. Give it
 * back with bundle_release. */
struct bundle *link_queue_take(struct link_queue *queue, struct bundle_pool *pool,
                               enum queue_class *ret_class);

/* Done with a bundle that was taken. */
void bundle_release(struct bundle_pool *pool, struct bundle *bundle);

/* Drop the data that is too old and may be; when the next will be, or UINT64_MAX. */
uint64_t link_queue_expire(struct link_queue *queue, struct bundle_pool *pool, uint64_t now_ms);

/* Does nothing wait? */
bool link_queue_empty(const struct link_queue *queue);

/* The bytes that wait, counted anew: for audits. */
size_t link_queue_recount(const struct link_queue *queue);
