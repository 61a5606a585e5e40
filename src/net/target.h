/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks for: the target of its first line, "/a%20b?c=d", taken apart. Pure. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct target {
    struct buf path;  /* decoded; owned */
    struct str query; /* as it came, without the "?" */
    struct str host;  /* where the target is a whole URL; else empty */
};

/* ERR_OK, ERR_MALFORMED or ERR_NOMEM; target_finish in all cases. Query and host are
 * borrowed from text. What decodes to a control character is malformed: a path would end
 * for some where it goes on for others. */
int target_read(struct str text, struct target *ret_target);

/* Accepts an empty one. */
void target_finish(struct target *target);
