/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "topic/filter_set.h"
#include "topic/filter_walk.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

enum { MODEL = 900, TEXT = 96 };

/* Texts whose order is that of their numbers, whatever they share. */
static struct str numbered(char *out, unsigned i)
{
    return (struct str){ out, (size_t)sprintf(
                                  out, "plant/%02u/dev%u%.*s", i / 100, 1000 + i, (int)(i % 7 * 9),
                                  "/a/temperature/that/nobody/will/ever/measure/at/all") };
}

static void check_order(const struct filter_set *set, const uint8_t *model)
{
    struct filter_reader reader = { 0 };
    char text[TEXT];
    size_t seen = 0;

    ck_assert_int_eq(filter_reader_seek(&reader, set, STR("")), ERR_OK);
    for (unsigned i = 0; i < MODEL; i++) {
        if (!model[i])
            continue;
        ck_assert(!reader.ended);
        ck_assert(str_equal(filter_reader_text(&reader), numbered(text, i)));
        ck_assert_uint_eq(reader.value, model[i]);
        filter_reader_next(&reader);
        seen++;
    }
    ck_assert(reader.ended);
    ck_assert_uint_eq(seen, set->count);
    filter_reader_finish(&reader);
}

static void check_marks(struct filter_set *set, const uint8_t *model)
{
    struct filter_reader reader = { 0 };
    char text[TEXT];

    for (unsigned mark = 0; mark < FILTER_SET_MARKS; mark++) {
        unsigned first = MODEL, count = 0;
        for (unsigned i = MODEL; i-- > 0;) {
            first = model[i] & FILTER_SET_MARK(mark) ? i : first;
            count += !!(model[i] & FILTER_SET_MARK(mark));
        }
        ck_assert_uint_eq(set->marked[mark], count);
        ck_assert_int_eq(filter_reader_marked(&reader, set, mark), ERR_OK);
        ck_assert_int_eq(reader.ended, first == MODEL);
        if (first < MODEL)
            ck_assert(str_equal(filter_reader_text(&reader), numbered(text, first)));
    }
    filter_reader_finish(&reader);
}

/* One random change of both. */
static void change(struct filter_set *set, uint8_t *model, struct rand *rand, bool grow)
{
    unsigned i = (unsigned)rand_below(rand, MODEL);
    char text[TEXT];
    struct str filter = numbered(text, i);
    uint8_t value;

    ck_assert_int_eq(filter_set_find(set, filter, &value), model[i] != 0);
    if (model[i])
        ck_assert_uint_eq(value, model[i]);
    if (rand_below(rand, 3) == !grow) {
        ck_assert_int_eq(filter_set_remove(set, filter), model[i] != 0);
        model[i] = 0;
    } else {
        model[i] = (uint8_t)(1 + rand_below(rand, rand_below(rand, 20) ? 63 : 255));
        ck_assert_int_eq(filter_set_put(set, filter, model[i]), ERR_OK);
    }
}

START_TEST(it_agrees_with_a_plain_table_under_random_changes)
{
    struct filter_set set = { 0 };
    uint8_t model[MODEL] = { 0 };
    struct rand rand;

    rand_init(&rand, 3);
    for (unsigned round = 0; round < 30000; round++) {
        change(&set, model, &rand, round / 3000 % 2 == 0);
        if (round % 500 == 0) {
            check_order(&set, model);
            check_marks(&set, model);
        }
    }
    filter_set_finish(&set);
}
END_TEST

START_TEST(a_copy_stays_what_it_was_while_the_set_changes)
{
    struct filter_set set = { 0 }, copy = { 0 };
    uint8_t model[MODEL] = { 0 }, then[MODEL];
    struct rand rand;

    rand_init(&rand, 4);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 200; i++)
            change(&set, model, &rand, round % 8 < 5);
        if (round % 3)
            continue;
        filter_set_finish(&copy);
        ck_assert_int_eq(filter_set_share(&set, &copy), ERR_OK);
        memcpy(then, model, sizeof then);
        for (unsigned i = 0; i < 300; i++)
            change(&set, model, &rand, round % 8 < 5);
        check_order(&copy, then);
        check_order(&set, model);
        for (uint32_t slot = 0; slot < copy.slot_count; slot++)
            ck_assert(!filter_set_torn(&copy, slot));
    }
    filter_set_finish(&copy);
    filter_set_finish(&set);
}
END_TEST

