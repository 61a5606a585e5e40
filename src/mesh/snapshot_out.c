/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/snapshot_out.h"

#include "base/err.h"
#include "mesh/interest_codec.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"

#include <stdlib.h>

/* A chunk's entries take no more, but for one filter that is longer; and so many chunks are
 * written in a millisecond: two hundred kilobytes. */
enum { CHUNK_BYTES = INTEREST_BODY_MAX - 256, CHUNKS_A_TURN = 4 };

struct snapshot_out {
    struct interest_head head;
    struct iset *set; /* as it was; NULL: empty */
    uint32_t slot;    /* the next one to be written */
    struct filter_reader reader;
};

static void snapshot_out_free(struct snapshot_out *out)
{
    if (!out)
        return;
    filter_reader_finish(&out->reader);
    iset_free(out->set);
    free(out);
}

void snapshots_finish(struct snapshots_out *out)
{
    snapshot_out_free(out->current);
    vec_finish(&out->waiting);
    *out = (struct snapshots_out){ 0 };
}

bool snapshots_idle(const struct snapshots_out *out)
{
    return !out->current && out->waiting.len == 0;
}

bool snapshots_add(struct snapshots_out *out, uint32_t node)
{
    uint32_t *slot = vec_push(&out->waiting);

    if (slot)
        *slot = node;
    return slot != NULL;
}

bool snapshots_serve(const struct snapshots_out *out, const struct lsdb_node *node, uint32_t inc,
                     uint64_t version)
{
    const struct snapshot_out *now = out->current;

    return now && node_id_equal(&now->head.id, &node->id) &&
           (now->head.inc > inc || (now->head.inc == inc && now->head.iver > version));
}

/* The slots that one chunk takes: as many as fit, whatever of them is left out. */
static uint32_t chunk_end(const struct filter_set *filters, uint32_t slot)
{
    size_t bytes = filter_set_slot_bytes(filters, slot++);

    while (slot < filters->slot_count &&
           bytes + filter_set_slot_bytes(filters, slot) <= CHUNK_BYTES)
        bytes += filter_set_slot_bytes(filters, slot++);
    return slot;
}

/* Take the set as it is; NULL when out of memory. */
static struct snapshot_out *begin(const struct lsdb_node *node)
{
    struct snapshot_out *out = calloc(1, sizeof *out);

    if (!out || (node->set && iset_share(node->set, &out->set))) {
        free(out);
        return NULL;
    }
    out->head = (struct interest_head){
        .id = node->id, .inc = node->iinc, .iver = node->iver, .hash = interest_hash(node)
    };
    if (out->set) {
        const struct filter_set *filters = iset_filters(out->set);
        for (uint32_t slot = 0; slot < filters->slot_count; slot = chunk_end(filters, slot))
            out->head.chunks++;
    }
    if (out->head.chunks == 0)
        out->head.chunks = 1;
    return out;
}

/* The entries of the slots before end; false when they are not what they were. */
static bool put_entries(struct snapshot_out *out, uint32_t end, struct buf *entries,
                        struct buf *before)
{
    const struct filter_set *filters = iset_filters(out->set);
    struct filter_reader *reader = &out->reader;

    for (uint32_t slot = out->slot; slot < end; slot++) {
        if (filter_set_torn(filters, slot))
            return false;
    }
    if (filter_reader_slot(reader, filters, out->slot))
        return false;
    buf_clear(before);
    for (; !reader->ended && reader->slot < end; filter_reader_next(reader)) {
        if (!iset_told(reader->value))
            continue;
        struct interest interest =
            iset_interest(filter_reader_text(reader), iset_told(reader->value));
        interest_put(entries, buf_str(before), &interest);
        buf_clear(before);
        buf_append_str(before, interest.filter);
        out->head.adds++;
    }
    out->slot = end;
    return true;
}

/* Write the next chunk. Done, or given up? */
static bool write_chunk(struct mesh *mesh, struct link *link, struct snapshot_out *out)
{
    struct buf entries = { 0 }, *body = mesh_scratch(mesh);
    bool whole = true;

    out->head.adds = 0;
    if (out->set && out->slot < iset_filters(out->set)->slot_count)
        whole = put_entries(out, chunk_end(iset_filters(out->set), out->slot), &entries,
                            &mesh->text_buf);
    isnap_put_head(body, &out->head);
    buf_append_str(body, buf_str(&entries));
    whole = whole && !entries.failed && !body->failed && !mesh->text_buf.failed;
    if (whole)
        link_put(mesh, link, CLASS_SNAPSHOT, FRAME_ISNAP, buf_str(body));
    buf_finish(&entries);
    out->head.chunk++;
    return !whole || out->head.chunk == out->head.chunks || link->closing;
}

void snapshot_send(struct mesh *mesh, struct link *link, const struct lsdb_node *node)
{
    struct snapshot_out *out = node->set_bad ? NULL : begin(node);

    while (out && !write_chunk(mesh, link, out))
        ;
    snapshot_out_free(out);
}

/* The next one whose turn it is, if it still can be sent. */
static void next(struct mesh *mesh, struct link *link)
{
    struct snapshots_out *out = &link->flood.snapshots;

    while (!out->current && out->waiting.len) {
        struct lsdb_node *node = lsdb_at(&mesh->lsdb, out->waiting.at[0]);
        out->waiting.len--;
        for (size_t i = 0; i < out->waiting.len; i++)
            out->waiting.at[i] = out->waiting.at[i + 1];
        if (!node || !flood_taken(link, node, RECORD_SNAPSHOT) || node->set_bad)
            continue;
        mesh->stats.floods_out++;
        out->current = begin(node); /* out of memory: the next digest shows the difference */
    }
}

bool snapshots_pump(struct mesh *mesh, struct link *link)
{
    struct snapshots_out *out = &link->flood.snapshots;
    bool wrote = false;

    if (out->chunks_ms != mesh->now_ms)
        out->chunks = 0;
    out->chunks_ms = mesh->now_ms;
    next(mesh, link);
    while (out->current && link->queue.bytes[CLASS_SNAPSHOT] < FLOOD_PUMP_BYTES) {
        if (out->chunks++ >= CHUNKS_A_TURN) {
            mesh_wake(mesh, mesh->now_ms + 1);
            return wrote;
        }
        /* If the link cannot take the chunk it is closed, and what it had to send dropped. */
        struct snapshot_out *current = out->current;
        out->current = NULL;
        wrote = true;
        if (write_chunk(mesh, link, current)) {
            snapshot_out_free(current);
            next(mesh, link);
        } else {
            out->current = current;
        }
    }
    return wrote;
}
