/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include "base/err.h"
#include "store/checkpoint.h"
#include "store/row.h"

#include <inttypes.h>

/* A step changes tables of its version to the next one. */
typedef int (*migrate_step)(struct tables_txn *txn);

/* By the version they begin with; there is none from before 1. */
static const migrate_step steps[MIGRATE_VERSION] = { [0] = NULL };

int migrate_tables(struct tables_txn *txn, uint64_t version, struct buf *report)
{
    if (version > MIGRATE_VERSION || version == 0) {
        buf_printf(report,
                   "tables: format version %" PRIu64
                   ", made by a newer version of plexusd; this one reads up to %d\n",
                   version, MIGRATE_VERSION);
        return ERR_VERSION;
    }
    for (; version < MIGRATE_VERSION; version++) {
        int err = steps[version](txn);
        if (!err)
            err = meta_put(txn, META_VERSION, version + 1);
        if (err)
            return err;
    }
    return ERR_OK;
}