START_TEST(a_seek_finds_the_first_text_that_is_not_before)
{
    struct filter_set set = { 0 };
    struct filter_reader reader = { 0 };
    char text[TEXT];

    ck_assert_int_eq(filter_reader_seek(&reader, &set, STR("a")), ERR_OK);
    ck_assert(reader.ended);
    for (unsigned i = 0; i < MODEL; i += 3)
        ck_assert_int_eq(filter_set_put(&set, numbered(text, i), 1), ERR_OK);
    for (unsigned i = 0; i < MODEL; i++) {
        unsigned at = (i + 2) / 3 * 3;
        ck_assert_int_eq(filter_reader_seek(&reader, &set, numbered(text, i)), ERR_OK);
        ck_assert_int_eq(reader.ended, at >= MODEL);
        if (!reader.ended)
            ck_assert(str_equal(filter_reader_text(&reader), numbered(text, at)));
    }
    filter_reader_finish(&reader);
    filter_set_finish(&set);
}
END_TEST

START_TEST(long_texts_stand_in_blocks_of_their_own)
{
    enum { LONG = 30000 };
    static char text[LONG];
    struct filter_set set = { 0 };
    uint8_t value;

    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < 50; i++) {
        text[3] = (char)('A' + i * 17 % 50);
        ck_assert_int_eq(filter_set_put(&set, (struct str){ text, LONG - i }, (uint8_t)i), ERR_OK);
        ck_assert_int_eq(filter_set_put(&set, (struct str){ text, 4 }, (uint8_t)i), ERR_OK);
    }
    for (uint32_t slot = 0; slot < set.slot_count; slot++)
        ck_assert_uint_lt(filter_set_slot_bytes(&set, slot), LONG + 1024);
    for (unsigned i = 0; i < 50; i++) {
        text[3] = (char)('A' + i * 17 % 50);
        ck_assert(filter_set_find(&set, (struct str){ text, LONG - i }, &value) && value == i);
        ck_assert(filter_set_remove(&set, (struct str){ text, LONG - i }));
    }
    ck_assert_uint_eq(set.count, 50);
    filter_set_finish(&set);
}
END_TEST

START_TEST(a_filter_among_very_many_takes_little_more_than_what_is_its_own)
{
    struct filter_set set = { 0 };
    char text[TEXT];

    for (unsigned i = 0; i < 100000; i++) {
        unsigned n = (unsigned)(i * 7919ul % 100000);
        struct str filter = { text, (size_t)sprintf(text, "plant/%u/dev%u/temp", n % 97, n) };
        ck_assert_int_eq(filter_set_put(&set, filter, 0), ERR_OK);
    }
    ck_assert_uint_le(filter_set_bytes(&set), 100000 * 20);
    filter_set_finish(&set);
}
END_TEST

/* ---- covering ---- */

enum { FILTERS = 400 };

static struct str random_filter(struct rand *rand, char *out)
{
    static const char *const levels[] = { "a", "b", "a-", "a0", "+", "#", "$d", "", "!", "b" };
    size_t depth = 1 + rand_below(rand, 4);

    do {
        out[0] = '\0';
        for (size_t i = 0; i < depth; i++) {
            const char *level = levels[rand_below(rand, 10)];
            strcat(strcat(out, i ? "/" : ""), level);
            if (*level == '#')
                break;
        }
    } while (!out[0]);
    return str_from_c(out);
}

static bool at_least(uint8_t value, uint8_t needed)
{
    return value >= needed;
}

/* Walk what the filter covers, a few steps at a time, and compare. */
static void check_covered(const struct filter_set *set, struct filter_reader *reader,
                          struct str wide)
{
    struct filter_reader all = { 0 };
    size_t steps = 0;

