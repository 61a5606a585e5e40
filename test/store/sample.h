/* SPDX-License-Identifier: Apache-2.0 */
/* What the sample of version 1 holds. */
#pragma once

#include "rig.h"

/* Put it into an open store: some of it goes to the tables, some stays in the journal. */
void sample_fill(struct rig *rig);

/* What a restore gives of it. */
extern const char sample_restored[];
