/* SPDX-License-Identifier: Apache-2.0 */
/* What the node thread hands to the store thread and gets back, first in, first out. */
#pragma once

#include "base/list.h"

enum work_kind {
    WORK_GROUP,  /* struct group */
    WORK_LOAD,   /* struct load */
    WORK_BACKUP, /* struct backup */
};

struct work {
    struct list link;
    enum work_kind kind;
};