    ck_assert_int_eq(filter_reader_seek(reader, set, filter_covered_from(wide)), ERR_OK);
    ck_assert_int_eq(filter_reader_seek(&all, set, STR("")), ERR_OK);
    for (; !all.ended; filter_reader_next(&all)) {
        if (!topic_filter_covers(wide, filter_reader_text(&all)))
            continue;
        do {
            steps = 3;
            ck_assert_int_eq(filter_covered_next(reader, wide, &steps), ERR_OK);
        } while (steps == 0);
        ck_assert(!reader->ended);
        ck_assert(str_equal(filter_reader_text(reader), filter_reader_text(&all)));
        filter_reader_next(reader);
    }
    steps = SIZE_MAX;
    ck_assert_int_eq(filter_covered_next(reader, wide, &steps), ERR_OK);
    ck_assert(reader->ended);
    filter_reader_finish(&all);
}

static void check_covering(const struct filter_set *set, struct filter_reader *reader,
                           struct str narrow, uint8_t needed)
{
    struct filter_reader all = { 0 };
    bool expected = false, covered;

    ck_assert_int_eq(filter_reader_seek(&all, set, STR("")), ERR_OK);
    for (; !all.ended; filter_reader_next(&all)) {
        struct str wide = filter_reader_text(&all);
        expected = expected || (!str_equal(wide, narrow) && all.value >= needed &&
                                topic_filter_covers(wide, narrow));
    }
    ck_assert_int_eq(filter_is_covered(set, reader, narrow, at_least, needed, &covered), ERR_OK);
    ck_assert_msg(covered == expected, "%.*s", STR_ARG(narrow));
    filter_reader_finish(&all);
}

START_TEST(walks_find_what_covers_and_what_is_covered)
{
    struct filter_set set = { 0 };
    struct filter_reader reader = { 0 };
    struct rand rand;
    char text[TEXT];

    rand_init(&rand, 11);
    for (unsigned round = 0; round < 2000; round++) {
        struct str filter = random_filter(&rand, text);
        if (set.count > 30 + round / 8 % FILTERS || rand_below(&rand, 3) == 0)
            filter_set_remove(&set, filter);
        else
            ck_assert_int_eq(filter_set_put(&set, filter, (uint8_t)rand_below(&rand, 6)), ERR_OK);
        struct str other = random_filter(&rand, text);
        check_covered(&set, &reader, other);
        check_covering(&set, &reader, other, (uint8_t)rand_below(&rand, 7));
    }
    filter_reader_finish(&reader);
    filter_set_finish(&set);
}
END_TEST

START_TEST(a_walk_passes_over_what_it_does_not_want)
{
    struct filter_set set = { 0 };
    struct filter_reader reader = { 0 };
    char text[TEXT];
    size_t steps = 1000, found = 0;

    for (unsigned i = 0; i < 50000; i++) {
        struct str filter = { text, (size_t)sprintf(text, "plant/%u/dev%u/temp", i % 50, i) };
        ck_assert_int_eq(filter_set_put(&set, filter, 0), ERR_OK);
    }
    struct str wide = STR("+/+/dev777/#");
    ck_assert_int_eq(filter_reader_seek(&reader, &set, filter_covered_from(wide)), ERR_OK);
    for (;; found++, filter_reader_next(&reader)) {
        ck_assert_int_eq(filter_covered_next(&reader, wide, &steps), ERR_OK);
        if (reader.ended)
            break;
    }
    ck_assert_uint_eq(found, 1);
    ck_assert_uint_ge(steps, 1000 - 3 * 50);
    filter_reader_finish(&reader);
    filter_set_finish(&set);
}
END_TEST

UNIT_MAIN("topic/filter_set", it_agrees_with_a_plain_table_under_random_changes,
          a_copy_stays_what_it_was_while_the_set_changes,
          a_seek_finds_the_first_text_that_is_not_before, long_texts_stand_in_blocks_of_their_own,
          a_filter_among_very_many_takes_little_more_than_what_is_its_own,
          walks_find_what_covers_and_what_is_covered, a_walk_passes_over_what_it_does_not_want)
