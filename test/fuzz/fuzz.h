/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target defines. libFuzzer calls it with -Dfuzz=true; else smoke.c runs
 * it over the target's corpus and a few thousand changes of it. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Try one input; returns 0. A broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
