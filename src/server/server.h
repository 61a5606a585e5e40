/* SPDX-License-Identifier: Apache-2.0 */
/* A server is one running broker: configuration, identity, node, store and net, wired
 * together, and the signals that a person sends it. */
#pragma once

#include "base/buf.h"
#include "config/config.h"
#include "server/options.h"

struct server;

/* A broker with its ports open, or NULL with a line in errors for everything that was in
 * the way. The options and env are borrowed (reload reads them again); the config is taken
 * over whatever happens. */
struct server *server_new(const struct options *options, const char *const *env,
                          struct config *config, struct buf *errors);

/* Serve until SIGTERM or SIGINT, and the goodbyes are said. ERR_OK, or ERR_IO where the broker
 * had to stop because its store can no longer be trusted. */
int server_run(struct server *server);

/* Close everything and free it. Accepts NULL and a half-built server. */
void server_free(struct server *server);
