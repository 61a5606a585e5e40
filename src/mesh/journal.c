/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/journal.h"

#include "mesh/lsdb.h"

#include <stdlib.h>
#include <string.h>

enum { JOURNAL_BYTES_MAX = 256 * 1024, JOURNAL_AGE_MS = 30000 };

void delta_journal_init(struct delta_journal *journal)
{
    list_init(&journal->deltas);
    journal->bytes = 0;
}

static void drop(struct delta_journal *journal, struct delta *delta)
{
    journal->bytes -= sizeof *delta + delta->len;
    list_remove(&delta->of_node);
    list_remove(&delta->of_all);
    free(delta);
}

static struct delta *oldest(const struct delta_journal *journal)
{
    return list_entry(journal->deltas.next, struct delta, of_all);
}

void delta_journal_add(struct delta_journal *journal, struct lsdb_node *node, uint64_t prev,
                       uint64_t iver, struct str body, uint64_t now_ms)
{
    struct delta *delta = malloc(sizeof *delta + body.len);

    if (!list_empty(&node->journal) &&
        list_entry(node->journal.prev, struct delta, of_node)->iver != prev)
        delta_journal_forget(journal, node);
    if (!delta)
        return;
    *delta =
        (struct delta){ .prev = prev, .iver = iver, .at_ms = now_ms, .len = (uint32_t)body.len };
    memcpy(delta->body, body.ptr, body.len);
    list_push_back(&node->journal, &delta->of_node);
    list_push_back(&journal->deltas, &delta->of_all);
    journal->bytes += sizeof *delta + body.len;
    while (journal->bytes > JOURNAL_BYTES_MAX)
        drop(journal, oldest(journal));
}

void delta_journal_forget(struct delta_journal *journal, struct lsdb_node *node)
{
    while (!list_empty(&node->journal))
        drop(journal, list_entry(node->journal.next, struct delta, of_node));
}

void delta_journal_finish(struct delta_journal *journal)
{
    while (journal->deltas.next && !list_empty(&journal->deltas))
        drop(journal, oldest(journal));
}

uint64_t delta_journal_run(struct delta_journal *journal, uint64_t now_ms)
{
    while (!list_empty(&journal->deltas)) {
        uint64_t due_ms = oldest(journal)->at_ms + JOURNAL_AGE_MS;
        if (now_ms < due_ms)
            return due_ms;
        drop(journal, oldest(journal));
    }
    return UINT64_MAX;
}

struct delta *delta_journal_from(const struct lsdb_node *node, uint64_t from, size_t *ret_bytes)
{
    struct delta *first = NULL;

    *ret_bytes = 0;
    list_each (&node->journal, at) {
        struct delta *delta = list_entry(at, struct delta, of_node);
        if (delta->prev == from)
            first = delta;
        if (first)
            *ret_bytes += delta->len;
    }
    /* The list is a chain, so that it leads to the present if its end does. */
    if (first && list_entry(node->journal.prev, struct delta, of_node)->iver != node->iver)
        return NULL;
    return first;
}

struct delta *delta_journal_next(const struct lsdb_node *node, const struct delta *delta)
{
    if (delta->of_node.next == &node->journal)
        return NULL;
    return list_entry(delta->of_node.next, struct delta, of_node);
}
