/* SPDX-License-Identifier: Apache-2.0 */
/* A walk goes through a session's queue in order, over all layers: the delta that takes
 * batches, the one that is on its way into the tables, the tables. The newer layer wins;
 * whether the tables have the older delta already makes no difference. */
#pragma once

#include "store/delta.h"
#include "store/row.h"
#include "store/tables.h"

enum { LAYERS = 2 };

/* All that is durable. */
struct layers {
    const struct disk *disk;
    const struct delta *deltas[LAYERS]; /* the newer first; the other may be NULL */
    struct tables *tables;
};

struct walk {
    const struct delta *deltas[LAYERS];
    const struct delta_session *sessions[LAYERS]; /* NULL: nothing there */
    size_t at[LAYERS];
    uint64_t session;
    bool hidden; /* a newer layer has dropped what the tables know */
    struct tables_cursor *cursor;
    bool has_row;
    uint64_t row_seq;
    struct queue_row row;
    uint64_t floor; /* places before it were given: rows come in order, or are damaged */
    uint64_t damaged;      /* rows that were not readable, and skipped */
};

/* What waits at one place: an entry of a delta, or else a row. */
struct walk_place {
    uint64_t seq;
    const struct delta *delta;
    const struct delta_entry *entry; /* NULL: row */
    struct queue_row row;
    bool received;
};

/* Begin at the first place at or behind from. ERR_OK, ERR_NOMEM, ERR_IO. walk_finish in any
 * case. */
int walk_begin(struct walk *walk, const struct layers *layers, struct tables_txn *txn,
               uint64_t session, uint64_t from);

/* The next place. ERR_OK, ERR_NOT_FOUND at the end, ERR_IO. */
int walk_next(struct walk *walk, struct walk_place *ret_place);

/* End the walk. */
void walk_finish(struct walk *walk);
