/* SPDX-License-Identifier: Apache-2.0 */
/* A session's own data (struct durable_session) as bytes, the same in journal and tables. */
#pragma once

#include "base/buf.h"
#include "core/durable.h"

/* Append it; a failure is left in out. */
void about_write(struct buf *out, const struct durable_session *about);

/* Make it again, one block with its text and a reference to its will, as durable_op_finish
 * frees it. ERR_OK, ERR_MALFORMED or ERR_NOMEM. */
int about_read(struct str bytes, struct durable_session **ret_about);
