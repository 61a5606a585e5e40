/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wheel.h"

#include <assert.h>

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        wheel->used[level] = 0;
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
    list_init(&wheel->expired);
}

void timer_init(struct timer *timer)
{
    list_init(&timer->node);
    timer->due_ms = WHEEL_NEVER;
}

bool timer_armed(const struct timer *timer)
{
    return list_linked(&timer->node);
}

/* The level is that of the highest group of six bits in which due and now differ:
 * below it the wheel will have turned to zero when the slot comes up. */
static int level_of(const struct wheel *wheel, uint64_t due_ms)
{
    return (63 - __builtin_clzll(due_ms ^ wheel->now_ms)) / SLOT_BITS;
}

void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_ms)
{
    wheel_cancel(wheel, timer);
    timer->due_ms = due_ms;
    if (due_ms <= wheel->now_ms) {
        list_push_back(&wheel->expired, &timer->node);
        return;
    }
    int level = level_of(wheel, due_ms);
    int slot = (int)(due_ms >> (SLOT_BITS * level) & SLOT_MASK);
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->used[level] |= (uint64_t)1 << slot;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    struct list *next = timer->node.next;

    if (!list_linked(&timer->node))
        return;
    list_remove(&timer->node);
    /* If that emptied a slot, next is its head: say so in the bitmap. */
    if (list_empty(next) && next >= &wheel->slots[0][0] &&
        next <= &wheel->slots[WHEEL_LEVELS - 1][WHEEL_SLOTS - 1]) {
        int index = (int)(next - &wheel->slots[0][0]);
        wheel->used[index / WHEEL_SLOTS] &= ~((uint64_t)1 << (index % WHEEL_SLOTS));
    }
}

/* The lowest level in use and its first slot: the next time the wheel has work. */
static bool next_slot(const struct wheel *wheel, int *ret_level, int *ret_slot, uint64_t *ret_ms)
{
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->used[level] == 0)
            continue;
        int slot = __builtin_ctzll(wheel->used[level]);
        uint64_t span = (uint64_t)1 << (SLOT_BITS * level);
        uint64_t base = wheel->now_ms & ~(span * WHEEL_SLOTS - 1); /* the top level: 0 */
        *ret_level = level;
        *ret_slot = slot;
        *ret_ms = base + span * (uint64_t)slot;
        return true;
    }
    return false;
}

/* Turn to the start of a slot: its timers expire or move down. */
static void turn_to(struct wheel *wheel, int level, int slot, uint64_t start_ms)
{
    struct list *head = &wheel->slots[level][slot], *node;
    struct list moving;

    assert(start_ms >= wheel->now_ms);
    wheel->now_ms = start_ms;
    wheel->used[level] &= ~((uint64_t)1 << slot);
    list_init(&moving);
    while ((node = list_pop_front(head)))
        list_push_back(&moving, node);
    while ((node = list_pop_front(&moving))) {
        struct timer *timer = list_entry(node, struct timer, node);
        wheel_set(wheel, timer, timer->due_ms);
    }
}

struct timer *wheel_expire(struct wheel *wheel, uint64_t now_ms)
{
    int level, slot;
    uint64_t start_ms;

    while (list_empty(&wheel->expired) && next_slot(wheel, &level, &slot, &start_ms) &&
           start_ms <= now_ms)
        turn_to(wheel, level, slot, start_ms);
    struct list *node = list_pop_front(&wheel->expired);
    if (node)
        return list_entry(node, struct timer, node);
    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;
    return NULL;
}

uint64_t wheel_deadline(const struct wheel *wheel)
{
    int level, slot;
    uint64_t start_ms;

    if (!list_empty(&wheel->expired))
        return wheel->now_ms;
    return next_slot(wheel, &level, &slot, &start_ms) ? start_ms : WHEEL_NEVER;
}
