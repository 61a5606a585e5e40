/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/topic.h"

#include "base/err.h"

#include <string.h>

enum { TOPIC_BYTES_MAX = 65535 };

struct topic_levels topic_levels(struct str topic)
{
    return (struct topic_levels){ .rest = topic };
}

bool topic_levels_next(struct topic_levels *walk, struct str *ret_level)
{
    if (walk->done)
        return false;
    size_t end = str_find(walk->rest, '/', 0);
    *ret_level = str_slice(walk->rest, 0, end);
    walk->done = end == walk->rest.len;
    walk->rest = str_slice(walk->rest, end + 1, walk->rest.len);
    return true;
}

/* Length and number of levels within bounds? */
static bool size_fits(struct str topic)
{
    size_t levels = 1;

    if (topic.len == 0 || topic.len > TOPIC_BYTES_MAX)
        return false;
    for (size_t at = str_find(topic, '/', 0); at < topic.len; at = str_find(topic, '/', at + 1))
        levels++;
    return levels <= TOPIC_LEVELS_MAX;
}

int topic_name_check(struct str name)
{
    if (!size_fits(name) || memchr(name.ptr, '+', name.len) || memchr(name.ptr, '#', name.len) ||
        memchr(name.ptr, '\0', name.len))
        return ERR_TOPIC_NAME;
    return ERR_OK;
}

static bool is_level(struct str level, char wildcard)
{
    return level.len == 1 && level.ptr[0] == wildcard;
}

int topic_filter_check(struct str filter)
{
    struct topic_levels walk = topic_levels(filter);
    struct str level;

    if (!size_fits(filter) || memchr(filter.ptr, '\0', filter.len))
        return ERR_TOPIC_FILTER;
    while (topic_levels_next(&walk, &level)) {
        if (level.len > 1 && (memchr(level.ptr, '+', level.len) || memchr(level.ptr, '#', level.len)))
            return ERR_TOPIC_FILTER;
        if (is_level(level, '#') && !walk.done)
            return ERR_TOPIC_FILTER;
    }
    return ERR_OK;
}

bool topic_filter_is_wild(struct str filter)
{
    return filter.len && (memchr(filter.ptr, '+', filter.len) || filter.ptr[filter.len - 1] == '#');
}

/* A wildcard at the very start says nothing about topics that begin with $. */
static bool hidden_from(struct str filter, struct str topic)
{
    return topic.len && topic.ptr[0] == '$' && filter.len &&
           (filter.ptr[0] == '+' || filter.ptr[0] == '#');
}

bool topic_filter_matches(struct str filter, struct str name)
{
    struct topic_levels filters = topic_levels(filter), names = topic_levels(name);
    struct str want, have;

    if (hidden_from(filter, name))
        return false;
    while (topic_levels_next(&filters, &want)) {
        if (is_level(want, '#'))
            return true;
        if (!topic_levels_next(&names, &have))
            return false;
        if (!is_level(want, '+') && !str_equal(want, have))
            return false;
        /* a/# matches a: the parent level counts. [MQTT5 4.7.1.2] */
        if (names.done && !filters.done)
            return str_equal(filters.rest, STR("#"));
    }
    return names.done;
}

bool topic_filter_covers(struct str wide, struct str narrow)
{
    struct topic_levels wides = topic_levels(wide), narrows = topic_levels(narrow);
    struct str want, have;

    if (hidden_from(wide, narrow))
        return false;
    while (topic_levels_next(&wides, &want)) {
        if (is_level(want, '#'))
            return true;
        if (!topic_levels_next(&narrows, &have))
            return false;
        if (is_level(have, '#') || (!is_level(want, '+') && !str_equal(want, have)))
            return false;
        if (narrows.done && !wides.done)
            return str_equal(wides.rest, STR("#"));
    }
    return narrows.done;
}

int topic_share_parse(struct str text, struct topic_share *ret_share)
{
    struct topic_share share = { .filter = text };
    const struct str prefix = STR("$share/");

    if (str_starts_with(text, prefix)) {
        size_t end = str_find(text, '/', prefix.len);
        share.group = str_slice(text, prefix.len, end);
        share.filter = str_slice(text, end + 1, text.len);
        if (share.group.len == 0 || end == text.len || topic_filter_is_wild(share.group) ||
            memchr(share.group.ptr, '#', share.group.len))
            return ERR_TOPIC_FILTER;
    }
    int err = topic_filter_check(share.filter);
    if (err)
        return err;
    *ret_share = share;
    return ERR_OK;
}
