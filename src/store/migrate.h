/* SPDX-License-Identifier: Apache-2.0 */
/* The format of a directory has one version number, in the tables. A newer one is refused; an
 * older one is changed, step by step, in the transaction that opens it. */
#pragma once

#include "base/buf.h"
#include "store/tables.h"

/* What this program writes. */
enum { MIGRATE_VERSION = 1 };

/* Bring tables of this version to MIGRATE_VERSION. ERR_OK, ERR_VERSION, or what the tables
 * say. */
int migrate_tables(struct tables_txn *txn, uint64_t version, struct buf *report);
