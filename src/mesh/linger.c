/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/linger.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A filter's byte: how often it stands in the queue, and whether it lingers. */
enum { TIMES = 0x3f, LINGERS = FILTER_SET_MARK(0) };

/* And entries that do not count any more are dropped so many at a time. */
enum { PAGE_BYTES = 8192, TRIM = 4 };

/* A part of the queue: entries from `begin` to `end`. */
struct page {
    struct list node;
    uint32_t begin, end, cap;
    char data[];
};

/* What stands before an entry's text. */
struct entry {
    uint64_t leave_ms;
    uint16_t len;
};

void linger_init(struct linger *linger)
{
    list_init(&linger->pages);
    linger->set = (struct filter_set){ 0 };
}

void linger_finish(struct linger *linger)
{
    while (!list_empty(&linger->pages))
        free(list_entry(list_pop_front(&linger->pages), struct page, node));
    filter_set_finish(&linger->set);
}

/* A page with room for len bytes at its end. */
static struct page *page_for(struct linger *linger, size_t len)
{
    struct page *last = list_entry(linger->pages.prev, struct page, node);
    size_t cap = len > PAGE_BYTES ? len : PAGE_BYTES;

    if (!list_empty(&linger->pages) && last->cap - last->end >= len)
        return last;
    struct page *page = malloc(sizeof *page + cap);
    if (!page)
        return NULL;
    *page = (struct page){ .cap = (uint32_t)cap };
    list_push_back(&linger->pages, &page->node);
    return page;
}

/* Append to the queue; the room is there. */
static void enqueue(struct page *page, struct str filter, uint64_t leave_ms)
{
    struct entry entry = { leave_ms, (uint16_t)filter.len };

    memcpy(page->data + page->end, &entry, sizeof entry);
    memcpy(page->data + page->end + sizeof entry, filter.ptr, filter.len);
    page->end += (uint32_t)(sizeof entry + filter.len);
}

int linger_add(struct linger *linger, struct str filter, uint64_t leave_ms)
{
    uint8_t before = 0;

    filter_set_find(&linger->set, filter, &before);
    if (before & LINGERS)
        return ERR_OK;
    /* A filter that comes and goes so often leaves with the last entry there was room for. */
    bool often = (before & TIMES) == TIMES;
    struct page *page = often ? NULL : page_for(linger, sizeof(struct entry) + filter.len);
    if ((!often && !page) ||
        filter_set_put(&linger->set, filter, (uint8_t)((before + !often) | LINGERS)) != ERR_OK)
        return ERR_NOMEM; /* an empty page, if any, is filled by the next one */
    if (page)
        enqueue(page, filter, leave_ms);
    return ERR_OK;
}

/* The first page that has entries: those before it are used up. */
static struct page *first_page(const struct linger *linger)
{
    list_each (&linger->pages, node) {
        struct page *page = list_entry(node, struct page, node);
        if (page->begin < page->end)
            return page;
    }
    return NULL;
}

uint64_t linger_due_ms(const struct linger *linger)
{
    const struct page *page = first_page(linger);
    struct entry entry;

    if (!page)
        return UINT64_MAX;
    memcpy(&entry, page->data + page->begin, sizeof entry);
    return entry.leave_ms;
}

/* Free the pages before this one. */
static void free_before(struct linger *linger, const struct page *page)
{
    while (linger->pages.next != &page->node)
        free(list_entry(list_pop_front(&linger->pages), struct page, node));
}

bool linger_pop(struct linger *linger, struct str *ret_filter)
{
    struct page *page = first_page(linger);
    struct entry entry;
    uint8_t value;

    assert(page);
    free_before(linger, page);
    memcpy(&entry, page->data + page->begin, sizeof entry);
    *ret_filter = (struct str){ page->data + page->begin + sizeof entry, entry.len };
    page->begin += (uint32_t)(sizeof entry + entry.len);
    bool there = filter_set_find(&linger->set, *ret_filter, &value);
    assert(there && value & TIMES);
    value--;
    if (value & TIMES)
        filter_set_change(&linger->set, *ret_filter, value);
    else
        filter_set_remove(&linger->set, *ret_filter);
    return value == LINGERS;
}

/* Does the first entry of the queue say when its filter leaves? */
static bool first_counts(const struct linger *linger)
{
    const struct page *page = first_page(linger);
    struct entry entry;
    uint8_t value;

    if (!page)
        return true;
    memcpy(&entry, page->data + page->begin, sizeof entry);
    struct str filter = { page->data + page->begin + sizeof entry, entry.len };
    return filter_set_find(&linger->set, filter, &value) && value == (LINGERS | 1);
}

void linger_remove(struct linger *linger, struct str filter)
{
    struct str gone;
    uint8_t value;

    if (linger->set.count == 0 || !filter_set_find(&linger->set, filter, &value) ||
        !(value & LINGERS))
        return;
    filter_set_change(&linger->set, filter, value & TIMES);
    for (int i = 0; i < TRIM && !first_counts(linger); i++)
        linger_pop(linger, &gone);
}
