/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "topic/filter_index.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

static uint32_t add_text(struct filter_index *index, struct str filter)
{
    uint32_t id;

    ck_assert_int_eq(filter_index_add(index, filter, &id), ERR_OK);
    *(uint64_t *)filter_index_data(index, id) = id;
    return id;
}

static uint32_t add(struct filter_index *index, const char *filter)
{
    return add_text(index, str_from_c(filter));
}

/* The number that add_text() has put into a filter's data. */
static uint32_t id_of(void *const *hit)
{
    return (uint32_t) * (const uint64_t *)*hit;
}

/* The matching filters as one text, in the order found. */
static const char *match(struct filter_index *index, const char *topic, char *out)
{
    struct filter_hits hits = { 0 };
    size_t n = 0;

    ck_assert_int_eq(filter_index_match(index, str_from_c(topic), &hits), ERR_OK);
    out[0] = '\0';
    vec_each (&hits, hit)
        n += (size_t)sprintf(out + n, "%s%.*s", n ? " " : "",
                             STR_ARG(filter_index_text(index, id_of(hit))));
    vec_finish(&hits);
    return out;
}

START_TEST(exact_and_wild_filters_are_found_together)
{
    struct filter_index *index = filter_index_new(1, 8);
    char out[256];

    add(index, "a/b");
    add(index, "a/+");
    add(index, "a/#");
    add(index, "#");
    add(index, "a/b/#");
    add(index, "+/b");
    add(index, "b/+");
    ck_assert_str_eq(match(index, "a/b", out), "a/b # a/# a/b/# a/+ +/b");
    ck_assert_str_eq(match(index, "a", out), "# a/#");
    ck_assert_str_eq(match(index, "b/", out), "# b/+");
    ck_assert_uint_eq(filter_index_count(index), 7);
    filter_index_free(index);
}
END_TEST

/* [MQTT-4.7.2-1] */
START_TEST(dollar_topics_hide_from_leading_wildcards)
{
    struct filter_index *index = filter_index_new(1, 8);
    char out[256];

    add(index, "#");
    add(index, "+/x");
    add(index, "+/#");
    add(index, "$SYS/#");
    add(index, "$SYS/+");
    ck_assert_str_eq(match(index, "$SYS/x", out), "$SYS/# $SYS/+");
    ck_assert_str_eq(match(index, "S/x", out), "# +/# +/x");
    filter_index_free(index);
}
END_TEST

START_TEST(a_filter_keeps_its_number_until_it_is_removed)
{
    struct filter_index *index = filter_index_new(1, 8);
    char out[64];
    uint32_t a = add(index, "a/+"), b = add(index, "b");

    ck_assert_uint_eq(add(index, "a/+"), a);
    ck_assert_uint_eq(filter_index_find(index, STR("b")), b);
    filter_index_remove(index, a);
    ck_assert(!filter_index_has(index, a));
    ck_assert_uint_eq(filter_index_find(index, STR("a/+")), FILTER_INDEX_NONE);
    ck_assert_str_eq(match(index, "a/x", out), "");
    ck_assert_uint_eq(add(index, "c"), a);
    ck_assert_uint_eq(filter_index_ids_end(index), 2);
    filter_index_free(index);
}
END_TEST

static struct str random_filter(struct rand *rand, char *out, bool wild)
{
    static const char *const levels[] = { "a", "b", "", "$c", "+", "+", "#" };
    size_t n = 0, depth = 1 + rand_below(rand, 5);

    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, wild ? 7 : 4)];
        if (i)
            out[n++] = '/';
        n += strlen(strcpy(out + n, level));
        if (*level == '#')
            break;
    }
    if (n == 0)
        out[n++] = 'a';
    return (struct str){ out, n };
}

/* Compare with asking topic_filter_matches for every filter. */
static void check_topic(struct filter_index *index, struct str topic, struct filter_hits *hits)
{
    size_t expected = 0;

    for (uint32_t id = 0; id < filter_index_ids_end(index); id++)
        expected += filter_index_has(index, id) &&
                    topic_filter_matches(filter_index_text(index, id), topic);
    ck_assert_int_eq(filter_index_match(index, topic, hits), ERR_OK);
    ck_assert_uint_eq(hits->len, expected);
    vec_each (hits, hit) {
        ck_assert(topic_filter_matches(filter_index_text(index, id_of(hit)), topic));
        for (void **other = hits->at; other < hit; other++)
            ck_assert_ptr_ne(*other, *hit);
    }
}

