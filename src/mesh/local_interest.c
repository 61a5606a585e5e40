/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/local_interest.h"

#include "base/err.h"
#include "base/list.h"
#include "topic/filter_trie.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A filter that is wanted, lingers, or has left and must still be told so. */
struct wish {
    struct list linger; /* in local_interest.lingering while it lingers */
    struct wish *dead;  /* the next one to be freed */
    uint64_t leave_ms;  /* when lingering */
    uint32_t id;
    uint16_t len;
    uint8_t qos, told_qos;
    bool persistent, told_persistent;
    bool active; /* wanted or lingering: counts for covering */
    bool told;   /* the others know of it, as told_qos, told_persistent */
    bool dirty;  /* in local_interest.dirty: what is told may have to change */
    bool keep;   /* during take: shall be told */
    char text[];
};

/* A place for a wish, or in the chain of free ones. */
struct wish_slot {
    struct wish *wish;
    uint32_t next_free;
};

struct local_interest {
    struct filter_trie trie; /* all wishes, by number */
    struct {
        VEC(struct wish_slot);
    } slots;
    uint32_t first_free;
    uint32_t linger_ms;
    struct list lingering; /* in order of leave_ms */
    struct filter_ids dirty;
    struct filter_ids found; /* scratch */
    struct wish *dead;       /* their text may still be borrowed */
    size_t count, told;
};

struct local_interest *local_interest_new(uint32_t linger_ms, uint64_t seed)
{
    struct local_interest *li = calloc(1, sizeof *li);

    if (!li)
        return NULL;
    li->linger_ms = linger_ms;
    li->first_free = FILTER_TRIE_NONE;
    list_init(&li->lingering);
    if (filter_trie_init(&li->trie, seed)) {
        local_interest_free(li);
        return NULL;
    }
    return li;
}

static void free_dead(struct local_interest *li)
{
    while (li->dead) {
        struct wish *wish = li->dead;
        li->dead = wish->dead;
        free(wish);
    }
}

void local_interest_free(struct local_interest *li)
{
    if (!li)
        return;
    free_dead(li);
    vec_each (&li->slots, slot)
        free(slot->wish);
    vec_finish(&li->slots);
    vec_finish(&li->dirty);
    vec_finish(&li->found);
    filter_trie_finish(&li->trie);
    free(li);
}

static struct str wish_text(const struct wish *wish)
{
    return (struct str){ wish->text, wish->len };
}

static struct wish *wish_find(const struct local_interest *li, struct str filter)
{
    uint32_t id = filter_trie_find(&li->trie, filter);

    return id == FILTER_TRIE_NONE ? NULL : li->slots.at[id].wish;
}

/* Make a wish, not active yet. */
static struct wish *wish_new(struct local_interest *li, struct str filter)
{
    struct wish *wish = calloc(1, sizeof *wish + filter.len);

    if (li->first_free == FILTER_TRIE_NONE) {
        struct wish_slot *slot = vec_push(&li->slots);
        if (slot) {
            slot->next_free = FILTER_TRIE_NONE;
            li->first_free = (uint32_t)(li->slots.len - 1);
        }
    }
    if (!wish || li->first_free == FILTER_TRIE_NONE ||
        filter_trie_put(&li->trie, filter, li->first_free)) {
        free(wish);
        return NULL;
    }
    wish->id = li->first_free;
    wish->len = (uint16_t)filter.len;
    memcpy(wish->text, filter.ptr, filter.len);
    list_init(&wish->linger);
    li->first_free = li->slots.at[wish->id].next_free;
    li->slots.at[wish->id].wish = wish;
    return wish;
}

/* Take a wish out; its text stays until the next call. */
static void wish_bury(struct local_interest *li, struct wish *wish)
{
    filter_trie_remove(&li->trie, wish_text(wish));
    list_remove(&wish->linger);
    li->slots.at[wish->id] = (struct wish_slot){ NULL, li->first_free };
    li->first_free = wish->id;
    wish->dead = li->dead;
    li->dead = wish;
}

/* Something about the wish changes: it and all it covers must be looked at by take. */
static int mark_covered(struct local_interest *li, const struct wish *wish)
{
    vec_clear(&li->found);
    int err = filter_trie_covered(&li->trie, wish_text(wish), &li->found);
    if (err)
        return err;
    vec_each (&li->found, id) {
        struct wish *below = li->slots.at[*id].wish;
        if (below->dirty)
            continue;
        uint32_t *slot = vec_push(&li->dirty);
        if (!slot)
            return ERR_NOMEM; /* those marked are looked at needlessly */
        *slot = *id;
        below->dirty = true;
    }
    return ERR_OK;
}

