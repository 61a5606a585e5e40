/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/local_interest.h"

#include "base/err.h"
#include "base/list.h"
#include "mesh/linger.h"
#include "topic/filter_walk.h"
#include "topic/topic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What the marks of an entry mean. LOOK: what is told of it may have to change. DROP: it is
 * told, and need not be any more, or less of it, once all that has to be told instead is. */
enum { MARK_LOOK = 0, MARK_DROP = 1 };
#define LOOK FILTER_SET_MARK(MARK_LOOK)
#define DROP FILTER_SET_MARK(MARK_DROP)

/* So much of a sweep is done at once, and so many wait; then all are one. */
enum { SWEEP_STEPS = 20, SWEEPS_MAX = 4096 };

/* A filter has changed, and what it covers is being marked. */
struct sweep {
    struct list node;
    struct buf at; /* where to go on */
    size_t len;
    char wide[];
};

struct local_interest {
    struct iset *set; /* each entry: what is wished, and what is told */
    struct filter_reader reader, probe;
    struct linger linger;
    uint32_t linger_ms, piece;
    struct list sweeps;
    size_t sweep_count;
    bool sweep_all;     /* everything must be marked: some sweep could not be noted */
    size_t count, wild; /* wished; of these such with wildcards */
};

void interest_changes_finish(struct interest_changes *changes)
{
    vec_finish(&changes->adds);
    vec_finish(&changes->removals);
    buf_finish(&changes->text);
}

struct local_interest *local_interest_new(uint32_t linger_ms, uint32_t piece)
{
    struct local_interest *li = calloc(1, sizeof *li);

    if (!li)
        return NULL;
    li->linger_ms = linger_ms;
    li->piece = piece < INTEREST_CHANGES_MAX ? piece : INTEREST_CHANGES_MAX;
    linger_init(&li->linger);
    list_init(&li->sweeps);
    li->set = iset_new();
    if (!li->set) {
        local_interest_free(li);
        return NULL;
    }
    return li;
}

static void sweep_free(struct local_interest *li, struct sweep *sweep)
{
    list_remove(&sweep->node);
    buf_finish(&sweep->at);
    free(sweep);
    li->sweep_count--;
}

static void sweeps_free(struct local_interest *li)
{
    while (!list_empty(&li->sweeps))
        sweep_free(li, list_entry(li->sweeps.next, struct sweep, node));
}

void local_interest_free(struct local_interest *li)
{
    if (!li)
        return;
    sweeps_free(li);
    linger_finish(&li->linger);
    filter_reader_finish(&li->reader);
    filter_reader_finish(&li->probe);
    iset_free(li->set);
    free(li);
}

struct iset *local_interest_told_set(const struct local_interest *li)
{
    return li->set;
}

static uint8_t wish_of(uint8_t value)
{
    return value >> ISET_OWN_SHIFT & ISET_WISH_BITS;
}

/* Does what is wished of an entry cover who needs that much? */
static bool suffices(uint8_t value, uint8_t needed)
{
    uint8_t wish = wish_of(value);

    return (wish & 3) >= (needed & 3) && (wish & 4) >= (needed & 4);
}

/* The least that covers both. */
static uint8_t either(uint8_t a, uint8_t b)
{
    return (uint8_t)(((a & 3) > (b & 3) ? a & 3 : b & 3) | ((a | b) & 4));
}

/* ---- sweeps ---- */

/* Mark what wide covers from the text on, as far as steps go; false when it is not done, and
 * the reader is where to go on. */
static bool mark_covered(struct local_interest *li, struct str wide, struct str from, size_t *steps,
                         bool *ret_done)
{
    struct filter_set *filters = iset_filters(li->set);
    struct filter_reader *reader = &li->reader;
    int err = filter_reader_seek(reader, filters, from);

    while (!err && !reader->ended && *steps) {
        err = filter_covered_next(reader, wide, steps);
        if (err || reader->ended || !*steps)
            break;
        filter_reader_change(reader, filters, reader->value | LOOK);
        filter_reader_next(reader);
        --*steps;
    }
    *ret_done = reader->ended;
    return !err;
}

static struct sweep *sweep_new(struct local_interest *li, struct str wide, struct str from)
{
    struct sweep *sweep = calloc(1, sizeof *sweep + wide.len);

    if (!sweep)
        return NULL;
    sweep->len = wide.len;
    memcpy(sweep->wide, wide.ptr, wide.len);
    buf_append_str(&sweep->at, from);
    if (sweep->at.failed) {
        free(sweep);
        return NULL;
    }
    list_push_back(&li->sweeps, &sweep->node);
    li->sweep_count++;
    return sweep;
}

