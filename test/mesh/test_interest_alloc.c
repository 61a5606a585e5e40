/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc_fault.h"
#include "unit.h"

#include "base/err.h"
#include "base/hash.h"
#include "mesh/interest_index.h"
#include "mesh/iset.h"
#include "mesh/local_interest.h"

#include <stdio.h>

static struct interest wish(char *out, unsigned i)
{
    const char *format = i % 3 == 0 ? "a/%u/b" : i % 3 == 1 ? "a/%u/#" : "+/%u/b";

    return (struct interest){ { out, (size_t)sprintf(out, format, i / 2) }, i % 2, false };
}

START_TEST(an_interest_set_survives_faults)
{
    struct iset *set = iset_new();
    struct interest found;
    char text[32];

    for (unsigned i = 0; i < 400; i++) {
        struct interest entry = wish(text, i * 7 % 400);
        int err = ERR_NOMEM;
        for (long n = 0; err; n++) {
            size_t count = iset_count(set);
            alloc_fault_after(n);
            err = iset_put(set, &entry);
            alloc_fault_after(-1);
            ck_assert(!err || iset_count(set) == count);
        }
        ck_assert(iset_find(set, entry.filter, &found));
    }
    ck_assert_uint_eq(iset_hash(set), iset_hash_recompute(set));
    iset_free(set);
}
END_TEST

/* A change never fails. A copy that shares the block, and for which there is no memory to keep
 * it, can be told from one that is whole. */
START_TEST(a_copy_that_could_not_be_kept_is_torn)
{
    struct iset *set = iset_new(), *copy;
    char text[32];
    uint32_t torn = 0;

    for (unsigned i = 0; i < 400; i++) {
        struct interest entry = wish(text, i);
        ck_assert_int_eq(iset_put(set, &entry), ERR_OK);
    }
    ck_assert_int_eq(iset_share(set, &copy), ERR_OK);
    ck_assert(iset_remove(set, wish(text, 7).filter));
    alloc_fault_after(0);
    bool removed = iset_remove(set, wish(text, 201).filter);
    alloc_fault_after(-1);
    ck_assert(removed);
    ck_assert_uint_eq(iset_hash(set), iset_hash_recompute(set));
    const struct filter_set *filters = iset_filters(copy);
    for (uint32_t slot = 0; slot < filters->slot_count; slot++)
        torn += filter_set_torn(filters, slot);
    ck_assert_uint_eq(torn, 1);
    iset_free(copy);
    iset_free(set);
}
END_TEST

START_TEST(an_interest_index_survives_faults)
{
    struct interest_index *index = NULL;
    char text[32];

    for (long n = 0; !index; n++) {
        alloc_fault_after(n);
        index = interest_index_new(1);
        alloc_fault_after(-1);
    }
    for (unsigned i = 0; i < 200; i++) {
        struct interest entry = wish(text, i / 4);
        int err = ERR_NOMEM;
        for (long n = 0; err; n++) {
            size_t pairs = interest_index_stats(index).pairs;
            alloc_fault_after(n);
            err = interest_index_put(index, i % 4, &entry);
            alloc_fault_after(-1);
            ck_assert(!err || interest_index_stats(index).pairs == pairs);
        }
    }
    for (long n = 0, done = 0; !done; n++) {
        size_t count;
        alloc_fault_after(n);
        interest_index_match(index, STR("a/6/b"), hash_mix((uint64_t)n), &count);
        done = !alloc_fault_happened();
        alloc_fault_after(-1);
        ck_assert(count == 4 || count == SIZE_MAX);
    }
    interest_index_free(index);
}
END_TEST

/* Carry changes into a set, through faults. What a fault leaves undone comes later. */
static void take(struct local_interest *li, uint64_t now_ms, struct iset *told)
{
    struct interest_changes changes = { 0 };

    for (long n = 0; n == 0 || local_interest_deadline(li) <= now_ms; n++) {
        interest_changes_finish(&changes);
        alloc_fault_after(n);
        int err = local_interest_take(li, now_ms, &changes);
        alloc_fault_after(-1);
        ck_assert(!err || interest_changes_count(&changes) == 0);
        vec_each (&changes.adds, add)
            ck_assert_int_eq(iset_put(told, add), ERR_OK);
        vec_each (&changes.removals, removal)
            ck_assert(iset_remove(told, removal->filter));
    }
    interest_changes_finish(&changes);
    ck_assert_uint_eq(iset_hash(local_interest_told_set(li)), iset_hash(told));
}

START_TEST(local_interest_survives_faults)
{
    struct local_interest *li = NULL;
    struct iset *told = iset_new();
    char text[32];

    for (long n = 0; !li; n++) {
        alloc_fault_after(n);
        li = local_interest_new(100, 50);
        alloc_fault_after(-1);
    }
    for (unsigned i = 0; i < 600; i++) {
        struct interest entry = wish(text, i * 11 % 97);
        int err = ERR_NOMEM;
        for (long n = 0; err; n++) {
            alloc_fault_after(n);
            err = local_interest_set(li, &entry);
            alloc_fault_after(-1);
        }
        local_interest_unset(li, wish(text, i * 13 % 97).filter, i * 10);
        if (i % 5 == 0)
            take(li, i * 10, told);
        ck_assert(i % 5 || local_interest_told(li) == iset_count(told));
    }
    for (unsigned i = 0; i < 97; i++)
        local_interest_unset(li, wish(text, i).filter, 6000);
    take(li, 6100, told);
    ck_assert_uint_eq(iset_count(told), 0);
    ck_assert_uint_eq(local_interest_count(li), 0);
    iset_free(told);
    local_interest_free(li);
}
END_TEST

UNIT_MAIN("mesh/interest_alloc", an_interest_set_survives_faults,
          a_copy_that_could_not_be_kept_is_torn, an_interest_index_survives_faults,
          local_interest_survives_faults)
