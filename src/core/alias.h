/* SPDX-License-Identifier: Apache-2.0 */
/* Topic aliases of one connection, both ways: those that the client has given us, and
 * those that we have given it. [MQTT5 3.3.2.3.4] */
#pragma once

#include "base/str.h"
#include "mqtt/message.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ALIAS_MAX = 64,     /* the highest we let a client use: what CONNACK says */
    ALIAS_OUT_MAX = 32, /* ... and the highest we use, whatever a client allows */
};

/* Nothing until the first alias. */
struct alias_table;

/* Free all. Accepts NULL. */
void alias_free(struct alias_table *table);

/* Let the client's alias, 1 to ALIAS_MAX, mean this topic from now on; *table is made if
 * it is NULL. ERR_OK or ERR_NOMEM (nothing changed). */
int alias_set(struct alias_table **table, uint16_t alias, struct str topic);

/* What the client's alias means; the empty str when nothing. Borrowed until it is set
 * again. */
struct str alias_topic(const struct alias_table *table, uint16_t alias);

/* How a message to the client names its topic. */
struct alias_use {
    uint16_t alias; /* 0: by its text alone */
    bool omitted;   /* by the alias alone: the client knows it */
};

/* Choose how to name the topic of a message that will certainly be sent. max: the highest
 * alias that the client allows, not 0. A topic gets an alias at once while one is free; then
 * when it is met again soon, that of the topic which was not used for longest. may_grow
 * false: only if the client knows it, as a new alias makes the packet longer. *table is made if it is
 * NULL; when out of memory the text will do. [MQTT-3.1.2-26] */
struct alias_use alias_choose(struct alias_table **table, uint16_t max,
                              const struct message *message, bool may_grow);
