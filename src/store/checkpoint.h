/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint puts a delta into the tables in one transaction, with the number of its last
 * batch: after it the journal is not needed up to there. */
#pragma once

#include "store/delta.h"
#include "store/disk.h"
#include "store/tables.h"

/* The meta rows. */
#define META_VERSION "version"      /* of the rows' format */
#define META_MARK "mark"            /* of the journal's batches */
#define META_APPLIED "applied"      /* the last batch that is in the tables */
#define META_NEXT_MESSAGE "message" /* the first id that is not used up to there */

/* Apply the delta. From any thread, while nobody changes the delta. ERR_OK; ERR_LIMIT: no room;
 * ERR_IO, ERR_NOMEM: nothing changed. damaged: rows that were not readable and are gone. */
int checkpoint_apply(struct tables *tables, const struct disk *disk, const struct delta *delta,
                     uint64_t *damaged);
