/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "mesh/iset.h"

#include <stdio.h>
#include <string.h>

static struct str number(char *out, unsigned i)
{
    return (struct str){ out, (size_t)sprintf(out, "plant/%u/+", i) };
}

static void put(struct iset *set, struct str filter, uint8_t qos, bool persistent)
{
    struct interest entry = { filter, qos, persistent };

    ck_assert_int_eq(iset_put(set, &entry), ERR_OK);
}

START_TEST(entries_come_back_in_order_of_text)
{
    struct iset *set = iset_new();
    struct interest entry;
    char text[32], before[32] = "";
    size_t cursor = 0, seen = 0;

    ck_assert(!iset_next(set, &cursor, &entry));
    for (unsigned i = 0; i < 2000; i++)
        put(set, number(text, i * 7919 % 2000), i % 3, i % 2);
    ck_assert_uint_eq(iset_count(set), 2000);
    for (cursor = 0; iset_next(set, &cursor, &entry); seen++) {
        ck_assert_int_lt(str_compare(str_from_c(before), entry.filter), 0);
        memcpy(before, entry.filter.ptr, entry.filter.len);
        before[entry.filter.len] = '\0';
    }
    ck_assert_uint_eq(seen, 2000);
    ck_assert(iset_find(set, STR("plant/1999/+"), &entry));
    ck_assert(!iset_find(set, STR("plant/2000/+"), &entry));
    iset_free(set);
}
END_TEST

START_TEST(the_hash_is_that_of_the_content_whatever_its_history)
{
    struct iset *a = iset_new(), *b = iset_new();
    char text[32];

    for (unsigned i = 0; i < 500; i++)
        put(a, number(text, i), 1, false);
    for (unsigned i = 800; i-- > 0;)
        put(b, number(text, i), 0, true);
    for (unsigned i = 500; i < 800; i++)
        ck_assert(iset_remove(b, number(text, i)));
    ck_assert_uint_ne(iset_hash(a), iset_hash(b));
    for (unsigned i = 0; i < 500; i++)
        put(b, number(text, i), 1, false);
    ck_assert_uint_eq(iset_hash(a), iset_hash(b));
    ck_assert_uint_eq(iset_hash(a), iset_hash_recompute(a));
    put(b, STR("x"), 0, false);
    ck_assert(iset_remove(b, STR("x")));
    ck_assert(!iset_remove(b, STR("x")));
    ck_assert_uint_eq(iset_hash(a), iset_hash(b));
    for (unsigned i = 0; i < 500; i++)
        iset_remove(a, number(text, i));
    ck_assert_uint_eq(iset_hash(a), 0);
    ck_assert_uint_eq(iset_count(a), 0);
    iset_free(a);
    iset_free(b);
}
END_TEST

/* The value travels between brokers: it may not change with the machine or the year. */
START_TEST(the_hash_is_the_same_for_ever)
{
    struct iset *set = iset_new();

    put(set, STR("plant/+/temp"), 1, true);
    ck_assert_uint_eq(iset_hash(set), 746841582464547093u);
    iset_free(set);
}
END_TEST

enum { MODEL = 700 };

START_TEST(it_agrees_with_a_plain_table_under_random_changes)
{
    struct interest model[MODEL] = { 0 }, entry;
    struct iset *set = iset_new();
    struct rand rand;
    char text[32];
    size_t count = 0;

    rand_init(&rand, 5);
    for (int round = 0; round < 40000; round++) {
        unsigned i = (unsigned)rand_below(&rand, MODEL);
        struct str filter = number(text, i);
        bool has = model[i].filter.len > 0;
        ck_assert_int_eq(iset_find(set, filter, &entry), has);
        if (has)
            ck_assert(entry.qos == model[i].qos && entry.persistent == model[i].persistent);
        if (rand_below(&rand, 20000) > (unsigned)round % 20000) {
            put(set, filter, (uint8_t)rand_below(&rand, 3), rand_below(&rand, 2));
            iset_find(set, filter, &entry);
            model[i] = entry;
            count += !has;
        } else {
            ck_assert_int_eq(iset_remove(set, filter), has);
            model[i].filter.len = 0;
            count -= has;
        }
        ck_assert_uint_eq(iset_count(set), count);
    }
    ck_assert_uint_eq(iset_hash(set), iset_hash_recompute(set));
    iset_free(set);
}
END_TEST

START_TEST(a_copy_stays_what_it_was)
{
    struct iset *set = iset_new(), *copy;
    struct interest entry;
    char text[32];
    size_t cursor = 0, seen = 0;

    for (unsigned i = 0; i < 1000; i++)
        put(set, number(text, i), 1, false);
    uint64_t hash = iset_hash(set);
    ck_assert_int_eq(iset_share(set, &copy), ERR_OK);
    for (unsigned i = 0; i < 1000; i += 2)
        iset_remove(set, number(text, i));
    for (unsigned i = 1; i < 1000; i += 2)
        put(set, number(text, i), 2, true);
    ck_assert_uint_eq(iset_hash(set), iset_hash_recompute(set));
    iset_free(set);
    ck_assert_uint_eq(iset_count(copy), 1000);
    ck_assert_uint_eq(iset_hash(copy), hash);
    ck_assert_uint_eq(iset_hash_recompute(copy), hash);
    for (; iset_next(copy, &cursor, &entry); seen++)
        ck_assert(entry.qos == 1 && !entry.persistent);
    ck_assert_uint_eq(seen, 1000);
    iset_free(copy);
}
END_TEST

START_TEST(an_entry_takes_less_than_its_text)
{
    struct iset *set = iset_new();
    char text[32];
    size_t texts = 0;

    ck_assert_uint_le(iset_bytes(set), 64);
    for (unsigned i = 0; i < 50000; i++) {
        struct str filter = number(text, i * 7919 % 50000);
        texts += filter.len;
        put(set, filter, 0, false);
    }
    ck_assert_uint_le(iset_bytes(set), texts);
    iset_free(set);
}
END_TEST

UNIT_MAIN("mesh/iset", entries_come_back_in_order_of_text,
          the_hash_is_that_of_the_content_whatever_its_history, the_hash_is_the_same_for_ever,
          it_agrees_with_a_plain_table_under_random_changes,
          a_copy_stays_what_it_was, an_entry_takes_less_than_its_text)
