/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/filter_walk.h"

#include "base/err.h"
#include "topic/topic.h"

#include <assert.h>
#include <string.h>

enum { SEPARATOR = '/', AFTER_SEPARATOR = '/' + 1 };

static bool is_plus(struct str level)
{
    return level.len == 1 && level.ptr[0] == '+';
}

static bool is_tail(struct str level)
{
    return level.len == 1 && level.ptr[0] == '#';
}

static bool is_dollar(struct str text)
{
    return text.len && text.ptr[0] == '$';
}

/* ---- which ones cover a filter ---- */

/* What is still to be tried below a prefix. */
enum { TRY_LITERAL = 1, TRY_PLUS = 2 };

/* A walk down the levels of a filter, each taken as it is or as a +. */
struct descent {
    const struct filter_set *set;
    struct filter_reader *reader;
    struct str filter;
    filter_counts counts;
    uint8_t needed;
    bool covered;
    size_t depth, levels;
    struct str level[TOPIC_LEVELS_MAX];
    uint32_t prefix_len[TOPIC_LEVELS_MAX + 1];
    uint8_t todo[TOPIC_LEVELS_MAX + 1];
    char prefix[FILTER_SET_TEXT_MAX + 2 * TOPIC_LEVELS_MAX];
};

/* The text made of the prefix and a level. */
static struct str with(struct descent *d, struct str level)
{
    size_t len = d->prefix_len[d->depth];

    if (level.len)
        memcpy(d->prefix + len, level.ptr, level.len);
    return (struct str){ d->prefix, len + level.len };
}

/* The filter at the reader, if it is this text: does it cover? */
static void try(struct descent *d, struct str text)
{
    if (!d->reader->ended && str_equal(filter_reader_text(d->reader), text) &&
        !str_equal(text, d->filter) && d->counts(d->reader->value, d->needed))
        d->covered = true;
}

static int seek_and_try(struct descent *d, struct str text)
{
    int err = filter_reader_seek(d->reader, d->set, text);

    if (!err)
        try(d, text);
    return err;
}

/* Is there a filter with this level after the prefix, or with it and more levels? The reader
 * is at or before the first one. */
static int find_level(struct descent *d, struct str level, bool *ret_there)
{
    struct str text = with(d, level);
    int err = ERR_OK;

    if (!d->reader->ended && str_compare(filter_reader_text(d->reader), text) < 0)
        err = filter_reader_seek(d->reader, d->set, text);
    if (err)
        return err;
    struct str here = filter_reader_text(d->reader);
    *ret_there = !d->reader->ended && str_starts_with(here, text) &&
                 (here.len == text.len || here.ptr[text.len] == SEPARATOR);
    return ERR_OK;
}

/* Come to a prefix: # after it covers, and what else is there to be tried? */
static int arrive(struct descent *d)
{
    struct str tail = with(d, STR("#"));
    bool dollar = d->depth == 0 && is_dollar(d->filter); /* [MQTT-4.7.2-1] */
    bool plus = false;
    int err = filter_reader_seek(d->reader, d->set, tail);

    d->todo[d->depth] = 0;
    if (err)
        return err;
    if (!dollar)
        try(d, tail);
    if (d->depth == d->levels || is_tail(d->level[d->depth]))
        return ERR_OK;
    struct str level = d->level[d->depth];
    struct str prefix = { d->prefix, d->prefix_len[d->depth] };
    bool some = !d->reader->ended && str_starts_with(filter_reader_text(d->reader), prefix);
    if (some || level.len == 0 || level.ptr[0] < '#') /* these stand before the # */
        d->todo[d->depth] |= TRY_LITERAL;
    if (some && !dollar && !is_plus(level))
        err = find_level(d, STR("+"), &plus);
    if (plus)
        d->todo[d->depth] |= TRY_PLUS;
    return err;
}

/* Take one level more, as it is or as a +. The filter may end there. */
static int go_down(struct descent *d, struct str level)
{
    struct str text = with(d, level);
    int err = ERR_OK;

    if (d->depth + 1 == d->levels && !str_equal(text, d->filter))
        err = seek_and_try(d, text);
    d->prefix[text.len] = SEPARATOR;
    d->depth++;
    d->prefix_len[d->depth] = (uint32_t)(text.len + 1);
    if (!err && !d->covered)
        err = arrive(d);
    return err;
}

