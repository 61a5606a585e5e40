/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/spf.h"

#include "base/err.h"

#include <string.h>

void spf_finish(struct spf *spf)
{
    vec_finish(&spf->heap);
}

static int heap_push(struct spf *spf, uint32_t dist, uint32_t rank)
{
    uint64_t key = (uint64_t)dist << 32 | rank;

    if (!vec_push(&spf->heap))
        return ERR_NOMEM;
    size_t i = spf->heap.len - 1;
    for (; i > 0 && spf->heap.at[(i - 1) / 2] > key; i = (i - 1) / 2)
        spf->heap.at[i] = spf->heap.at[(i - 1) / 2];
    spf->heap.at[i] = key;
    return ERR_OK;
}

static uint64_t heap_pop(struct spf *spf)
{
    uint64_t *heap = spf->heap.at, top = heap[0], last = heap[--spf->heap.len];
    size_t len = spf->heap.len, i = 0;

    for (size_t child = 1; child < len; child = 2 * i + 1) {
        if (child + 1 < len && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    if (len)
        heap[i] = last;
    return top;
}

/* What the edge from one node to another costs when both list it, else 0. */
static uint32_t edge_cost(const struct lsdb_node *from, const struct lsdb_edge *edge,
                          const struct lsdb_node *to)
{
    uint32_t low = 0, high = to->edge_count;

    /* Halve while that is worth it: a hub has many. Edges are in order of id. */
    while (high - low > 8) {
        uint32_t middle = low + (high - low) / 2;
        if (node_id_compare(&to->edges[middle].id, &from->id) <= 0)
            low = middle;
        else
            high = middle;
    }
    for (; low < high; low++) {
        if (to->edges[low].node == from->index)
            return edge->cost > to->edges[low].cost ? edge->cost : to->edges[low].cost;
    }
    return 0;
}

/* Add first hops to a node's, in order of id, at most four: the lowest ids stay. */
static void merge_hops(const struct lsdb *lsdb, struct lsdb_node *node, const uint32_t *hops,
                       uint8_t count)
{
    uint32_t merged[NEXT_HOPS_MAX];
    uint8_t len = 0, i = 0, j = 0;

    while (len < NEXT_HOPS_MAX && (i < node->hop_count || j < count)) {
        uint32_t left = i < node->hop_count ? lsdb_at(lsdb, node->next_hops[i])->rank : NODE_NONE;
        uint32_t right = j < count ? lsdb_at(lsdb, hops[j])->rank : NODE_NONE;
        merged[len++] = left <= right ? node->next_hops[i] : hops[j];
        i += left <= right;
        j += right <= left;
    }
    memcpy(node->next_hops, merged, len * sizeof merged[0]);
    node->hop_count = len;
}

/* A path to the node through from, over an edge of this cost. */
static int relax(struct spf *spf, const struct lsdb *lsdb, const struct lsdb_node *from,
                 struct lsdb_node *to, uint32_t cost)
{
    uint64_t dist = (uint64_t)from->dist + cost;
    const uint32_t *hops = from->index == NODE_SELF ? &to->index : from->next_hops;
    uint8_t count = from->index == NODE_SELF ? 1 : from->hop_count;

    if (dist >= UINT32_MAX || dist > to->dist)
        return ERR_OK;
    if (dist == to->dist) {
        merge_hops(lsdb, to, hops, count);
        if (from->hops + 1 < to->hops)
            to->hops = (uint16_t)(from->hops + 1);
        return ERR_OK;
    }
    to->dist = (uint32_t)dist;
    to->hops = (uint16_t)(from->hops + 1);
    to->hop_count = count;
    memcpy(to->next_hops, hops, count * sizeof hops[0]);
    return heap_push(spf, to->dist, to->rank);
}

int spf_compute(struct spf *spf, struct lsdb *lsdb)
{
    struct lsdb_node *self = lsdb_self(lsdb);
    int err;

    lsdb_resolve_edges(lsdb);
    vec_each (&lsdb->order, at) {
        (*at)->dist = UINT32_MAX;
        (*at)->hops = 0;
        (*at)->hop_count = 0;
    }
    self->dist = 0;
    vec_clear(&spf->heap);
    err = heap_push(spf, 0, self->rank);
    while (!err && spf->heap.len) {
        uint64_t top = heap_pop(spf);
        const struct lsdb_node *from = lsdb->order.at[(uint32_t)top];
        if (from->dist != top >> 32 || (from->stub && from != self))
            continue;
        for (uint32_t i = 0; i < from->edge_count && !err; i++) {
            const struct lsdb_edge *edge = &from->edges[i];
            if (edge->node == NODE_NONE || edge->node == NODE_SELF)
                continue;
            struct lsdb_node *to = lsdb_at(lsdb, edge->node);
            /* The own record may have to wait; that a link is gone is known here at once. */
            uint32_t cost = from == self && !to->link ? 0 : edge_cost(from, edge, to);
            if (cost)
                err = relax(spf, lsdb, from, to, cost);
        }
    }
    if (spf->heap.cap > 4096)
        vec_finish(&spf->heap);
    return err;
}
