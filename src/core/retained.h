/* SPDX-License-Identifier: Apache-2.0 */
/* The retained messages: one a topic, found by name and by filter. A tree of topic levels
 * in which a plain level costs one look-up and + or # walks only what is below it; the
 * order of a walk is that in which topics came. [MQTT5 3.3.1.3] */
#pragma once

#include "base/map.h"
#include "base/wheel.h"
#include "mqtt/message.h"
#include "topic/topic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retained_node;

struct retained {
    uint64_t seed;
    struct map nodes; /* by parent and level */
    struct retained_node *root;
    struct wheel expiry;
    size_t count;   /* of messages */
    uint64_t bytes; /* of messages, as message_size counts */
};

/* An empty store. ERR_OK or ERR_NOMEM; retained_finish is right after either. seed: secret. */
int retained_init(struct retained *retained, uint64_t seed, uint64_t now_ms);

/* Give all messages back and free the memory. Accepts a zeroed one. */
void retained_finish(struct retained *retained);

/* The message of a topic, borrowed, or NULL. */
struct message *retained_find(const struct retained *retained, struct str topic);

/* Keep the message for its topic instead of an earlier one; takes a reference. ERR_OK or
 * ERR_NOMEM (nothing changed). [MQTT-3.3.1-5] */
int retained_put(struct retained *retained, struct message *message);

/* Forget the message of a topic; false if there is none. [MQTT-3.3.1-6] */
bool retained_remove(struct retained *retained, struct str topic);

/* The next message whose time is over, still kept: remove it. NULL when none is left. */
struct message *retained_expired(struct retained *retained, uint64_t now_ms);

/* When retained_expired is due next; WHEEL_NEVER when nothing expires. */
uint64_t retained_deadline(const struct retained *retained);

/* A walk over the messages that a filter matches. */
struct retained_walk {
    const struct retained *retained;
    size_t depth_count;
    size_t depth;   /* levels below the root at which node stands */
    bool hash_last; /* the filter ends in #, which levels does not hold */
    const struct retained_node *node;
    struct str levels[TOPIC_LEVELS_MAX];
};

/* Begin to walk; filter is valid and outlives the walk, and nothing is put or removed
 * during it. */
void retained_walk(struct retained_walk *walk, const struct retained *retained, struct str filter);

/* The next message, borrowed; NULL at the end. */
struct message *retained_walk_next(struct retained_walk *walk);
