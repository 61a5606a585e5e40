/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "topic/topic.h"

#include <string.h>

static bool matches(const char *filter, const char *name)
{
    return topic_filter_matches(str_from_c(filter), str_from_c(name));
}

static bool covers(const char *wide, const char *narrow)
{
    return topic_filter_covers(str_from_c(wide), str_from_c(narrow));
}

/* The examples of the specification. [MQTT5 4.7.1.2] [MQTT5 4.7.1.3] [MQTT5 4.7.2] */
START_TEST(wildcards_match_as_the_specification_shows)
{
    ck_assert(matches("sport/tennis/player1/#", "sport/tennis/player1"));
    ck_assert(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
    ck_assert(matches("sport/#", "sport"));
    ck_assert(matches("#", "a/b/c"));
    ck_assert(matches("sport/tennis/+", "sport/tennis/player1"));
    ck_assert(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    ck_assert(!matches("sport/+", "sport"));
    ck_assert(matches("sport/+", "sport/"));
    ck_assert(matches("+/+", "/finance"));
    ck_assert(matches("/+", "/finance"));
    ck_assert(!matches("+", "/finance"));
    ck_assert(matches("+/tennis/#", "sport/tennis"));
    ck_assert(!matches("a/b", "a"));
    ck_assert(!matches("a/b", "A/B"));
}
END_TEST

/* [MQTT-4.7.2-1] */
START_TEST(a_leading_wildcard_does_not_see_dollar_topics)
{
    ck_assert(!matches("#", "$SYS/broker"));
    ck_assert(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    ck_assert(matches("$SYS/#", "$SYS/broker"));
    ck_assert(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    ck_assert(!covers("#", "$SYS/#"));
    ck_assert(covers("$SYS/#", "$SYS/+/x"));
}
END_TEST

/* [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-3.3.2-2] */
START_TEST(misplaced_wildcards_and_hostile_sizes_are_refused)
{
    static const char *const bad[] = { "", "sport/tennis#", "sport/tennis/#/ranking", "#/a",
                                       "sport+", "+a/b", "a/b+/c", "##", "a/##" };
    char deep[2 * TOPIC_LEVELS_MAX + 2];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(topic_filter_check(str_from_c(bad[i])), ERR_TOPIC_FILTER);
    ck_assert_int_eq(topic_filter_check(STR("+/tennis/#")), ERR_OK);
    ck_assert_int_eq(topic_filter_check(STR("/")), ERR_OK);
    ck_assert_int_eq(topic_name_check(STR("a/+")), ERR_TOPIC_NAME);
    ck_assert_int_eq(topic_name_check(STR("a/#")), ERR_TOPIC_NAME);
    ck_assert_int_eq(topic_name_check(STR("")), ERR_TOPIC_NAME);
    ck_assert_int_eq(topic_name_check(STR("//")), ERR_OK);
    memset(deep, '/', sizeof deep);
    ck_assert_int_eq(topic_name_check((struct str){ deep, TOPIC_LEVELS_MAX - 1 }), ERR_OK);
    ck_assert_int_eq(topic_name_check((struct str){ deep, TOPIC_LEVELS_MAX }), ERR_TOPIC_NAME);
    ck_assert_int_eq(topic_filter_check((struct str){ deep, TOPIC_LEVELS_MAX }), ERR_TOPIC_FILTER);
}
END_TEST

/* [MQTT-4.8.2-1] [MQTT-4.8.2-2] */
START_TEST(shared_subscriptions_are_taken_apart)
{
    struct topic_share share;

    ck_assert_int_eq(topic_share_parse(STR("$share/g/a/+"), &share), ERR_OK);
    ck_assert(str_equal(share.group, STR("g")));
    ck_assert(str_equal(share.filter, STR("a/+")));
    ck_assert_int_eq(topic_share_parse(STR("a/b"), &share), ERR_OK);
    ck_assert_uint_eq(share.group.len, 0);
    ck_assert_int_eq(topic_share_parse(STR("$share//a"), &share), ERR_TOPIC_FILTER);
    ck_assert_int_eq(topic_share_parse(STR("$share/g"), &share), ERR_TOPIC_FILTER);
    ck_assert_int_eq(topic_share_parse(STR("$share/g/"), &share), ERR_TOPIC_FILTER);
    ck_assert_int_eq(topic_share_parse(STR("$share/g+/a"), &share), ERR_TOPIC_FILTER);
    ck_assert_int_eq(topic_share_parse(STR("$share/#/a"), &share), ERR_TOPIC_FILTER);
}
END_TEST

START_TEST(covering_is_a_superset_relation)
{
    ck_assert(covers("a/#", "a"));
    ck_assert(covers("a/#", "a/+"));
    ck_assert(covers("a/#", "a/b/#"));
    ck_assert(covers("a/#", "a/#"));
    ck_assert(covers("a/+", "a/b"));
    ck_assert(covers("#", "+/b"));
    ck_assert(!covers("a/+", "a/#"));
    ck_assert(!covers("a/b", "a/+"));
    ck_assert(!covers("+/b", "#"));
    ck_assert(!covers("a/+/c", "a/b"));
}
END_TEST

static struct str random_filter(struct rand *rand, char *out, bool wild)
{
    static const char *const levels[] = { "a", "b", "", "$c", "+", "#" };
    size_t n = 0, depth = 1 + rand_below(rand, 4);

    for (size_t i = 0; i < depth; i++) {
        const char *level = levels[rand_below(rand, wild ? 6 : 4)];
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

START_TEST(what_covers_matches_whatever_is_matched_below_it)
{
    char a[64], b[64], c[64];
    struct rand rand;
    int seen = 0;

    rand_init(&rand, 1);
    for (int i = 0; i < 200000; i++) {
        struct str wide = random_filter(&rand, a, true), narrow = random_filter(&rand, b, true);
        struct str name = random_filter(&rand, c, false);
        if (!topic_filter_matches(narrow, name) || !topic_filter_covers(wide, narrow))
            continue;
        ck_assert(topic_filter_matches(wide, name));
        seen++;
    }
    ck_assert_int_gt(seen, 1000);
}
END_TEST

UNIT_MAIN("topic/topic", wildcards_match_as_the_specification_shows,
          a_leading_wildcard_does_not_see_dollar_topics,
          misplaced_wildcards_and_hostile_sizes_are_refused, shared_subscriptions_are_taken_apart,
          covering_is_a_superset_relation, what_covers_matches_whatever_is_matched_below_it)
