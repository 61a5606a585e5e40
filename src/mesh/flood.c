/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/flood.h"

#include "mesh/interest_sync.h"
#include "mesh/state.h"

#include <string.h>

/* With three links or more a copy may come the other way first: wait less than so long. */
enum { JITTER_MS = 3, JITTER_LINKS = 3 };

void flood_finish(struct flood *flood)
{
    vec_finish(&flood->queue);
    vec_finish(&flood->marks);
    flood->head = 0;
    snapshots_finish(&flood->snapshots);
}

/* Everything is told: nothing need be held. */
static void rest(struct flood *flood)
{
    if (flood->head == flood->queue.len && snapshots_idle(&flood->snapshots))
        flood_finish(flood);
}

static uint64_t *mark_of(struct flood *flood, uint32_t node, enum record_kind kind,
                         uint64_t *ret_bit)
{
    size_t at = (size_t)node * RECORD_KINDS + kind;

    *ret_bit = (uint64_t)1 << (at % 64);
    while (flood->marks.len <= at / 64) {
        if (!vec_push(&flood->marks))
            return NULL;
    }
    return &flood->marks.at[at / 64];
}

static bool unmark(struct flood *flood, uint32_t node, enum record_kind kind)
{
    size_t at = (size_t)node * RECORD_KINDS + kind;
    uint64_t bit = (uint64_t)1 << (at % 64);

    if (at / 64 >= flood->marks.len || !(flood->marks.at[at / 64] & bit))
        return false;
    flood->marks.at[at / 64] &= ~bit;
    return true;
}

/* Drop entries that were sent or cancelled. */
static void compact(struct flood *flood)
{
    size_t kept = 0;

    for (size_t i = flood->head; i < flood->queue.len; i++) {
        struct flood_entry entry = flood->queue.at[i];
        if (unmark(flood, entry.node, (enum record_kind)entry.kind))
            flood->queue.at[kept++] = entry;
    }
    flood->queue.len = kept;
    flood->head = 0;
    vec_each (&flood->queue, entry) {
        uint64_t bit;
        *mark_of(flood, entry->node, (enum record_kind)entry->kind, &bit) |= bit;
    }
    rest(flood);
}

void flood_tell_link(struct mesh *mesh, struct link *link, struct lsdb_node *node,
                     enum record_kind kind, uint32_t from_inc, uint64_t from, uint64_t due_ms)
{
    struct flood *flood = &link->flood;

    if (link->state == LINK_DOWN)
        return;
    uint64_t bit, *mark = mark_of(flood, node->index, kind, &bit);
    if (mark && *mark & bit)
        return; /* the entry that waits is older, so what it brings is more */
    if (flood->queue.len > 64 && flood->queue.len > mesh->lsdb.nodes.len * 2 * RECORD_KINDS)
        compact(flood);
    struct flood_entry *entry = mark ? vec_push(&flood->queue) : NULL;
    if (!entry)
        return; /* out of memory: the next digest shows the difference */
    mark = mark_of(flood, node->index, kind, &bit); /* compacting may have moved it */
    if (!mark) {
        flood->queue.len--;
        return;
    }
    *mark |= bit;
    *entry = (struct flood_entry){ .node = node->index,
                                   .kind = (uint8_t)kind,
                                   .from_inc = from_inc,
                                   .from = from,
                                   .due_ms = due_ms };
    mesh_wake(mesh, due_ms);
}

void flood_tell(struct mesh *mesh, const struct link *except, struct lsdb_node *node,
                enum record_kind kind, uint32_t from_inc, uint64_t from)
{
    bool jitter = except && mesh->link_count >= JITTER_LINKS;

    link_each(mesh, link)
    {
        if (link == except || (link->state != LINK_EXCHANGE && link->state != LINK_FULL))
            continue;
        uint64_t wait_ms = jitter ? rand_below(&mesh->rand, JITTER_MS) : 0;
        flood_tell_link(mesh, link, node, kind, from_inc, from, mesh->now_ms + wait_ms);
    }
}

void flood_cancel(struct link *link, const struct lsdb_node *node, enum record_kind kind)
{
    unmark(&link->flood, node->index, kind);
}

bool flood_taken(struct link *link, const struct lsdb_node *node, enum record_kind kind)
{
    return unmark(&link->flood, node->index, kind);
}

void flood_forget(struct mesh *mesh, const struct lsdb_node *node)
{
    link_each(mesh, link)
    {
        for (int kind = 0; kind < RECORD_KINDS; kind++)
            unmark(&link->flood, node->index, (enum record_kind)kind);
    }
}

static void send_entry(struct mesh *mesh, struct link *link, const struct flood_entry *entry)
{
    struct lsdb_node *node = lsdb_at(&mesh->lsdb, entry->node);

    if (!node)
        return;
    mesh->stats.floods_out++;
    if (entry->kind == RECORD_INTEREST)
        interest_send(mesh, link, node, entry->from_inc, entry->from);
    else if (node->record)
        link_put(mesh, link, CLASS_CONTROL, FRAME_TLSA,
                 (struct str){ (const char *)node->record, node->record_len });
}

/* Write what is due, but for snapshots: their turn comes apart from it. */
static bool pump_records(struct mesh *mesh, struct link *link)
{
    struct flood *flood = &link->flood;
    bool wrote = false;

    while (flood->head < flood->queue.len && link->queue.bytes[CLASS_CONTROL] < FLOOD_PUMP_BYTES) {
        struct flood_entry entry = flood->queue.at[flood->head];
        if (entry.due_ms > mesh->now_ms)
            break;
        if (entry.kind == RECORD_SNAPSHOT && !snapshots_add(&flood->snapshots, entry.node))
            break; /* out of memory: the next turn tries again */
        flood->head++;
        if (entry.kind == RECORD_SNAPSHOT)
            continue; /* marked until it begins */
        if (!unmark(flood, entry.node, (enum record_kind)entry.kind))
            continue;
        send_entry(mesh, link, &entry);
        wrote = true;
    }
    return wrote;
}

bool flood_pump(struct mesh *mesh, struct link *link)
{
    bool records = pump_records(mesh, link);
    bool snapshots = snapshots_pump(mesh, link);

    if (link->flood.queue.cap)
        rest(&link->flood);
    return records || snapshots;
}

uint64_t flood_deadline(const struct mesh *mesh, const struct link *link)
{
    if (link->flood.head == link->flood.queue.len)
        return UINT64_MAX;
    uint64_t due_ms = link->flood.queue.at[link->flood.head].due_ms;
    return due_ms > mesh->now_ms ? due_ms : UINT64_MAX; /* due already: waits for room */
}
