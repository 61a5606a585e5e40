/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/rand.h"
#include "core/sub_index.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

static struct sub_interest last;

static filter_id add(struct sub_index *index, const char *filter, session_id session, uint8_t qos)
{
    struct sub_entry entry = { .session = session, .qos = qos, .persistent = qos > 0 };
    bool existed;
    filter_id id;

    ck_assert_int_eq(sub_index_add(index, str_from_c(filter), &entry, &id, &existed, &last),
                     ERR_OK);
    return id;
}

static const struct sub_entry *match(struct sub_index *index, const char *topic, size_t *ret_count)
{
    return sub_index_match(index, str_from_c(topic), hash_fast(1, topic, strlen(topic)), ret_count);
}

START_TEST(overlapping_subscriptions_stand_together_by_session)
{
    struct sub_index *index = sub_index_new(1);
    size_t count;

    add(index, "a/+", 5, 1);
    add(index, "a/b", 2, 0);
    add(index, "#", 5, 2);
    add(index, "#", 1, 0);
    add(index, "a/b", 9, 0);
    for (int again = 0; again < 2; again++) {
        const struct sub_entry *entries = match(index, "a/b", &count);
        static const session_id expected[] = { 1, 2, 5, 5, 9 };
        ck_assert_uint_eq(count, 5);
        for (size_t i = 0; i < count; i++)
            ck_assert_uint_eq(entries[i].session, expected[i]);
    }
    match(index, "$x", &count);
    ck_assert_uint_eq(count, 0);
    sub_index_free(index);
}
END_TEST

START_TEST(a_new_subscription_is_seen_by_a_cached_topic)
{
    struct sub_index *index = sub_index_new(1);
    struct sub_interest interest;
    size_t count;

    match(index, "a/b", &count);
    ck_assert_uint_eq(count, 0);
    filter_id id = add(index, "a/b", 1, 0);
    match(index, "a/b", &count);
    ck_assert_uint_eq(count, 1);
    add(index, "a/#", 1, 0);
    match(index, "a/b", &count);
    ck_assert_uint_eq(count, 2);
    ck_assert(sub_index_remove(index, id, 1, &interest));
    ck_assert_uint_eq(interest.count, 0);
    ck_assert_uint_eq(add(index, "zzz", 7, 0), id);
    const struct sub_entry *entries = match(index, "a/b", &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(entries[0].session, 1);
    sub_index_free(index);
}
END_TEST

START_TEST(interest_is_the_highest_of_all_subscribers)
{
    struct sub_index *index = sub_index_new(1);
    struct sub_interest interest;
    filter_id id = add(index, "a", 1, 0);

    ck_assert(last.count == 1 && last.qos == 0 && !last.persistent);
    add(index, "a", 2, 2);
    ck_assert(last.count == 2 && last.qos == 2 && last.persistent);
    add(index, "a", 3, 1);
    add(index, "a", 2, 0);
    ck_assert(last.count == 3 && last.qos == 1 && last.persistent);
    ck_assert(!sub_index_remove(index, id, 4, &interest));
    ck_assert_uint_eq(interest.count, 3);
    ck_assert(sub_index_remove(index, id, 3, &interest));
    ck_assert(interest.count == 2 && interest.qos == 0 && !interest.persistent);
    ck_assert_ptr_null(sub_index_entry(index, id, 3));
    ck_assert_uint_eq(sub_index_entry(index, id, 2)->session, 2);
    ck_assert(sub_index_remove(index, id, 1, &interest));
    ck_assert(sub_index_remove(index, id, 2, &interest));
    ck_assert_uint_eq(sub_index_stats(index).filters, 0);
    ck_assert_uint_eq(sub_index_find(index, STR("a")), FILTER_NONE);
    sub_index_free(index);
}
END_TEST

START_TEST(a_thousand_subscribers_come_and_go_in_any_order)
{
    struct sub_index *index = sub_index_new(1);
    struct sub_interest interest;
    filter_id id = 0;
    size_t count;

    for (session_id i = 0; i < 1000; i++)
        id = add(index, "a", i * 7 % 1000, i % 3);
    const struct sub_entry *entries = match(index, "a", &count);
    ck_assert_uint_eq(count, 1000);
    for (session_id i = 0; i < 1000; i++)
        ck_assert_uint_eq(entries[i].session, i);
    for (session_id i = 0; i < 1000; i++) {
        ck_assert(sub_index_remove(index, id, i * 11 % 1000, &interest));
        ck_assert_uint_eq(interest.count, 999 - i);
    }
    match(index, "a", &count);
    ck_assert_uint_eq(count, 0);
    sub_index_free(index);
}
END_TEST

enum { SESSIONS = 8, FILTERS = 120 };

struct model {
    char text[FILTERS][64];
    bool has[FILTERS][SESSIONS];
};

static void random_filter(struct rand *rand, char *out, bool wild)
{
    static const char *const levels[] = { "a", "b", "c", "$d", "+", "#" };
    size_t depth = 1 + rand_below(rand, 4);

    out[0] = '\0';
    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, wild ? 6 : 4)];
        strcat(strcat(out, i ? "/" : ""), level);
        if (*level == '#')
            break;
    }
}

static void check_model(struct sub_index *index, const struct model *model, const char *topic)
{
    size_t count, expected = 0;
    const struct sub_entry *entries = match(index, topic, &count);

    for (size_t f = 0; f < FILTERS; f++) {
        for (size_t s = 0; s < SESSIONS; s++)
            expected += model->has[f][s] &&
                        topic_filter_matches(str_from_c(model->text[f]), str_from_c(topic));
    }
    ck_assert_uint_eq(count, expected);
    for (size_t i = 1; i < count; i++)
        ck_assert_uint_le(entries[i - 1].session, entries[i].session);
}

START_TEST(it_agrees_with_comparing_every_subscription)
{
    static struct model model;
    struct sub_index *index = sub_index_new(5);
    struct sub_interest interest;
    struct rand rand;
    char topic[64];

    rand_init(&rand, 21);
    for (size_t f = 0; f < FILTERS; f++) {
        do
            random_filter(&rand, model.text[f], true);
        while (f && sub_index_find(index, str_from_c(model.text[f])) != FILTER_NONE);
        add(index, model.text[f], 0, 0);
        model.has[f][0] = true;
    }
    for (int round = 0; round < 4000; round++) {
        size_t f = rand_below(&rand, FILTERS), s = rand_below(&rand, SESSIONS);
        if (model.has[f][s])
            ck_assert(sub_index_remove(index, sub_index_find(index, str_from_c(model.text[f])),
                                       (session_id)s, &interest));
        else
            add(index, model.text[f], (session_id)s, 0);
        model.has[f][s] = !model.has[f][s];
        random_filter(&rand, topic, false);
        check_model(index, &model, topic);
    }
    sub_index_free(index);
}
END_TEST

UNIT_MAIN("core/sub_index", overlapping_subscriptions_stand_together_by_session,
          a_new_subscription_is_seen_by_a_cached_topic, interest_is_the_highest_of_all_subscribers,
          a_thousand_subscribers_come_and_go_in_any_order,
          it_agrees_with_comparing_every_subscription)
