/* SPDX-License-Identifier: Apache-2.0 */
/* Topic aliases that a client has given us on its connection. [MQTT5 3.3.2.3.4] */
#pragma once

#include "base/str.h"

#include <stdint.h>

/* The highest alias we let a client use: what CONNACK says. */
enum { ALIAS_MAX = 64 };

/* Nothing until the first alias. */
struct alias_table;

/* Free all. Accepts NULL. */
void alias_free(struct alias_table *table);

/* Let alias, 1 to ALIAS_MAX, mean this topic from now on; *table is made if it is NULL.
 * ERR_OK or ERR_NOMEM (nothing changed). */
int alias_set(struct alias_table **table, uint16_t alias, struct str topic);

/* What the alias means; the empty str when nothing. Borrowed until it is set again. */
struct str alias_topic(const struct alias_table *table, uint16_t alias);
