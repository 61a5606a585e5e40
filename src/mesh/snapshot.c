/* SPDX-License-Identifier: Apache-2.0 */
/* Whole interest sets, in chunks: sent to a neighbour that is far behind, received beside
 * the set that serves meanwhile, and installed when complete and right. MESH.md 3.4. */
#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/interest_codec.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"

#include <stdlib.h>

/* A set on its way in. */
struct snapshot {
    uint32_t inc;
    uint64_t iver, hash;
    uint64_t next, chunks;
    link_id link;
    struct iset *set;
};

void snapshot_drop(struct lsdb_node *node)
{
    if (!node->snapshot)
        return;
    iset_free(node->snapshot->set);
    free(node->snapshot);
    node->snapshot = NULL;
}

/* Entries from *cursor on, as many as a chunk holds; how many. */
static uint64_t put_chunk(const struct iset *set, size_t *cursor, struct buf *out)
{
    struct interest interest;
    struct str before = STR("");
    uint64_t count = 0;

    for (size_t after = *cursor; set && iset_next(set, &after, &interest); *cursor = after) {
        if (count && out->len + interest.filter.len > INTEREST_BODY_MAX - 256)
            break;
        interest_put(out, before, &interest);
        before = interest.filter;
        count++;
    }
    return count;
}

/* How many chunks a set takes. */
static uint64_t count_chunks(const struct iset *set, struct buf *scratch)
{
    size_t cursor = 0;
    uint64_t chunks = 0;

    do {
        buf_clear(scratch);
        if (put_chunk(set, &cursor, scratch) == 0)
            break;
        chunks++;
    } while (!scratch->failed);
    return chunks ? chunks : 1;
}

void interest_send_snapshot(struct mesh *mesh, struct link *link, const struct lsdb_node *node)
{
    struct buf entries = { 0 };
    size_t cursor = 0;
    struct interest_head head = {
        .id = node->id, .inc = node->iinc, .iver = node->iver, .hash = interest_hash(node)
    };

    if (node->set_bad)
        return;
    head.chunks = count_chunks(node->set, &entries);
    for (; head.chunk < head.chunks && !entries.failed && !link->closing; head.chunk++) {
        struct buf *body = mesh_scratch(mesh);
        buf_clear(&entries);
        head.adds = put_chunk(node->set, &cursor, &entries);
        isnap_put_head(body, &head);
        buf_append_str(body, buf_str(&entries));
        if (!entries.failed && !body->failed)
            link_put(mesh, link, CLASS_SNAPSHOT, FRAME_ISNAP, buf_str(body));
    }
    buf_finish(&entries);
}

/* The snapshot that this chunk belongs to, begun when it is the first; NULL: not wanted. */
static struct snapshot *match(struct lsdb_node *node, const struct interest_head *head,
                              link_id link)
{
    struct snapshot *snapshot = node->snapshot;

    if (snapshot && snapshot->inc == head->inc && snapshot->iver == head->iver &&
        snapshot->link == link && snapshot->next == head->chunk &&
        snapshot->chunks == head->chunks && snapshot->hash == head->hash)
        return snapshot;
    if (head->chunk != 0)
        return NULL;
    snapshot_drop(node);
    snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return NULL;
    node->snapshot = snapshot;
    snapshot->inc = head->inc;
    snapshot->iver = head->iver;
    snapshot->hash = head->hash;
    snapshot->chunks = head->chunks;
    snapshot->link = link;
    snapshot->set = iset_new();
    return snapshot;
}

/* Put the entries of a checked chunk into the snapshot: ERR_OK, ERR_LIMIT when there are
 * too many, or ERR_NOMEM. */
static int gather(struct mesh *mesh, struct snapshot *snapshot, struct interest_head *head)
{
    struct interest interest;

    if (!snapshot->set)
        return ERR_NOMEM;
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

int isnap_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct interest_head head;
    int err = isnap_decode(body, &mesh->text_buf, &head);

    if (err)
        return err == ERR_NOMEM ? ERR_OK : err;
    struct lsdb_node *node = interest_subject(mesh, link, &head);
    if (!node || (head.inc == node->iinc && !node->set_bad && head.iver <= node->iver &&
                  !(head.iver == node->iver && head.hash > interest_hash(node))))
        return ERR_OK;
    struct snapshot *snapshot = match(node, &head, link->id);
    if (!snapshot)
        return ERR_OK;
    if (link->state == LINK_EXCHANGE)
        link->deadline_ms = mesh->now_ms + mesh->config.handshake_ms; /* progress */
    err = gather(mesh, snapshot, &head);
    if (err) {
        snapshot_drop(node);
        if (err == ERR_LIMIT)
            digest_oversized(mesh, node);
        return ERR_OK;
    }
    if (snapshot->next < snapshot->chunks)
        return ERR_OK;
    struct iset *set = snapshot->set;
    snapshot->set = NULL;
    snapshot_drop(node);
    if (iset_hash(set) != head.hash) {
        iset_free(set);
        return ERR_MALFORMED;
    }
    uint32_t from_inc = node->iinc;
    uint64_t from = node->set_bad ? 0 : node->iver;
    interest_install(mesh, node, set, head.inc, head.iver);
    if (!node->set_bad)
        interest_advanced(mesh, link, node, from_inc, from);
    return ERR_OK;
}
