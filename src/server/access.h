/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in: the password file of the configuration, read for the server's
 * authority, and read again when it changes. */
#pragma once

#include <stdint.h>

struct buf;
struct core_ask;
struct server;

/* Read the password file, if there is one. ERR_OK, or an error with lines in errors. */
int access_load(struct server *server, struct buf *errors);

/* Make the authority, with the users that were read, and watch their file. The net is
 * there. ERR_OK or ERR_NOMEM. */
int access_begin(struct server *server);

/* A question of the net's about a client. */
void access_ask(struct server *server, const struct core_ask *ask, const uint8_t *bytes);

/* The configuration changed, or may have: read the users again. Where that
 * cannot be done those there were stay, and the log says why. */
void access_reload(struct server *server);

/* Stop, before the net does. Accepts a half-built server. */
void access_end(struct server *server);