START_TEST(it_agrees_with_comparing_every_filter)
{
    struct filter_index *index = filter_index_new(7, 8);
    struct filter_hits hits = { 0 };
    struct rand rand;
    char text[64];

    rand_init(&rand, 3);
    for (int round = 0; round < 2000; round++) {
        struct str filter = random_filter(&rand, text, true);
        uint32_t id = filter_index_find(index, filter);
        if (id != FILTER_INDEX_NONE && rand_below(&rand, 3) > 0)
            filter_index_remove(index, id);
        else
            add_text(index, filter);
        check_topic(index, random_filter(&rand, text, false), &hits);
    }
    for (uint32_t id = 0; id < filter_index_ids_end(index); id++) {
        if (filter_index_has(index, id))
            filter_index_remove(index, id);
    }
    ck_assert_uint_eq(filter_index_count(index), 0);
    check_topic(index, STR("a/b"), &hits);
    vec_finish(&hits);
    filter_index_free(index);
}
END_TEST

/* What covers: against topic_filter_covers. */
static void check_covers(const struct filter_trie *trie, char (*texts)[64], size_t count,
                         struct str filter)
{
    struct filter_ids wide = { 0 };
    size_t wider = 0;

    ck_assert_int_eq(filter_trie_covering(trie, filter, &wide), ERR_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct str text = str_from_c(texts[i]);
        if (filter_trie_find(trie, text) != i)
            continue;
        wider += topic_filter_covers(text, filter);
    }
    vec_each (&wide, id)
        ck_assert(topic_filter_covers(str_from_c(texts[*id]), filter));
    ck_assert_uint_eq(wide.len, wider);
    vec_finish(&wide);
}

START_TEST(the_trie_knows_what_covers)
{
    static char texts[200][64];
    struct filter_trie trie;
    struct rand rand;
    char text[64];

    rand_init(&rand, 11);
    ck_assert_int_eq(filter_trie_init(&trie, 5), ERR_OK);
    for (int round = 0; round < 1500; round++) {
        uint32_t i = (uint32_t)rand_below(&rand, 200);
        if (filter_trie_find(&trie, str_from_c(texts[i])) == i)
            ck_assert(filter_trie_remove(&trie, str_from_c(texts[i])));
        struct str filter = random_filter(&rand, texts[i], true);
        texts[i][filter.len] = '\0';
        ck_assert_int_eq(filter_trie_put(&trie, filter, i), ERR_OK);
        check_covers(&trie, texts, 200, random_filter(&rand, text, true));
    }
    filter_trie_finish(&trie);
}
END_TEST

START_TEST(hostile_filters_cost_at_most_their_own_number)
{
    struct filter_index *index = filter_index_new(7, 8);
    struct filter_hits hits = { 0 };
    char filter[2 * TOPIC_LEVELS_MAX], topic[2 * TOPIC_LEVELS_MAX];

    /* All mixtures of a and + on twelve levels, behind and before the longest path. */
    for (unsigned mix = 0; mix < 1u << 12; mix++) {
        for (unsigned i = 0; i < TOPIC_LEVELS_MAX; i++) {
            filter[2 * i] = i < 12 && (mix >> i & 1) ? 'a' : '+';
            filter[2 * i + 1] = '/';
            topic[2 * i] = 'a';
            topic[2 * i + 1] = '/';
        }
        uint32_t id;
        ck_assert_int_eq(
            filter_index_add(index, (struct str){ filter, 2 * TOPIC_LEVELS_MAX - 1 }, &id), ERR_OK);
    }
    struct str name = { topic, 2 * TOPIC_LEVELS_MAX - 1 };
    ck_assert_int_eq(topic_name_check(name), ERR_OK);
    ck_assert_int_eq(filter_index_match(index, name, &hits), ERR_OK);
    ck_assert_uint_eq(hits.len, 1u << 12);
    vec_finish(&hits);
    filter_index_free(index);
}
END_TEST

UNIT_MAIN("topic/filter_index", exact_and_wild_filters_are_found_together,
          dollar_topics_hide_from_leading_wildcards, a_filter_keeps_its_number_until_it_is_removed,
          it_agrees_with_comparing_every_filter, the_trie_knows_what_covers,
          hostile_filters_cost_at_most_their_own_number)
