/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access.h"

#include "base/err.h"
#include "base/log.h"
#include "net/file_watch.h"
#include "server/authority.h"
#include "server/server_state.h"

#include <string.h>

enum { QUOTED_CHARS = 1024, PEER_CHARS = 128 };

int access_load(struct server *server, struct buf *errors)
{
    const char *path = server->config.security.password_file;

    return path[0] ? users_load(path, &server->users, errors) : ERR_OK;
}

static void on_answer(void *context, conn_id conn, const struct core_answer *answer)
{
    struct server *server = context;

    net_answer(server->net, conn, answer);
}

/* The users that were read are the authority's from now on. */
static void hand_over(struct server *server)
{
    const char *path = server->config.security.password_file;
    char file[QUOTED_CHARS];

    if (server->users)
        log_info("users.loaded", "file=%s users=%zu",
                 log_quoted(str_from_c(path), file, sizeof file), users_count(server->users));
    authority_set_users(server->authority, server->users);
    server->users = NULL;
}

/* Read the users again, or say why that is not possible. */
static void read_again(struct server *server)
{
    struct buf errors = { 0 };
    int err = access_load(server, &errors);

    if (!err)
        hand_over(server);
    else if (errors.len == 0)
        buf_printf(&errors, "%s\n", err_text(err));
    log_lines(LOG_ERROR, "users.unusable", "reason", buf_str(&errors));
    buf_finish(&errors);
}

static void on_changed(void *context)
{
    read_again(context);
}

static void watch(struct server *server)
{
    const char *path = server->config.security.password_file;

    file_watch_free(server->users_watch);
    server->users_watch =
        path[0] ? file_watch_new(net_loop(server->net), on_changed, server) : NULL;
    if (server->users_watch)
        file_watch_add(server->users_watch, path);
}

static struct failures_config failures_of(const struct config *config)
{
    return (struct failures_config){
        .delay_ms = config->security.failure_delay_ms,
        .delay_max_ms = config->security.failure_delay_max_ms,
        .forget_ms = config->security.failure_forget_ms,
        .addresses_max = config->security.failure_addresses_max,
    };
}

int access_begin(struct server *server)
{
    struct authority_config config = {
        .loop = net_loop(server->net),
        .checks_max = server->config.security.password_checks_max,
        .cache_max = server->config.security.password_cache_max,
        .failures = failures_of(&server->config),
        .answer = on_answer,
        .context = server,
    };

    server->authority = authority_new(&config);
    if (!server->authority)
        return ERR_NOMEM;
    hand_over(server);
    watch(server);
    return ERR_OK;
}

void access_ask(struct server *server, const struct core_ask *ask, const uint8_t *bytes)
{
    char peer[PEER_CHARS];

    net_peer(server->net, ask->conn, peer, sizeof peer);
    authority_ask(server->authority, ask, str_from_c(peer), bytes);
}

void access_reload(struct server *server)
{
    struct failures_config failures = failures_of(&server->config);

    authority_set_limits(server->authority, server->config.security.password_checks_max, &failures);
    read_again(server);
    watch(server);
}

void access_end(struct server *server)
{
    file_watch_free(server->users_watch);
    server->users_watch = NULL;
    authority_free(server->authority);
    server->authority = NULL;
    users_free(server->users);
    server->users = NULL;
}
