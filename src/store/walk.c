/* SPDX-License-Identifier: Apache-2.0 */
#include "store/walk.h"

#include "base/err.h"

/* Note the row that the cursor gave with err, if it is one of this queue. */
static int row_note(struct walk *w, int err)
{
    uint64_t session;

    w->has_row = !err && row_key_read_pair(w->key, &session, &w->row_seq) &&
                 session == w->session;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int row_seek(struct walk *w, uint64_t seq)
{
    struct row_key from = row_key_queue(w->session, seq);

    return row_note(w, w->cursor->kind->seek(w->cursor, row_key_str(&from), &w->key, &w->value));
}

static int row_next(struct walk *w)
{
    return row_note(w, w->cursor->kind->next(w->cursor, &w->key, &w->value));
}

int walk_begin(struct walk *walk, const struct layers *layers, struct tables_txn *txn,
               uint64_t session, uint64_t from)
{
    *walk = (struct walk){ .session = session };
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

/* The row as a place. ERR_CHECKSUM: it is not readable. */
static int row_take(struct walk *w, struct walk_place *place)
{
    struct str content;
    int err = row_open(w->key, w->value, &content);

    if (!err)
        err = queue_row_read(content, &place->row);
    place->received = !err && (place->row.received || received_above(w, LAYERS, place->seq));
    return err;
}

int walk_next(struct walk *w, struct walk_place *ret_place)
{
    for (;;) {
        struct walk_place place = { .seq = UINT64_MAX };
        int err = rows_skip(w), layer = LAYERS;
        bool found = w->has_row;
        if (err)
            return err;
        if (found)
            place.seq = w->row_seq;
        for (int i = LAYERS - 1; i >= 0; i--) {
            const struct delta_entry *entry = entry_next(w, i);
            if (entry && (!found || entry->seq <= place.seq)) {
                place = (struct walk_place){ .seq = entry->seq, .delta = w->deltas[i],
                                             .entry = entry };
                found = true;
                layer = i;
            }
        }
        if (!found)
            return ERR_NOT_FOUND;
        int bad = ERR_OK;
        if (place.entry)
            place.received = place.entry->received || received_above(w, layer, place.seq);
        else
            bad = row_take(w, &place);
        /* All layers step over this place. */
        for (int i = 0; i < LAYERS; i++) {
            const struct delta_entry *entry = entry_next(w, i);
            w->at[i] += entry && entry->seq == place.seq;
        }
        if (!bad)
            *ret_place = place;
        if (w->has_row && w->row_seq == place.seq)
            err = row_next(w);
        if (err || !bad)
            return err;
        w->damaged++;
    }
}

void walk_finish(struct walk *walk)
{
    if (walk->cursor)
        walk->cursor->kind->cursor_free(walk->cursor);
    walk->cursor = NULL;
}
