/* SPDX-License-Identifier: Apache-2.0 */
/* When a broker cannot start anyway, people still want to hear of its ports: whoever mends
 * the configuration should not meet the next problem only then. */
#pragma once

#include "base/buf.h"
#include "config/config.h"

/* Try to listen on every address of the configuration and stop at once; a line in errors
 * for each that fails, as net_listen says it. */
void ports_probe(const struct config *config, struct buf *errors);
