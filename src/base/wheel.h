/* SPDX-License-Identifier: Apache-2.0 */
/* A hierarchical timer wheel: set and cancel cost the same for ten timers and for a
 * million. Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987. Eleven
 * levels of 64 slots, one millisecond fine, as wide as the clock.
 *
 * Timers live inside the things they belong to; the wheel links and never owns them.
 * Timers due in the same millisecond expire in the order in which they were set, or
 * moved down a level: a function of the calls alone. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_LEVELS = 11, WHEEL_SLOTS = 64 };

/* Nothing is due, ever. */
#define WHEEL_NEVER UINT64_MAX

struct timer {
    struct list node;
    uint64_t due_ms;
};

struct wheel {
    uint64_t now_ms;
    uint64_t used[WHEEL_LEVELS]; /* bit s: slot s of that level is not empty */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list expired;
};

/* An empty wheel that stands at now_ms. */
void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* A timer that is not set. Needed before the first wheel_set or wheel_cancel. */
void timer_init(struct timer *timer);

/* Is the timer set and not yet handed out? */
bool timer_armed(const struct timer *timer);

/* Set, or move, the timer. A time that has passed is due at the next wheel_expire. */
void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_ms);

/* Forget the timer; nothing happens if it is not set. */
void wheel_cancel(struct wheel *wheel, struct timer *timer);

/* The next timer that is due at now_ms, taken out, or NULL when there is none left.
 * Call until NULL; timers may be set and cancelled in between. */
struct timer *wheel_expire(struct wheel *wheel, uint64_t now_ms);

/* When to call wheel_expire next: never later than the earliest timer, sometimes a
 * little earlier; WHEEL_NEVER when none is set. */
uint64_t wheel_deadline(const struct wheel *wheel);
