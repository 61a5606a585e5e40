/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "mesh/iset.h"
#include "mesh/local_interest.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

enum { LINGER = 2000, PIECE = 1000 };

static void set(struct local_interest *li, const char *filter, uint8_t qos)
{
    struct interest interest = { str_from_c(filter), qos, false };

    ck_assert_int_eq(local_interest_set(li, &interest), ERR_OK);
}

/* What take gives, as "+a/b:1 -c". */
static const char *take(struct local_interest *li, uint64_t now_ms, char *out)
{
    struct interest_changes changes = { 0 };
    size_t n = 0;

    out[0] = '\0';
    ck_assert_int_eq(local_interest_take(li, now_ms, &changes), ERR_OK);
    vec_each (&changes.adds, add)
        n += (size_t)sprintf(out + n, "%s+%.*s:%u", n ? " " : "", STR_ARG(add->filter), add->qos);
    vec_each (&changes.removals, removal)
        n += (size_t)sprintf(out + n, "%s-%.*s", n ? " " : "", STR_ARG(removal->filter));
    interest_changes_finish(&changes);
    return out;
}

START_TEST(adds_are_told_at_once_and_removals_after_the_linger)
{
    struct local_interest *li = local_interest_new(LINGER, PIECE);
    char out[256];

    ck_assert_uint_eq(local_interest_deadline(li), UINT64_MAX);
    set(li, "a", 1);
    ck_assert_uint_eq(local_interest_deadline(li), 0);
    ck_assert_str_eq(take(li, 10, out), "+a:1");
    ck_assert_str_eq(take(li, 10, out), "");
    local_interest_unset(li, STR("a"), 100);
    local_interest_unset(li, STR("a"), 200);
    local_interest_unset(li, STR("unknown"), 200);
    ck_assert_uint_eq(local_interest_deadline(li), 100 + LINGER);
    ck_assert_str_eq(take(li, 99 + LINGER, out), "");
    ck_assert_str_eq(take(li, 100 + LINGER, out), "-a");
    ck_assert_uint_eq(local_interest_deadline(li), UINT64_MAX);
    ck_assert_uint_eq(local_interest_count(li), 0);
    local_interest_free(li);
}
END_TEST

START_TEST(a_client_that_comes_back_in_time_costs_nothing)
{
    struct local_interest *li = local_interest_new(LINGER, PIECE);
    char out[256];

    set(li, "a", 0);
    take(li, 0, out);
    local_interest_unset(li, STR("a"), 100);
    set(li, "a", 0);
    ck_assert_uint_eq(local_interest_deadline(li), UINT64_MAX);
    ck_assert_str_eq(take(li, 100 + LINGER, out), "");
    set(li, "a", 2);
    ck_assert_str_eq(take(li, 3000, out), "+a:2");
    set(li, "a", 1);
    ck_assert_str_eq(take(li, 3000, out), "+a:1");
    local_interest_free(li);
}
END_TEST

START_TEST(a_wide_filter_replaces_narrow_ones_without_a_hole)
{
    struct local_interest *li = local_interest_new(LINGER, PIECE);
    char out[256];

    set(li, "a/b", 1);
    set(li, "a/c", 0);
    set(li, "b", 0);
    ck_assert_str_eq(take(li, 0, out), "+a/b:1 +a/c:0 +b:0");
    set(li, "a/#", 1);
    ck_assert_str_eq(take(li, 1, out), "+a/#:1 -a/b -a/c");
    ck_assert_uint_eq(local_interest_told(li), 2);
    set(li, "a/d", 1);
    ck_assert_str_eq(take(li, 2, out), "");
    local_interest_unset(li, STR("a/#"), 10);
    local_interest_unset(li, STR("a/c"), 11);
    ck_assert_str_eq(take(li, 10 + LINGER, out), "+a/b:1 +a/c:0 +a/d:1 -a/#");
    ck_assert_str_eq(take(li, 11 + LINGER, out), "-a/c");
    local_interest_free(li);
}
END_TEST

START_TEST(a_filter_of_less_qos_or_persistence_covers_nothing)
{
    struct local_interest *li = local_interest_new(LINGER, PIECE);
    struct interest wide = { STR("#"), 1, false }, durable = { STR("d"), 0, true };
    char out[256];

    set(li, "a", 2);
    ck_assert_int_eq(local_interest_set(li, &wide), ERR_OK);
    ck_assert_int_eq(local_interest_set(li, &durable), ERR_OK);
    ck_assert_str_eq(take(li, 0, out), "+#:1 +a:2 +d:0");
    set(li, "#", 2);
    ck_assert_str_eq(take(li, 0, out), "+#:2 -a");
    wide.persistent = true;
    ck_assert_int_eq(local_interest_set(li, &wide), ERR_OK);
    ck_assert_str_eq(take(li, 0, out), "+#:2 +a:2 +#:1 -d");
    local_interest_free(li);
}
END_TEST

enum { WISHES = 60 };

static const char *random_filter(struct rand *rand, char *out)
{
    static const char *const levels[] = { "a", "b", "c", "+", "#", "$d" };
    size_t depth = 1 + rand_below(rand, 3);

    out[0] = '\0';
    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, 6)];
        strcat(strcat(out, i ? "/" : ""), level);
        if (*level == '#')
            break;
    }
    return out;
}

struct model {
    char text[WISHES][32];
    struct interest want[WISHES];
    bool wanted[WISHES];
    uint64_t leave_ms[WISHES]; /* not wanted: counts until then */
};

