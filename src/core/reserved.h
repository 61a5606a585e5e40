/* SPDX-License-Identifier: Apache-2.0 */
/* Topics that belong to the broker and to the mesh. */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* Is it $SYS or $mesh, or below one? No client publishes there. */
bool topic_is_reserved(struct str topic);

/* Is it a filter on the mesh's own topics? No client subscribes to them. */
bool filter_is_reserved(struct str filter);