int filter_is_covered(const struct filter_set *set, struct filter_reader *reader, struct str filter,
                      filter_counts counts, uint8_t needed, bool *ret_covered)
{
    struct topic_levels walk = topic_levels(filter);
    struct descent d; /* large: only what counts is initialised */
    int err;

    d.set = set;
    d.reader = reader;
    d.filter = filter;
    d.counts = counts;
    d.needed = needed;
    d.covered = false;
    d.depth = d.levels = 0;
    d.prefix_len[0] = 0;
    while (d.levels < TOPIC_LEVELS_MAX && topic_levels_next(&walk, &d.level[d.levels]))
        d.levels++;
    assert(walk.done && filter.len <= FILTER_SET_TEXT_MAX);
    err = arrive(&d);
    while (!err && !d.covered) {
        uint8_t *todo = &d.todo[d.depth];
        if (*todo & TRY_LITERAL) {
            *todo &= (uint8_t)~TRY_LITERAL;
            err = go_down(&d, d.level[d.depth]);
        } else if (*todo & TRY_PLUS) {
            *todo &= (uint8_t)~TRY_PLUS;
            err = go_down(&d, STR("+"));
        } else if (d.depth == 0) {
            break;
        } else {
            d.depth--;
        }
    }
    *ret_covered = d.covered;
    return err;
}

/* ---- which ones a filter covers ---- */

struct str filter_covered_from(struct str wide)
{
    size_t at = 0;

    while (at < wide.len && wide.ptr[at] != '+' && wide.ptr[at] != '#')
        at++;
    /* The # covers its parent as well. */
    if (at && at < wide.len && wide.ptr[at] == '#')
        at--;
    return str_slice(wide, 0, at);
}

/* Where to look on when a filter is not covered. */
struct skip {
    bool covered, end, next; /* nowhere; at the very next filter */
    size_t keep;             /* else at this much of the filter's text, */
    struct str more;         /* and this, */
    int last;                /* and this byte, if it is not 0 */
};

/* The filter is in none of the groups that the level of wide asks for: the first place after
 * it where such a group may be. at: where the level begins in its text. */
static struct skip skip_to_level(struct str filter, size_t at, struct str level)
{
    struct str here = str_slice(filter, at, filter.len);
    int order = str_compare(here, level);

    if (order < 0)
        return (struct skip){ .keep = at, .more = level };
    /* Behind the level itself, but what is below it may still come: a-1 is before a/1. */
    if (str_starts_with(here, level) && here.len > level.len && here.ptr[level.len] < SEPARATOR)
        return (struct skip){ .keep = at, .more = level, .last = SEPARATOR };
    if (at == 0)
        return (struct skip){ .end = true };
    return (struct skip){ .keep = at - 1, .last = AFTER_SEPARATOR };
}

/* Does wide cover the filter, and if not, what can be skipped? Level by level, as long as
 * wide's level covers the filter's. */
static struct skip judge(struct str wide, struct str filter)
{
    struct topic_levels wide_walk = topic_levels(wide), walk = topic_levels(filter);
    struct str wide_level, level;

    if (is_dollar(filter) && (wide.ptr[0] == '+' || wide.ptr[0] == '#')) /* [MQTT-4.7.2-1] */
        return (struct skip){ .last = '$' + 1 };
    for (;;) {
        bool wide_ends = !topic_levels_next(&wide_walk, &wide_level);
        if (!wide_ends && is_tail(wide_level))
            return (struct skip){ .covered = true };
        bool ends = !topic_levels_next(&walk, &level);
        if (wide_ends && ends)
            return (struct skip){ .covered = true };
        if (ends)
            return (struct skip){ .next = true };
        size_t at = (size_t)(level.ptr - filter.ptr);
        if (wide_ends) /* all of this group is deeper */
            return (struct skip){ .keep = at - 1, .last = AFTER_SEPARATOR };
        if (is_plus(wide_level) && !is_tail(level))
            continue;
        if (is_plus(wide_level))
            return (struct skip){ .next = true };
        if (!str_equal(wide_level, level))
            return skip_to_level(filter, at, wide_level);
    }
}

/* Seek the text that a skip says. */
static int leap(struct filter_reader *reader, const struct skip *skip)
{
    char text[FILTER_SET_TEXT_MAX + 2];
    size_t len = skip->keep;

    memcpy(text, reader->text, len);
    if (skip->more.len)
        memcpy(text + len, skip->more.ptr, skip->more.len);
    len += skip->more.len;
    if (skip->last)
        text[len++] = (char)skip->last;
    return filter_reader_seek(reader, reader->set, (struct str){ text, len });
}

int filter_covered_next(struct filter_reader *reader, struct str wide, size_t *steps)
{
    int err = ERR_OK;

    for (; !err && !reader->ended && *steps; (*steps)--) {
        struct str here = filter_reader_text(reader);
        struct skip skip = judge(wide, here);
        if (skip.covered)
            return ERR_OK;
        if (skip.end)
            reader->ended = true;
        else if (skip.next)
            filter_reader_next(reader);
        else
            err = leap(reader, &skip);
    }
    return err;
}
