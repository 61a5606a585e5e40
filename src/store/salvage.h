/* SPDX-License-Identifier: Apache-2.0 */
/* A salvage copies all rows that are whole out of a damaged file of tables into fresh ones.
 * LMDB's pages are written once and stay until they are used again, so that rows of long ago
 * stand about in the file: only a page that the last transaction needs may speak. That is one
 * that a root leads to, or one that nothing leads to and that is not free either, where the list
 * of free pages is whole: then it hangs below a page that is damaged. A leaf with a single wrong
 * bit is put right, where that makes every checksum in it right. */
#pragma once

#include "store/survey.h"

struct salvage {
    uint64_t rows[TABLE_COUNT]; /* that were saved */
    uint64_t mended;            /* leaves with a wrong bit that was found */
};

/* Put the rows into tables that are empty; says in the survey's report what is lost. ERR_OK;
 * ERR_CHECKSUM: not even what the tables say of themselves can be read; ERR_LIMIT: no room;
 * ERR_IO, ERR_NOMEM. */
int salvage_run(struct salvage *salvage, struct survey *survey, struct tables *into);
