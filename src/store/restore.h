/* SPDX-License-Identifier: Apache-2.0 */
/* Give back what survived, as operations: rows of the tables and what the journal's delta says
 * of them, merged. */
#pragma once

#include "store/worker.h"

/* As store_restore. */
int restore_run(struct worker *worker, int (*fn)(void *context, const struct durable_op *op),
                void *context, struct store_recovery *ret_recovery);