static bool active(const struct model *model, size_t i, uint64_t now_ms)
{
    return model->wanted[i] || model->leave_ms[i] > now_ms;
}

static bool covered(const struct model *model, size_t i, uint64_t now_ms)
{
    const struct interest *narrow = &model->want[i];

    for (size_t w = 0; w < WISHES; w++) {
        const struct interest *wide = &model->want[w];
        if (w != i && active(model, w, now_ms) && wide->qos >= narrow->qos &&
            wide->persistent >= narrow->persistent &&
            topic_filter_covers(wide->filter, narrow->filter))
            return true;
    }
    return false;
}

/* Apply what take gives. */
static void apply(struct local_interest *li, uint64_t now_ms, struct iset *told)
{
    struct interest_changes changes = { 0 };

    ck_assert_int_eq(local_interest_take(li, now_ms, &changes), ERR_OK);
    vec_each (&changes.adds, add)
        ck_assert_int_eq(iset_put(told, add), ERR_OK);
    vec_each (&changes.removals, removal)
        ck_assert(iset_remove(told, removal->filter));
    interest_changes_finish(&changes);
    ck_assert_uint_eq(local_interest_told(li), iset_count(told));
    ck_assert_uint_eq(iset_hash(local_interest_told_set(li)), iset_hash(told));
}

static void check(const struct model *model, const struct iset *told, uint64_t now_ms)
{
    for (size_t i = 0; i < WISHES; i++) {
        struct interest entry;
        bool expected = active(model, i, now_ms) && !covered(model, i, now_ms);
        ck_assert_int_eq(iset_find(told, model->want[i].filter, &entry), expected);
        if (expected)
            ck_assert(entry.qos == model->want[i].qos &&
                      entry.persistent == model->want[i].persistent);
    }
}

/* Different filters, none of them wanted. */
static void model_init(struct model *model, struct rand *rand)
{
    *model = (struct model){ 0 };
    for (size_t i = 0; i < WISHES; i++) {
        bool again = true;
        while (again) {
            random_filter(rand, model->text[i]);
            again = false;
            for (size_t j = 0; j < i; j++)
                again |= strcmp(model->text[i], model->text[j]) == 0;
        }
        model->want[i].filter = str_from_c(model->text[i]);
    }
}

/* A client comes or goes. */
static void change(struct local_interest *li, struct model *model, struct rand *rand,
                   uint64_t now_ms)
{
    size_t i = rand_below(rand, WISHES);

    if (model->wanted[i] && rand_below(rand, 2)) {
        local_interest_unset(li, model->want[i].filter, now_ms);
        model->wanted[i] = false;
        model->leave_ms[i] = now_ms + LINGER;
    } else {
        model->want[i].qos = (uint8_t)rand_below(rand, 3);
        model->want[i].persistent = rand_below(rand, 2);
        ck_assert_int_eq(local_interest_set(li, &model->want[i]), ERR_OK);
        model->wanted[i] = true;
    }
}

START_TEST(what_is_told_is_always_the_antichain_of_what_is_active)
{
    static struct model model;
    struct local_interest *li = local_interest_new(LINGER, PIECE);
    struct iset *told = iset_new();
    struct rand rand;
    uint64_t now_ms = 0;

    rand_init(&rand, 17);
    model_init(&model, &rand);
    for (int round = 0; round < 6000; round++) {
        now_ms += rand_below(&rand, 300);
        change(li, &model, &rand, now_ms);
        if (rand_below(&rand, 3) == 0) {
            apply(li, now_ms, told);
            check(&model, told, now_ms);
        }
    }
    iset_free(told);
    local_interest_free(li);
}
END_TEST

static bool told_covers(const struct iset *told, const struct interest *narrow)
{
    struct interest wide;

    for (size_t cursor = 0; iset_next(told, &cursor, &wide);) {
        if (wide.qos >= narrow->qos && wide.persistent >= narrow->persistent &&
            topic_filter_covers(wide.filter, narrow->filter))
            return true;
    }
    return false;
}

/* However little each take does: the others never miss what they knew was wanted. */
START_TEST(no_piece_leaves_a_hole)
{
    static struct model model;
    struct local_interest *li = local_interest_new(LINGER, 3);
    struct iset *told = iset_new();
    bool known[WISHES];
    struct rand rand;
    uint64_t now_ms = 0;

    rand_init(&rand, 23);
    model_init(&model, &rand);
    for (int round = 0; round < 6000; round++) {
        now_ms += rand_below(&rand, round % 1000 < 500 ? 30 : 300);
        change(li, &model, &rand, now_ms);
        do {
            for (size_t i = 0; i < WISHES; i++)
                known[i] = active(&model, i, now_ms) && told_covers(told, &model.want[i]);
            apply(li, now_ms, told);
            for (size_t i = 0; i < WISHES; i++)
                ck_assert(!known[i] || told_covers(told, &model.want[i]));
        } while (local_interest_deadline(li) <= now_ms && rand_below(&rand, 3));
        if (local_interest_deadline(li) > now_ms)
            check(&model, told, now_ms);
    }
    iset_free(told);
    local_interest_free(li);
}
END_TEST

UNIT_MAIN("mesh/local_interest", adds_are_told_at_once_and_removals_after_the_linger,
          a_client_that_comes_back_in_time_costs_nothing,
          a_wide_filter_replaces_narrow_ones_without_a_hole,
          a_filter_of_less_qos_or_persistence_covers_nothing,
          what_is_told_is_always_the_antichain_of_what_is_active, no_piece_leaves_a_hole)
