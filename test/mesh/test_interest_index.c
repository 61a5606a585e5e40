/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/rand.h"
#include "mesh/interest_index.h"
#include "topic/topic.h"

#include <stdio.h>
#include <string.h>

static void put(struct interest_index *index, uint32_t node, const char *filter, uint8_t qos)
{
    struct interest interest = { str_from_c(filter), qos, false };

    ck_assert_int_eq(interest_index_put(index, node, &interest), ERR_OK);
}

/* The brokers that want a topic, as "1:0 5:2". */
static const char *match(struct interest_index *index, const char *topic, char *out)
{
    size_t count, n = 0;
    const struct interest_node *nodes =
        interest_index_match(index, str_from_c(topic), hash_fast(3, topic, strlen(topic)), &count);

    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        n += (size_t)sprintf(out + n, "%s%u:%u", n ? " " : "", nodes[i].node, nodes[i].qos);
    return out;
}

START_TEST(a_broker_with_several_matching_filters_appears_once)
{
    struct interest_index *index = interest_index_new(1);
    char out[128];

    ck_assert(interest_index_empty(index));
    put(index, 9, "a/+", 0);
    put(index, 4, "a/b", 1);
    put(index, 9, "a/#", 2);
    put(index, 1, "a/+", 1);
    ck_assert_str_eq(match(index, "a/b", out), "1:1 4:1 9:2");
    ck_assert_str_eq(match(index, "a/b", out), "1:1 4:1 9:2");
    ck_assert_str_eq(match(index, "a", out), "9:2");
    ck_assert_str_eq(match(index, "b", out), "");
    ck_assert(interest_index_remove(index, 9, STR("a/#")));
    ck_assert(!interest_index_remove(index, 9, STR("a/#")));
    ck_assert(!interest_index_remove(index, 9, STR("a/b")));
    ck_assert_str_eq(match(index, "a/b", out), "1:1 4:1 9:0");
    put(index, 9, "a/+", 1);
    ck_assert_str_eq(match(index, "a/b", out), "1:1 4:1 9:1");
    ck_assert_uint_eq(interest_index_stats(index).pairs, 3);
    ck_assert(interest_index_remove(index, 9, STR("a/+")));
    ck_assert_str_eq(match(index, "a/b", out), "1:1 4:1");
    ck_assert(interest_index_remove(index, 1, STR("a/+")));
    ck_assert(interest_index_remove(index, 4, STR("a/b")));
    ck_assert(interest_index_empty(index));
    ck_assert_uint_eq(interest_index_stats(index).filters, 0);
    interest_index_free(index);
}
END_TEST

enum { NODES = 12, FILTERS = 40 };

static const char *random_filter(struct rand *rand, char *out, bool wild)
{
    static const char *const levels[] = { "a", "b", "c", "+", "#" };
    size_t depth = 1 + rand_below(rand, 3);

    out[0] = '\0';
    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, wild ? 5 : 3)];
        strcat(strcat(out, i ? "/" : ""), level);
        if (*level == '#')
            break;
    }
    return out;
}

struct model {
    char text[FILTERS][32];
    int qos[FILTERS][NODES]; /* -1: not wanted */
};

static const char *expected(const struct model *model, const char *topic, char *out)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned node = 0; node < NODES; node++) {
        int qos = -1;
        for (size_t f = 0; f < FILTERS; f++) {
            if (model->qos[f][node] > qos &&
                topic_filter_matches(str_from_c(model->text[f]), str_from_c(topic)))
                qos = model->qos[f][node];
        }
        if (qos >= 0)
            n += (size_t)sprintf(out + n, "%s%u:%d", n ? " " : "", node, qos);
    }
    return out;
}

START_TEST(it_agrees_with_comparing_every_pair)
{
    static struct model model;
    struct interest_index *index = interest_index_new(1);
    struct rand rand;
    char topic[32], a[256], b[256];

    memset(model.qos, -1, sizeof model.qos);
    rand_init(&rand, 2);
    for (size_t f = 0; f < FILTERS; f++) {
        random_filter(&rand, model.text[f], true);
        for (size_t e = 0; e < f; e++) {
            if (strcmp(model.text[e], model.text[f]) == 0)
                sprintf(model.text[f], "only/%zu", f);
        }
    }
    for (int round = 0; round < 10000; round++) {
        size_t f = rand_below(&rand, FILTERS), node = rand_below(&rand, NODES);
        int qos = (int)rand_below(&rand, 4) - 1;
        if (qos >= 0)
            put(index, (uint32_t)node, model.text[f], (uint8_t)qos);
        else
            ck_assert_int_eq(
                interest_index_remove(index, (uint32_t)node, str_from_c(model.text[f])),
                model.qos[f][node] >= 0);
        model.qos[f][node] = qos;
        random_filter(&rand, topic, false);
        ck_assert_str_eq(match(index, topic, a), expected(&model, topic, b));
    }
    interest_index_free(index);
}
END_TEST

UNIT_MAIN("mesh/interest_index", a_broker_with_several_matching_filters_appears_once,
          it_agrees_with_comparing_every_pair)