/* The filter's wish changes: all that it covers must be looked at. */
static void sweep_begin(struct local_interest *li, struct str wide)
{
    const struct filter_set *filters = iset_filters(li->set);
    size_t steps = SWEEP_STEPS;
    bool done;

    if (filters->marked[MARK_LOOK] == filters->count)
        return; /* all will be anyway: it is the beginning */
    bool fine = mark_covered(li, wide, filter_covered_from(wide), &steps, &done);
    if (fine && done)
        return;
    if (fine && li->sweep_count < SWEEPS_MAX &&
        sweep_new(li, wide, filter_reader_text(&li->reader)))
        return;
    sweeps_free(li);
    li->sweep_all = true;
}

/* Go on with what was begun. */
static int sweep_on(struct local_interest *li, size_t *steps)
{
    while ((li->sweep_all || !list_empty(&li->sweeps)) && *steps) {
        struct sweep *sweep;
        bool done;
        if (li->sweep_all) {
            if (!sweep_new(li, STR("#"), STR("")))
                return ERR_NOMEM;
            li->sweep_all = false;
        }
        sweep = list_entry(li->sweeps.next, struct sweep, node);
        if (!mark_covered(li, (struct str){ sweep->wide, sweep->len }, buf_str(&sweep->at), steps,
                          &done))
            return ERR_NOMEM;
        if (done) {
            sweep_free(li, sweep);
            continue;
        }
        buf_clear(&sweep->at);
        buf_append_str(&sweep->at, filter_reader_text(&li->reader));
        if (sweep->at.failed) {
            sweeps_free(li);
            li->sweep_all = true;
        }
    }
    return ERR_OK;
}

/* ---- wishes ---- */

/* Give an entry, which is made if it is not there, another wish. */
static int change_wish(struct local_interest *li, struct str filter, uint8_t wish)
{
    uint8_t before;
    int err = filter_set_update(iset_filters(li->set), filter,
                                (uint8_t)~(ISET_WISH_BITS << ISET_OWN_SHIFT),
                                (uint8_t)(wish << ISET_OWN_SHIFT | LOOK), &before);

    if (err)
        return err;
    before = wish_of(before);
    li->count = li->count - !!before + !!wish;
    if (topic_filter_is_wild(filter)) {
        li->wild = li->wild - !!before + !!wish;
        sweep_begin(li, filter);
    }
    return ERR_OK;
}

/* What is wished of a filter; 0: nothing. */
static uint8_t wish_find(const struct local_interest *li, struct str filter)
{
    uint8_t value;

    return filter_set_find(iset_filters(li->set), filter, &value) ? wish_of(value) : 0;
}

int local_interest_set(struct local_interest *li, const struct interest *interest)
{
    uint8_t wish = iset_wish(interest->qos, interest->persistent);

    assert(interest->qos <= 2);
    linger_remove(&li->linger, interest->filter);
    if (wish_find(li, interest->filter) == wish)
        return ERR_OK;
    return change_wish(li, interest->filter, wish);
}

bool local_interest_has(const struct local_interest *li, struct str filter)
{
    return wish_find(li, filter) != 0;
}

void local_interest_unset(struct local_interest *li, struct str filter, uint64_t now_ms)
{
    if (wish_find(li, filter) && linger_add(&li->linger, filter, now_ms + li->linger_ms) != ERR_OK)
        change_wish(li, filter, 0); /* cannot fail: it is there */
}

/* Let go what has lingered long enough. */
static void expire(struct local_interest *li, uint64_t now_ms, size_t *steps)
{
    for (; *steps && linger_due_ms(&li->linger) <= now_ms; --*steps) {
        struct str filter;
        if (linger_pop(&li->linger, &filter))
            change_wish(li, filter, 0); /* cannot fail: it is there */
    }
}

/* ---- telling ---- */

/* Add a change, with a copy of the text; false when there is no room. */
static bool append(struct interest_changes *changes, struct str filter, uint8_t wish, bool wanted)
{
    bool room = changes->text.len == 0 || changes->text.len + filter.len <= INTEREST_TEXT_MAX;
    /* The first one reserves for all, so that text does not move. */
    size_t most = filter.len > INTEREST_TEXT_MAX ? filter.len : INTEREST_TEXT_MAX;

    if (!room || (changes->text.len == 0 && !buf_reserve(&changes->text, most)))
        return false;
    struct interest *change = wanted ? vec_push(&changes->adds) : vec_push(&changes->removals);
    if (!change)
        return false;
    const char *at = (const char *)changes->text.data + changes->text.len;
    buf_append_str(&changes->text, filter);
    *change = iset_interest((struct str){ at, filter.len }, wish);
    return true;
}

