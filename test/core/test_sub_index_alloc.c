/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc_fault.h"
#include "unit.h"

#include "base/err.h"
#include "base/hash.h"
#include "core/sub_index.h"

#include <stdio.h>

/* Add until it succeeds, with a fault one allocation later each time. Failures must leave
 * all as it was. Returns the number of faults. */
static long add_through_faults(struct sub_index *index, struct str filter, session_id session)
{
    struct sub_entry entry = { .session = session };
    struct sub_index_stats before = sub_index_stats(index);

    for (long n = 0;; n++) {
        struct sub_interest interest;
        filter_id id;
        bool existed;
        alloc_fault_after(n);
        int err = sub_index_add(index, filter, &entry, &id, &existed, &interest);
        bool happened = alloc_fault_happened();
        alloc_fault_after(-1);
        if (!err) {
            ck_assert(!happened);
            return n;
        }
        ck_assert_int_eq(err, ERR_NOMEM);
        ck_assert_uint_eq(sub_index_stats(index).subscriptions, before.subscriptions);
        ck_assert_uint_eq(sub_index_stats(index).filters, before.filters);
    }
}

static void match_through_faults(struct sub_index *index, struct str topic, size_t expected)
{
    for (long n = 0, done = 0; !done; n++) {
        size_t count;
        alloc_fault_after(n);
        const struct sub_entry *entries =
            sub_index_match(index, topic, hash_fast(n, topic.ptr, topic.len), &count);
        done = !alloc_fault_happened();
        alloc_fault_after(-1);
        if (count == SIZE_MAX)
            ck_assert_ptr_null(entries);
        else
            ck_assert_uint_eq(count, expected);
    }
}

START_TEST(running_out_of_memory_changes_nothing)
{
    struct sub_index *index = NULL;
    char filter[64];
    long faults = 0;

    for (long n = 0; !index; n++) {
        alloc_fault_after(n);
        index = sub_index_new(1);
        alloc_fault_after(-1);
    }
    for (unsigned i = 0; i < 60; i++) {
        struct str exact = { filter, (size_t)sprintf(filter, "a/%u/b", i % 20) };
        faults += add_through_faults(index, exact, i);
        struct str wild = { filter, (size_t)sprintf(filter, "a/+/%u/#", i % 20) };
        faults += add_through_faults(index, wild, i);
        faults += add_through_faults(index, STR("a/+/b"), i);
    }
    ck_assert_int_gt(faults, 100);
    match_through_faults(index, STR("a/3/b"), 60 + 3);
    match_through_faults(index, STR("a/x/7/y"), 3);
    sub_index_free(index);
}
END_TEST

UNIT_MAIN("core/sub_index_alloc", running_out_of_memory_changes_nothing)
