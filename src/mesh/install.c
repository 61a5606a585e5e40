/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/install.h"

#include "base/err.h"
#include "mesh/interest_sync.h"
#include "mesh/snapshot.h"
#include "mesh/state.h"

#include <stdlib.h>

/* A set that leaves the index. */
struct retired {
    struct list node;
    struct iset *set;
    bool restore;
    struct buf at; /* go on from here */
};

/* How much may still be done in this turn. */
static size_t *steps_left(struct mesh *mesh)
{
    if (mesh->install_ms != mesh->now_ms)
        mesh->install_left = mesh->config.interest_piece;
    mesh->install_ms = mesh->now_ms;
    return &mesh->install_left;
}

static void to_do(struct mesh *mesh, struct lsdb_node *node)
{
    if (!list_linked(&node->installing))
        list_push_back(&mesh->installing, &node->installing);
    mesh_wake(mesh, mesh->now_ms);
}

static void retired_free(struct retired *retired)
{
    list_remove(&retired->node);
    iset_free(retired->set);
    buf_finish(&retired->at);
    free(retired);
}

bool install_idle(const struct lsdb_node *node)
{
    return !list_linked(&node->installing);
}

void install_finish(struct lsdb_node *node)
{
    while (!list_empty(&node->retired))
        retired_free(list_entry(node->retired.next, struct retired, node));
    list_remove(&node->installing);
}

/* ---- leaving ---- */

/* The filter was in a set that serves no more: let the index hold what the node wants now. */
static void settle(struct mesh *mesh, struct lsdb_node *node, struct str filter, bool restore)
{
    struct interest now;

    if (snapshot_is_adding(node) && iset_find(node->snapshot->set, filter, &now))
        return; /* it is about to be the set */
    if (!node->set || !iset_find(node->set, filter, &now))
        interest_index_remove(mesh->index, node->index, filter);
    else if (restore && interest_index_put(mesh->index, node->index, &now) != ERR_OK)
        node->set_bad = mesh->out->failed = true; /* then the next digest asks for it again */
}

/* Settle a set's filters from where it is, as far as steps go; false when memory did not
 * suffice. */
static bool settle_some(struct mesh *mesh, struct lsdb_node *node, struct retired *retired,
                        size_t *steps, bool *ret_done)
{
    struct filter_reader reader = { 0 };
    struct buf *at = &retired->at;
    bool fine = filter_reader_seek(&reader, iset_filters(retired->set), buf_str(at)) == ERR_OK;

    for (; fine && !reader.ended && *steps; --*steps) {
        settle(mesh, node, filter_reader_text(&reader), retired->restore);
        filter_reader_next(&reader);
    }
    *ret_done = fine && reader.ended;
    buf_clear(at);
    if (fine && !reader.ended)
        buf_append_str(at, filter_reader_text(&reader));
    filter_reader_finish(&reader);
    return fine && !at->failed;
}

void install_retire(struct mesh *mesh, struct lsdb_node *node, struct iset *set, bool restore)
{
    struct retired *retired = set ? calloc(1, sizeof *retired) : NULL;

    if (retired) {
        *retired = (struct retired){ .set = set, .restore = restore };
        list_push_back(&node->retired, &retired->node);
        to_do(mesh, node);
    } else if (set) { /* without memory it must be now */
        struct retired now = { .set = set, .restore = restore };
        size_t all = SIZE_MAX;
        bool done;
        if (!settle_some(mesh, node, &now, &all, &done))
            node->set_bad = mesh->out->failed = true;
        buf_finish(&now.at);
        iset_free(set);
    }
}

static void leave_some(struct mesh *mesh, struct lsdb_node *node, size_t *steps)
{
    while (!list_empty(&node->retired) && *steps) {
        struct retired *retired = list_entry(node->retired.next, struct retired, node);
        bool done;
        if (!settle_some(mesh, node, retired, steps, &done)) {
            buf_clear(&retired->at); /* again from its beginning */
            mesh->out->failed = true;
            return;
        }
        if (done)
            retired_free(retired);
    }
}

/* ---- coming ---- */

/* Add filters of the snapshot that the set has not, or not so. If memory did not suffice
 * before, what is in the index is not known. */
static bool add_some(struct mesh *mesh, struct lsdb_node *node, size_t *steps, bool *ret_done)
{
    struct snapshot *snapshot = node->snapshot;
    struct filter_reader reader = { 0 };
    bool fine =
        filter_reader_seek(&reader, iset_filters(snapshot->set), buf_str(&snapshot->at)) == ERR_OK;

    for (; fine && !reader.ended && *steps; --*steps) {
        struct interest had, now = iset_interest(filter_reader_text(&reader), reader.value);
        bool same = !node->set_bad && node->set && iset_find(node->set, now.filter, &had) &&
                    had.qos == now.qos && had.persistent == now.persistent;
        if (!same && interest_index_put(mesh->index, node->index, &now) != ERR_OK)
            snapshot->torn = true;
        filter_reader_next(&reader);
    }
    *ret_done = fine && reader.ended;
    buf_clear(&snapshot->at);
    if (fine && !reader.ended)
        buf_append_str(&snapshot->at, filter_reader_text(&reader));
    filter_reader_finish(&reader);
    return fine && !snapshot->at.failed;
}

void install_begin(struct mesh *mesh, struct lsdb_node *node)
{
    node->snapshot->adding = true;
    to_do(mesh, node);
    install_run(mesh);
}

/* A piece for one node. Is it done? */
static bool work(struct mesh *mesh, struct lsdb_node *node, size_t *steps)
{
    bool done = true;

    if (snapshot_is_adding(node)) {
        if (!add_some(mesh, node, steps, &done)) {
            mesh->out->failed = true;
            return false; /* again, from the beginning */
        }
        snapshot_progress(mesh, node);
        if (!done)
            return false;
        snapshot_installed(mesh, node);
    }
    leave_some(mesh, node, steps);
    return list_empty(&node->retired) && !snapshot_is_adding(node);
}

uint64_t install_run(struct mesh *mesh)
{
    size_t *steps = steps_left(mesh);

    while (!list_empty(&mesh->installing) && *steps) {
        struct lsdb_node *node = list_entry(mesh->installing.next, struct lsdb_node, installing);
        bool done = work(mesh, node, steps);
        list_remove(&node->installing);
        if (done)
            continue;
        list_push_back(&mesh->installing, &node->installing); /* others' turn */
        break;
    }
    return list_empty(&mesh->installing) ? UINT64_MAX : mesh->now_ms + 1;
}
