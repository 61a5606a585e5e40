/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS/broker/...: figures of the broker as retained messages, under the names that
 * Mosquitto has made common. Nothing is made or timed while nobody subscribes to them.
 * They go out at QoS 0: all at a subscription, later those that have changed. */
#pragma once

#include "core/core.h"
#include "core/load.h"
#include "core/sub_index.h"

#include <stdbool.h>
#include <stddef.h>

struct session;

enum { SYS_TOPICS = 57, SYS_LOADS = 9 };

struct sys {
    struct load loads[SYS_LOADS];
    uint64_t loads_ms; /* when they were brought up to date */
    uint64_t due_ms;  /* when to publish again; UINT64_MAX: nobody listens */
    size_t listening; /* filters below $SYS that somebody has subscribed to */
    uint64_t said[SYS_TOPICS];
};

/* Nobody listens. */
void sys_init(struct sys *sys, uint64_t now_ms);

/* Somebody has subscribed to a filter that nobody had, or nobody has any more. Other
 * filters than those below $SYS don't matter. */
void sys_listen(struct core *core, struct str filter, bool wanted);

/* Publish what has changed, if it is time. */
void sys_on_tick(struct core *core);

/* Send all figures that match a new subscription, as retained messages. */
void sys_send(struct core *core, struct session *session, struct str filter,
              const struct sub_entry *entry);