int local_interest_set(struct local_interest *li, const struct interest *interest)
{
    free_dead(li);
    struct wish *wish = wish_find(li, interest->filter);
    bool made = !wish;

    assert(interest->qos <= 2);
    if (made)
        wish = wish_new(li, interest->filter);
    if (!wish)
        return ERR_NOMEM;
    if (!wish->active || wish->qos != interest->qos || wish->persistent != interest->persistent) {
        int err = mark_covered(li, wish);
        if (err) {
            if (made && !wish->dirty)
                wish_bury(li, wish);
            return err;
        }
    }
    li->count += !wish->active;
    wish->active = true;
    wish->qos = interest->qos;
    wish->persistent = interest->persistent;
    list_remove(&wish->linger);
    return ERR_OK;
}

bool local_interest_has(const struct local_interest *li, struct str filter)
{
    const struct wish *wish = wish_find(li, filter);

    return wish && wish->active;
}

void local_interest_unset(struct local_interest *li, struct str filter, uint64_t now_ms)
{
    struct wish *wish = wish_find(li, filter);

    if (!wish || !wish->active || list_linked(&wish->linger))
        return;
    wish->leave_ms = now_ms + li->linger_ms;
    list_push_back(&li->lingering, &wish->linger);
}

/* Let go what has lingered long enough. */
static int expire(struct local_interest *li, uint64_t now_ms)
{
    while (!list_empty(&li->lingering)) {
        struct wish *wish = list_entry(li->lingering.next, struct wish, linger);
        if (wish->leave_ms > now_ms)
            return ERR_OK;
        int err = mark_covered(li, wish);
        if (err)
            return err;
        list_remove(&wish->linger);
        wish->active = false;
        li->count--;
    }
    return ERR_OK;
}

/* Shall the wish be told: is it active, and no other one covers it? MESH.md 3.5. */
static int decide(struct local_interest *li, struct wish *wish)
{
    wish->keep = wish->active;
    if (!wish->active)
        return ERR_OK;
    vec_clear(&li->found);
    int err = filter_trie_covering(&li->trie, wish_text(wish), &li->found);
    if (err)
        return err;
    vec_each (&li->found, id) {
        const struct wish *wide = li->slots.at[*id].wish;
        if (wide != wish && wide->active && wide->qos >= wish->qos &&
            wide->persistent >= wish->persistent)
            wish->keep = false;
    }
    return ERR_OK;
}

static int append(struct interest_changes *changes, const struct wish *wish)
{
    struct interest_change *change = vec_push(changes);

    if (!change)
        return ERR_NOMEM;
    change->interest = (struct interest){ wish_text(wish), wish->qos, wish->persistent };
    change->wanted = wish->keep;
    return ERR_OK;
}

/* Adds, then removals, of all dirty wishes; nothing is noted down as told yet. */
static int compose(struct local_interest *li, struct interest_changes *changes)
{
    int err = ERR_OK;

    vec_each (&li->dirty, id) {
        const struct wish *wish = li->slots.at[*id].wish;
        bool differs =
            !wish->told || wish->told_qos != wish->qos || wish->told_persistent != wish->persistent;
        if (!err && wish->keep && differs)
            err = append(changes, wish);
    }
    vec_each (&li->dirty, id) {
        const struct wish *wish = li->slots.at[*id].wish;
        if (!err && !wish->keep && wish->told)
            err = append(changes, wish);
    }
    return err;
}

/* The changes are going out: note it. */
static void commit(struct local_interest *li)
{
    vec_each (&li->dirty, id) {
        struct wish *wish = li->slots.at[*id].wish;
        li->told = li->told - wish->told + wish->keep;
        wish->told = wish->keep;
        wish->told_qos = wish->qos;
        wish->told_persistent = wish->persistent;
        wish->dirty = false;
        if (!wish->active)
            wish_bury(li, wish);
    }
    vec_clear(&li->dirty);
}

int local_interest_take(struct local_interest *li, uint64_t now_ms,
                        struct interest_changes *changes)
{
    vec_clear(changes);
    free_dead(li);
    int err = expire(li, now_ms);
    vec_each (&li->dirty, id) {
        if (!err)
            err = decide(li, li->slots.at[*id].wish);
    }
    if (!err)
        err = compose(li, changes);
    if (err) {
        vec_clear(changes);
        return err;
    }
    commit(li);
    return ERR_OK;
}

void local_interest_untold(struct local_interest *li, struct str filter)
{
    struct wish *wish = wish_find(li, filter);

    assert(wish && wish->told);
    wish->told = false;
    li->told--;
    if (wish->dirty)
        return;
    uint32_t *slot = vec_push(&li->dirty); /* take has left room for as many as it gave */
    wish->dirty = slot != NULL;
    if (slot)
        *slot = wish->id;
}

uint64_t local_interest_deadline(const struct local_interest *li)
{
    if (li->dirty.len)
        return 0;
    if (list_empty(&li->lingering))
        return UINT64_MAX;
    return list_entry(li->lingering.next, struct wish, linger)->leave_ms;
}

size_t local_interest_count(const struct local_interest *li)
{
    return li->count;
}

size_t local_interest_told(const struct local_interest *li)
{
    return li->told;
}
