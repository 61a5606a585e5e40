/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Exact topics and who receives them: the least a broker can do to route a message. */
struct receiver {
    void *client;
    uint8_t qos;
};

struct topic {
    uint64_t hash;
    uint8_t *name;
    size_t name_len;
    struct receiver *receivers;
    uint32_t count, cap;
};

/* Open addressing; the number of slots is a power of two. */
struct topics {
    struct topic **slots;
    uint32_t cap, count;
};

/* The topic of that name, NULL when nobody asked for it. */
struct topic *topics_find(const struct topics *topics, const uint8_t *name, size_t len);

/* Let client receive the topic. */
void topics_subscribe(struct topics *topics, const uint8_t *name, size_t len, void *client,
                      uint8_t qos);

/* Forget client everywhere. */
void topics_leave(struct topics *topics, const void *client);

/* Free everything. */
void topics_finish(struct topics *topics);
