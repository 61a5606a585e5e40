/* SPDX-License-Identifier: Apache-2.0 */
#include "store/walk.h"

#include "base/err.h"

/* What a row is to this walk. */
enum row_is { ROW_OURS, ROW_BEHIND, ROW_DAMAGED };

/* Judge the row. Only a checksum that is right tells where the queue ends: a wrong bit may be
 * in the key. */
static enum row_is row_judge(struct walk *w, struct str key, struct str value)
{
    uint64_t session;
    struct str content;

    if (row_open(key, value, &content) != ERR_OK ||
        !row_key_read_pair(key, &session, &w->row_seq))
        return ROW_DAMAGED;
    if (session != w->session)
        return ROW_BEHIND;
    if (w->row_seq < w->floor || queue_row_read(content, &w->row) != ERR_OK)
        return ROW_DAMAGED;
    return ROW_OURS;
}

/* Go on from the row that the cursor gave with err to the first that is this queue's. */
static int row_find(struct walk *w, int err, struct str key, struct str value)
{
    const struct tables_kind *kind = w->cursor->kind;

    w->has_row = false;
    for (; !err; err = kind->next(w->cursor, &key, &value)) {
        enum row_is is = row_judge(w, key, value);
        w->has_row = is == ROW_OURS;
        if (is != ROW_DAMAGED)
            return ERR_OK;
        w->damaged++;
    }
    if (err != ERR_CHECKSUM)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    w->damaged++; /* and no way to what is behind */
    return ERR_OK;
}

static int row_seek(struct walk *w, uint64_t seq)
{
    struct row_key from = row_key_queue(w->session, seq);
    struct str key, value;
    int err = w->cursor->kind->seek(w->cursor, row_key_str(&from), &key, &value);

    return row_find(w, err, key, value);
}

static int row_next(struct walk *w)
{
    struct str key, value;
    int err = w->cursor->kind->next(w->cursor, &key, &value);

    return row_find(w, err, key, value);
}

int walk_begin(struct walk *walk, const struct layers *layers, struct tables_txn *txn,
               uint64_t session, uint64_t from)
{
    *walk = (struct walk){ .session = session, .floor = from };
    for (int i = 0; i < LAYERS && !walk->hidden; i++) {
        walk->deltas[i] = layers->deltas[i];
        if (!layers->deltas[i])
            continue;
        const struct delta_session *s = delta_session_find(layers->deltas[i], session);
        walk->sessions[i] = s;
        if (!s)
            continue;
        walk->at[i] = delta_entry_at(s, from);
        walk->hidden = s->dropped;
    }
    if (walk->hidden)
        return ERR_OK;
    int err = txn->kind->cursor(txn, TABLE_QUEUE, &walk->cursor);
    return err ? err : row_seek(walk, from);
}

/* Step over rows that a delta says are done: a long run of them costs one look-up. */
static int rows_skip(struct walk *w)
{
    int err = ERR_OK;

    while (w->has_row && !err) {
        uint64_t seq = w->row_seq;
        for (int i = 0; i < LAYERS; i++)
            seq = w->sessions[i] ? spans_skip(&w->sessions[i]->done, seq) : seq;
        if (seq == w->row_seq)
            break;
        err = row_seek(w, seq);
    }
    return err;
}

/* The entry that a delta has next, or NULL. Those that the newer one says are done are
 * stepped over. */
static const struct delta_entry *entry_next(struct walk *w, int layer)
{
    const struct delta_session *s = w->sessions[layer];

    for (; s && w->at[layer] < s->entries.len; w->at[layer]++) {
        const struct delta_entry *entry = &s->entries.at[w->at[layer]];
        bool done = layer > 0 && w->sessions[0] && spans_has(&w->sessions[0]->done, entry->seq);
        if (!entry->gone && !done)
            return entry;
    }
    return NULL;
}

/* Does a layer newer than this one say that the place was received? */
static bool received_above(const struct walk *w, int layer, uint64_t seq)
{
    for (int i = 0; i < layer; i++) {
        if (w->sessions[i] && spans_has(&w->sessions[i]->received, seq))
            return true;
    }
    return false;
}

/* The place that comes next, of all layers; false: the end. */
static bool place_next(struct walk *w, struct walk_place *ret_place)
{
    struct walk_place place = { .seq = w->row_seq, .row = w->row };
    bool found = w->has_row;
    int layer = LAYERS;

    for (int i = LAYERS - 1; i >= 0; i--) {
        const struct delta_entry *entry = entry_next(w, i);
        if (entry && (!found || entry->seq <= place.seq)) {
            place = (struct walk_place){ .seq = entry->seq, .delta = w->deltas[i],
                                         .entry = entry };
            found = true;
            layer = i;
        }
    }
    bool received = place.entry ? place.entry->received : place.row.received;
    place.received = received || received_above(w, layer, place.seq);
    *ret_place = place;
    return found;
}

int walk_next(struct walk *w, struct walk_place *ret_place)
{
    int err = rows_skip(w);

    if (err)
        return err;
    if (!place_next(w, ret_place))
        return ERR_NOT_FOUND;
    /* All layers step over this place. */
    for (int i = 0; i < LAYERS; i++) {
        const struct delta_entry *entry = entry_next(w, i);
        w->at[i] += entry && entry->seq == ret_place->seq;
    }
    w->floor = ret_place->seq + 1;
    bool row_too = w->has_row && w->row_seq == ret_place->seq;
    return row_too ? row_next(w) : ERR_OK;
}

void walk_finish(struct walk *walk)
{
    if (walk->cursor)
        walk->cursor->kind->cursor_free(walk->cursor);
    walk->cursor = NULL;
}
