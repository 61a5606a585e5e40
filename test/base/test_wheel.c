/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/rand.h"
#include "base/wheel.h"

START_TEST(a_timer_expires_at_its_millisecond_and_not_before)
{
    struct wheel wheel;
    struct timer timer;

    wheel_init(&wheel, 1000);
    timer_init(&timer);
    wheel_set(&wheel, &timer, 66000);
    ck_assert_ptr_null(wheel_expire(&wheel, 65999));
    ck_assert(timer_armed(&timer));
    ck_assert_ptr_eq(wheel_expire(&wheel, 66000), &timer);
    ck_assert(!timer_armed(&timer));
    ck_assert_uint_eq(wheel_deadline(&wheel), WHEEL_NEVER);
}
END_TEST

START_TEST(a_cancelled_timer_leaves_no_deadline_behind)
{
    struct wheel wheel;
    struct timer timer;

    wheel_init(&wheel, 0);
    timer_init(&timer);
    wheel_set(&wheel, &timer, 5000);
    wheel_cancel(&wheel, &timer);
    ck_assert_uint_eq(wheel_deadline(&wheel), WHEEL_NEVER);
    wheel_cancel(&wheel, &timer);
    ck_assert_ptr_null(wheel_expire(&wheel, 10000));
}
END_TEST

START_TEST(a_time_that_has_passed_is_due_at_once)
{
    struct wheel wheel;
    struct timer timer;

    wheel_init(&wheel, 100);
    timer_init(&timer);
    wheel_set(&wheel, &timer, 50);
    ck_assert_uint_le(wheel_deadline(&wheel), 100);
    ck_assert_ptr_eq(wheel_expire(&wheel, 100), &timer);
}
END_TEST

START_TEST(random_timers_expire_in_order_and_exactly_once)
{
    enum { TIMERS = 500 };
    struct timer timers[TIMERS];
    struct wheel wheel;
    struct rand rand;
    uint64_t now = 123456789;

    rand_init(&rand, 3);
    wheel_init(&wheel, now);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i]);
        wheel_set(&wheel, &timers[i], now + 1 + rand_below(&rand, (uint64_t)1 << (i % 30)));
    }
    for (int i = 0; i < TIMERS; i += 7)
        wheel_cancel(&wheel, &timers[i]);
    int left = 0;
    for (int i = 0; i < TIMERS; i++)
        left += timer_armed(&timers[i]);
    while (left > 0) {
        uint64_t deadline = wheel_deadline(&wheel), earliest = WHEEL_NEVER;
        for (int i = 0; i < TIMERS; i++) {
            if (timer_armed(&timers[i]) && timers[i].due_ms < earliest)
                earliest = timers[i].due_ms;
        }
        ck_assert_uint_le(deadline, earliest);
        ck_assert_uint_ge(deadline, now);
        now = deadline;
        struct timer *timer;
        while ((timer = wheel_expire(&wheel, now))) {
            ck_assert_uint_eq(timer->due_ms, now);
            left--;
        }
    }
    ck_assert_uint_eq(wheel_deadline(&wheel), WHEEL_NEVER);
}
END_TEST

START_TEST(a_timer_as_far_as_the_clock_reaches_still_comes)
{
    struct wheel wheel;
    struct timer timer;
    uint64_t due = ((uint64_t)1 << 62) + 5;

    wheel_init(&wheel, 0);
    timer_init(&timer);
    wheel_set(&wheel, &timer, due);
    ck_assert_ptr_null(wheel_expire(&wheel, due - 1));
    ck_assert_ptr_eq(wheel_expire(&wheel, due), &timer);
}
END_TEST

UNIT_MAIN("base/wheel", a_timer_expires_at_its_millisecond_and_not_before,
          a_cancelled_timer_leaves_no_deadline_behind, a_time_that_has_passed_is_due_at_once,
          random_timers_expire_in_order_and_exactly_once, a_timer_as_far_as_the_clock_reaches_still_comes)
