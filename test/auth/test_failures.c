/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/failures.h"

#include <stdio.h>

enum { DELAY = 500, DELAY_MAX = 5000, FORGET = 60000, ADDRESSES = 100 };

static const struct failures_config usual = {
    .delay_ms = DELAY, .delay_max_ms = DELAY_MAX, .forget_ms = FORGET, .addresses_max = ADDRESSES
};

static struct failures *failures(const struct failures_config *config)
{
    struct failures *made = failures_new(config, (struct hash_key){ 1, 2 });

    ck_assert_ptr_nonnull(made);
    return made;
}

static uint64_t account(const char *peer)
{
    return failures_account(str_from_c(peer));
}

START_TEST(each_wrong_password_makes_the_next_refusal_wait_longer)
{
    static const uint32_t waits[] = { 500, 1000, 2000, 4000, 5000, 5000 };
    struct failures *f = failures(&usual);
    uint64_t now_ms = 1000;

    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        ck_assert(failures_may_try(f, 7, now_ms));
        ck_assert_uint_eq(failures_note(f, 7, now_ms), waits[i]);
        now_ms += waits[i];
    }
    ck_assert_uint_eq(failures_note(f, 8, now_ms), DELAY); /* another address is another's */
    now_ms += FORGET;
    ck_assert_uint_eq(failures_note(f, 7, now_ms), DELAY); /* forgotten */
    ck_assert_uint_eq(failures_addresses(f), 1);
    failures_free(f);
}
END_TEST

/* However many connections: an address has no more tries than waits end. */
START_TEST(many_connections_find_a_password_no_sooner)
{
    enum { HOUR_MS = 3600000 };
    struct failures *f = failures(&usual);
    unsigned tried = 0, others = 0;

    for (uint64_t now_ms = 0; now_ms < HOUR_MS; now_ms += 5) {
        while (failures_may_try(f, 7, now_ms)) {
            failures_note(f, 7, now_ms);
            tried++;
        }
        others += failures_may_try(f, 8, now_ms);
    }
    ck_assert_uint_ge(tried, HOUR_MS / DELAY_MAX * FAILURES_PARALLEL);
    ck_assert_uint_le(tried, HOUR_MS / DELAY_MAX * FAILURES_PARALLEL + 2 * FAILURES_PARALLEL);
    ck_assert_uint_eq(others, HOUR_MS / 5);
    failures_free(f);
}
END_TEST

START_TEST(a_flood_of_addresses_costs_no_more_memory_than_was_granted)
{
    struct failures *f = failures(&usual);

    for (uint64_t i = 1; i <= 100000; i++) {
        failures_note(f, i, i / 100);
        ck_assert_uint_le(failures_addresses(f), ADDRESSES);
        if (i % 50 == 0) /* who goes on is remembered through it */
            failures_note(f, 1000000, i / 100);
    }
    ck_assert_uint_eq(failures_note(f, 1000000, 1000), DELAY_MAX);
    ck_assert_uint_eq(failures_note(f, 1, 1000), DELAY); /* ... and who came first is not */
    failures_configure(f, &(struct failures_config){ .delay_ms = DELAY,
                                                     .delay_max_ms = DELAY_MAX,
                                                     .forget_ms = FORGET,
                                                     .addresses_max = 10 });
    failures_note(f, 2, 1000);
    ck_assert_uint_le(failures_addresses(f), 10);
    failures_free(f);
}
END_TEST

START_TEST(without_a_delay_nothing_is_held_against_anybody)
{
    struct failures *f = failures(&(struct failures_config){ .forget_ms = 1, .addresses_max = 1 });

    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(failures_note(f, 7, 0), 0);
    ck_assert(failures_may_try(f, 7, 0));
    ck_assert_uint_eq(failures_addresses(f), 0);
    failures_free(f);
    failures_free(NULL);
}
END_TEST

START_TEST(who_has_no_address_has_no_account)
{
    struct failures *f = failures(&usual);
    static const char *const none[] = { "",      "-",           "unix:/run/x", "unix:",
                                        "[",     "[]",          "1.2.3",       "1.2.3.4.5:1",
                                        "a:b:c", "[1.2.3.4]:5", ":::" };

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        ck_assert_msg(account(none[i]) == 0, "%s", none[i]);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(failures_note(f, 0, 0), 0);
    ck_assert(failures_may_try(f, 0, 0));
    failures_free(f);
}
END_TEST

START_TEST(an_account_is_an_address_or_a_network_of_64_bits)
{
    ck_assert_uint_eq(account("192.0.2.1:4711"), account("192.0.2.1:80"));
    ck_assert_uint_eq(account("192.0.2.1"), account("192.0.2.1:80"));
    ck_assert_uint_eq(account("[::ffff:192.0.2.1]:80"), account("192.0.2.1:80"));
    ck_assert_uint_ne(account("192.0.2.1:80"), account("192.0.2.2:80"));
    ck_assert_uint_eq(account("[2001:db8::1]:80"), account("[2001:db8::ffff:1]:81"));
    ck_assert_uint_eq(account("2001:db8::1"), account("[2001:db8::ffff:1]:81"));
    ck_assert_uint_ne(account("[2001:db8::1]:80"), account("[2001:db8:0:1::1]:80"));
    ck_assert_uint_eq(account("[fe80::1%eth0]:80"), account("[fe80::2]:80"));
    ck_assert_uint_ne(account("[::1]:80"), 0);
    ck_assert_uint_ne(account("[::1]:80"), account("127.0.0.1:80"));
}
END_TEST

UNIT_MAIN("auth/failures", each_wrong_password_makes_the_next_refusal_wait_longer,
          many_connections_find_a_password_no_sooner,
          a_flood_of_addresses_costs_no_more_memory_than_was_granted,
          without_a_delay_nothing_is_held_against_anybody, who_has_no_address_has_no_account,
          an_account_is_an_address_or_a_network_of_64_bits)
