/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/linger.h"

#include "base/err.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct leaving {
    struct list order;
    uint64_t leave_ms;
    uint16_t len;
    char text[];
};

static struct str text_of(const struct leaving *leaving)
{
    return (struct str){ leaving->text, leaving->len };
}

static bool text_equal(const void *entry, const void *key)
{
    return str_equal(text_of(entry), *(const struct str *)key);
}

void linger_init(struct linger *linger, uint64_t seed)
{
    list_init(&linger->order);
    map_init(&linger->by_text, text_equal);
    linger->seed = seed;
}

void linger_finish(struct linger *linger)
{
    while (!list_empty(&linger->order))
        free(list_entry(list_pop_front(&linger->order), struct leaving, order));
    map_finish(&linger->by_text);
}

static uint64_t hash_of(const struct linger *linger, struct str filter)
{
    return hash_fast(linger->seed, filter.ptr, filter.len);
}

int linger_add(struct linger *linger, struct str filter, uint64_t leave_ms)
{
    uint64_t hash = hash_of(linger, filter);

    if (map_find(&linger->by_text, hash, &filter))
        return ERR_OK;
    struct leaving *leaving = malloc(sizeof *leaving + filter.len);
    if (!leaving || map_insert(&linger->by_text, hash, leaving)) {
        free(leaving);
        return ERR_NOMEM;
    }
    leaving->leave_ms = leave_ms;
    leaving->len = (uint16_t)filter.len;
    memcpy(leaving->text, filter.ptr, filter.len);
    list_push_back(&linger->order, &leaving->order);
    return ERR_OK;
}

void linger_remove(struct linger *linger, struct str filter)
{
    if (linger->by_text.count == 0)
        return;
    struct leaving *leaving = map_remove(&linger->by_text, hash_of(linger, filter), &filter);
    if (!leaving)
        return;
    list_remove(&leaving->order);
    free(leaving);
    if (linger->by_text.count == 0)
        map_finish(&linger->by_text); /* a crowd may have made it large */
}

bool linger_first(const struct linger *linger, struct str *ret_filter, uint64_t *ret_leave_ms)
{
    if (list_empty(&linger->order))
        return false;
    const struct leaving *leaving = list_entry(linger->order.next, struct leaving, order);
    *ret_filter = text_of(leaving);
    *ret_leave_ms = leaving->leave_ms;
    return true;
}
