/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a server, for its own files only. */
#pragma once

#include "net/net.h"
#include "node/node.h"
#include "server/identity.h"
#include "server/listeners.h"
#include "server/server.h"
#include "store/store.h"

#include <uv.h>

enum { SERVER_SIGNALS = 4 };

struct authority;
struct file_watch;
struct users;

struct server {
    const struct options *options;
    const char *const *env;
    struct config config;
    struct identity identity;
    struct str *seeds; /* the URLs of mesh.join */
    struct listeners listeners;
    uint64_t started_ms; /* node time of the start */
    uint64_t core_seed;
    struct node *node;
    struct store *store; /* NULL: nothing survives */
    char *store_dir;
    struct store_stats store_stats; /* as of the last look */
    uint32_t recovery_ms;
    uv_async_t store_async; /* the store thread has done something */
    uv_timer_t store_timer;
    uint64_t store_due_ms;
    bool storing; /* those two are open */
    bool failed;  /* it ends because it must not go on */
    struct net *net;
    struct users *users; /* as they were read at the start, until the authority has them */
    struct authority *authority;
    struct file_watch *users_watch; /* NULL: no password file */
    uv_signal_t signals[SERVER_SIGNALS];
    bool watching; /* the signals are */
};

/* The pages and the API; the context of each handler is the server. */
const struct http_route *server_routes(size_t *ret_count);

/* Read the configuration again and take over what can change while running; a bad one
 * changes nothing. Says in the log what it did. */
void server_reload(struct server *server);
