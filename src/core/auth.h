/* SPDX-License-Identifier: Apache-2.0 */
/* Who a client is, others decide: the core asks (CORE_ASK_AUTH) and is answered
 * (CORE_ANSWER), once for a user name and password, or again and again in an enhanced
 * authentication, when the client connects and when it wants to authenticate anew. Until
 * the answer the client waits, with its CONNECT kept. [MQTT5 4.12] */
#pragma once

#include "core/core.h"

#include <stdbool.h>

struct conn;

/* What is kept of a connection's authentication: the question that is out, the method. */
struct auth;

/* Free it. Accepts NULL. */
void auth_free(struct auth *auth);

/* Must somebody be asked before this client may come in? */
bool auth_is_needed(const struct core *core, const struct mqtt_connect *connect);

/* Ask about a CONNECT that is well otherwise; the connection waits. */
void auth_begin(struct core *core, struct conn *conn, const struct mqtt_connect *connect);

/* The method that was agreed on, borrowed; empty: none. */
struct str auth_method(const struct conn *conn);

/* AUTH from a client: the exchange goes on, or begins anew. */
void on_auth(struct core *core, struct conn *conn, const struct mqtt_auth *packet);

/* The answer; one that is not awaited any more is ignored. */
void on_answer(struct core *core, struct conn *conn, const struct core_answer *answer);
