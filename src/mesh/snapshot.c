/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/snapshot.h"

#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/install.h"
#include "mesh/interest_codec.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"

#include <stdlib.h>
#include <string.h>

/* Changes that wait for a snapshot. When there are more, they are asked for afterwards. */
enum { CHANGES_BYTES_MAX = 1 << 20 };

/* A change that waits: the body of its IDELTA. */
struct waiting_change {
    struct list node;
    size_t len;
    char body[];
};

static void changes_free(struct list *changes)
{
    while (!list_empty(changes))
        free(list_entry(list_pop_front(changes), struct waiting_change, node));
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    changes_free(&snapshot->changes);
    buf_finish(&snapshot->at);
    iset_free(snapshot->set);
    free(snapshot);
}

void snapshot_drop(struct mesh *mesh, struct lsdb_node *node)
{
    struct snapshot *snapshot = node->snapshot;

    if (!snapshot)
        return;
    node->snapshot = NULL;
    if (snapshot->adding) {
        install_retire(mesh, node, snapshot->set, true);
        snapshot->set = NULL;
    }
    snapshot_free(snapshot);
}

void snapshot_link_down(struct mesh *mesh, link_id link)
{
    vec_each (&mesh->lsdb.order, at) {
        struct lsdb_node *node = *at;
        if (!node->snapshot || node->snapshot->link != link)
            continue;
        node->snapshot->link = 0;
        if (node->snapshot->adding)
            continue;
        snapshot_drop(mesh, node);
        digest_ask_again(mesh, node);
    }
}

void snapshot_progress(struct mesh *mesh, const struct lsdb_node *node)
{
    link_each(mesh, link)
    {
        if (link->state == LINK_EXCHANGE && digest_waits(link, node))
            link->deadline_ms = mesh->now_ms + mesh->config.handshake_ms;
    }
}

/* ---- changes meanwhile ---- */

bool snapshot_takes(struct lsdb_node *node, const struct interest_head *head, struct str body)
{
    struct snapshot *snapshot = node->snapshot;

    if (!snapshot || snapshot->inc < head->inc)
        return false;
    if (snapshot->inc > head->inc)
        return true;
    bool follows = head->prev == snapshot->changes_iver && head->iver > head->prev;
    struct waiting_change *change = NULL;
    if (follows && snapshot->changes_bytes + body.len <= CHANGES_BYTES_MAX)
        change = malloc(sizeof *change + body.len);
    if (change) {
        change->len = body.len;
        memcpy(change->body, body.ptr, body.len);
        list_push_back(&snapshot->changes, &change->node);
        snapshot->changes_iver = head->iver;
        snapshot->changes_bytes += body.len;
    }
    return true; /* what is missing afterwards is asked for then */
}

void snapshot_installed(struct mesh *mesh, struct lsdb_node *node)
{
    struct snapshot *snapshot = node->snapshot;
    struct link *link = link_at(mesh, snapshot->link);
    struct iset *set = snapshot->set;
    uint32_t from_inc = node->iinc;
    uint64_t from = node->set_bad ? 0 : node->iver;
    struct list changes;

    node->snapshot = NULL;
    snapshot->set = NULL;
    interest_replace(mesh, node, set, snapshot->inc, snapshot->iver);
    node->set_bad |= snapshot->torn;
    mesh->out->failed |= snapshot->torn;
    lsdb_touch(node);
    list_init(&changes);
    while (!list_empty(&snapshot->changes))
        list_push_back(&changes, list_pop_front(&snapshot->changes));
    snapshot_free(snapshot);
    if (!node->set_bad)
        interest_advanced(mesh, link, node, from_inc, from);
    while (!list_empty(&changes)) {
        struct waiting_change *change =
            list_entry(list_pop_front(&changes), struct waiting_change, node);
        interest_follow(mesh, link, node, (struct str){ change->body, change->len });
        free(change);
    }
    interest_catch_up(mesh, link, node);
}

/* ---- chunks ---- */

/* Begin to gather the set that this first chunk belongs to; NULL when out of memory. */
static struct snapshot *begin(struct mesh *mesh, struct lsdb_node *node,
                              const struct interest_head *head, link_id link)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    snapshot_drop(mesh, node);
    if (!snapshot)
        return NULL;
    list_init(&snapshot->changes);
    snapshot->inc = head->inc;
    snapshot->iver = snapshot->changes_iver = head->iver;
    snapshot->hash = head->hash;
    snapshot->chunks = head->chunks;
    snapshot->link = link;
    snapshot->set = iset_new();
    if (!snapshot->set) {
        snapshot_free(snapshot);
        return NULL;
    }
    node->snapshot = snapshot;
    return snapshot;
}

/* The snapshot that this chunk belongs to, begun when it is the first; NULL: not wanted. */
static struct snapshot *match(struct mesh *mesh, struct lsdb_node *node,
                              const struct interest_head *head, link_id link)
{
    struct snapshot *snapshot = node->snapshot;

    bool alike = snapshot && head->inc == snapshot->inc;
    if (snapshot && head->inc < snapshot->inc)
        return NULL; /* of a life before */
    if (alike && snapshot->adding)
        return NULL; /* first that one; what is newer is asked for afterwards */
    if (alike && snapshot->link != link && head->iver <= snapshot->iver)
        return NULL; /* another neighbour is at it */
    if (snapshot && snapshot->inc == head->inc && snapshot->iver == head->iver &&
        snapshot->link == link && snapshot->next == head->chunk &&
        snapshot->chunks == head->chunks && snapshot->hash == head->hash)
        return snapshot;
    return head->chunk == 0 ? begin(mesh, node, head, link) : NULL;
}

/* Put the entries of a checked chunk into the snapshot: ERR_OK, ERR_LIMIT when there are
 * too many, or ERR_NOMEM. */
static int gather(struct mesh *mesh, struct snapshot *snapshot, struct interest_head *head)
{
    struct interest interest;

    if (iset_count(snapshot->set) + head->adds > mesh->config.filters_max)
        return ERR_LIMIT;
    buf_clear(&mesh->text_buf);
    for (uint64_t left = head->adds; left; left--) {
        if (!interest_get(&head->entries, &mesh->text_buf, &interest) ||
            iset_put(snapshot->set, &interest) != ERR_OK)
            return ERR_NOMEM;
    }
    snapshot->next++;
    return ERR_OK;
}

/* Is it no newer than what is here? */
static bool is_old(const struct lsdb_node *node, const struct interest_head *head)
{
    return head->inc == node->iinc && !node->set_bad && head->iver <= node->iver &&
           !(head->iver == node->iver && head->hash > interest_hash(node));
}

int isnap_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct interest_head head;
    int err = isnap_decode(body, &mesh->text_buf, &head);

    if (err)
        return err == ERR_NOMEM ? ERR_OK : err;
    struct lsdb_node *node = interest_subject(mesh, link, &head);
    if (!node || is_old(node, &head))
        return ERR_OK;
    struct snapshot *snapshot = match(mesh, node, &head, link->id);
    if (!snapshot)
        return ERR_OK;
    snapshot_progress(mesh, node);
    err = gather(mesh, snapshot, &head);
    if (err) {
        snapshot_drop(mesh, node);
        if (err == ERR_LIMIT)
            digest_oversized(mesh, node);
        return ERR_OK;
    }
    if (snapshot->next < snapshot->chunks)
        return ERR_OK;
    if (iset_hash(snapshot->set) != head.hash) {
        snapshot_drop(mesh, node);
        return ERR_MALFORMED;
    }
    install_begin(mesh, node);
    return ERR_OK;
}