/* Is a wish to be told: does no other one cover it? MESH.md 3.5. */
static int decide(struct local_interest *li, struct str filter, uint8_t wish, bool *ret_keep)
{
    bool covered = false;
    int err = ERR_OK;

    if (wish && li->wild)
        err =
            filter_is_covered(iset_filters(li->set), &li->probe, filter, suffices, wish, &covered);
    *ret_keep = wish && !covered;
    return err;
}

static uint8_t with_told(uint8_t value, uint8_t wish)
{
    return (uint8_t)((value & ~ISET_WISH_BITS) | wish);
}

/* Decide about the marked entry at the reader. What the others know is made more at once, and
 * less when nothing else is left to be looked at. */
static int look(struct local_interest *li, struct interest_changes *changes, bool *ret_room)
{
    struct filter_reader *at = &li->reader;
    struct str filter = filter_reader_text(at);
    uint8_t wish = wish_of(at->value), told = iset_told(at->value);
    uint8_t value = at->value & (uint8_t)~(LOOK | DROP);
    bool keep;
    int err = decide(li, filter, wish, &keep);

    if (err)
        return err;
    uint8_t most = keep ? either(wish, told) : told;
    if (most != told) {
        *ret_room = append(changes, filter, most, true);
        if (!*ret_room)
            return ERR_OK;
        value = with_told(value, most);
    }
    if (most != (keep ? wish : 0))
        value |= DROP;
    iset_change(li->set, at, value);
    return ERR_OK;
}

/* Let the others forget the marked entry at the reader, or know less of it. */
static int drop(struct local_interest *li, struct interest_changes *changes, bool *ret_room)
{
    struct filter_reader *at = &li->reader;
    struct str filter = filter_reader_text(at);
    uint8_t wish = wish_of(at->value), told = iset_told(at->value);
    bool keep;
    int err = decide(li, filter, wish, &keep);

    if (err)
        return err;
    *ret_room = append(changes, filter, keep ? wish : told, keep);
    if (*ret_room)
        iset_change(li->set, at, with_told(at->value & (uint8_t)~DROP, keep ? wish : 0));
    return ERR_OK;
}

/* Do one of these with all that have the mark, as far as steps go. */
static int each_marked(struct local_interest *li, unsigned mark, struct interest_changes *changes,
                       int (*act)(struct local_interest *, struct interest_changes *, bool *),
                       size_t *steps)
{
    struct filter_set *filters = iset_filters(li->set);
    bool room = true;
    int err = ERR_OK;

    while (!err && room && *steps && filters->marked[mark]) {
        err = filter_reader_marked(&li->reader, filters, mark);
        if (!err)
            err = act(li, changes, &room);
        --*steps;
    }
    return err || room ? err : ERR_LIMIT;
}

static bool swept(const struct local_interest *li)
{
    return !li->sweep_all && list_empty(&li->sweeps);
}

int local_interest_take(struct local_interest *li, uint64_t now_ms,
                        struct interest_changes *changes)
{
    size_t steps = li->piece;

    vec_clear(&changes->adds);
    vec_clear(&changes->removals);
    buf_clear(&changes->text);
    expire(li, now_ms, &steps);
    int err = sweep_on(li, &steps);
    if (!err)
        err = each_marked(li, MARK_LOOK, changes, look, &steps);
    if (!err && swept(li) && iset_filters(li->set)->marked[MARK_LOOK] == 0)
        err = each_marked(li, MARK_DROP, changes, drop, &steps);
    return err && interest_changes_count(changes) == 0 ? ERR_NOMEM : ERR_OK;
}

uint64_t local_interest_deadline(const struct local_interest *li)
{
    const struct filter_set *filters = iset_filters(li->set);

    if (!swept(li) || filters->marked[MARK_LOOK] || filters->marked[MARK_DROP])
        return 0;
    return linger_due_ms(&li->linger);
}

bool local_interest_is_behind(const struct local_interest *li)
{
    return !swept(li) || iset_filters(li->set)->marked[MARK_LOOK] > li->piece;
}

size_t local_interest_count(const struct local_interest *li)
{
    return li->count;
}

size_t local_interest_told(const struct local_interest *li)
{
    return iset_count(li->set);
}
