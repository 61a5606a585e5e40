/* SPDX-License-Identifier: Apache-2.0 */
#include "server/storage.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "server/data_dir.h"
#include "server/server_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUOTED_CHARS = 700 };

/* ---- what the store says ---- */

static void on_durable(void *context, uint64_t token)
{
    struct server *server = context;

    net_durable(server->net, token);
}

static void on_loaded(void *context, const struct core_loaded *loaded)
{
    struct server *server = context;

    net_loaded(server->net, loaded);
}

static void on_health(void *context, enum store_health health, const char *why)
{
    struct server *server = context;
    char text[QUOTED_CHARS];

    log_quoted(str_from_c(why ? why : ""), text, sizeof text);
    switch (health) {
    case STORE_WELL: log_info("store.well", NULL); break;
    case STORE_FULL: log_error("store.full", "why=%s", text); break;
    case STORE_FAILED:
        log_error("store.failed", "why=%s", text);
        server->failed = true;
        net_stop(server->net);
        return;
    }
    net_store_full(server->net, health == STORE_FULL);
}

/* ---- open and restore ---- */

struct restoring {
    struct server *server;
    struct node_out out;
};

static int restore_one(void *context, const struct durable_op *op)
{
    struct restoring *restoring = context;

    return node_restore(restoring->server->node, op, &restoring->out);
}

static int restore(struct server *server)
{
    struct restoring restoring = { .server = server };
    struct store_recovery found = { 0 };
    int err = store_restore(server->store, restore_one, &restoring, &found);

    if (!err && !restoring.out.core.failed) {
        store_submit(server->store, restoring.out.core.stores.at, restoring.out.core.stores.len);
        vec_clear(&restoring.out.core.stores);
        log_info("store.recovered",
                 "sessions=%llu subscriptions=%llu queued=%llu retained=%llu groups=%llu "
                 "torn_bytes=%llu damaged=%llu ms=%u",
                 (unsigned long long)found.sessions, (unsigned long long)found.subscriptions,
                 (unsigned long long)found.queued, (unsigned long long)found.retained,
                 (unsigned long long)found.batches, (unsigned long long)found.torn_bytes,
                 (unsigned long long)found.damaged, found.took_ms);
        server->recovery_ms = found.took_ms;
    }
    bool failed = restoring.out.core.failed;
    node_out_finish(&restoring.out);
    return err ? err : failed ? ERR_NOMEM : ERR_OK;
}

int storage_open(struct server *server, struct buf *errors)
{
    const struct config *from = &server->config;
    struct buf path = { 0 }, report = { 0 };

    if (!server->identity.dir)
        return ERR_OK;
    buf_printf(&path, "%s/store%c", server->identity.dir, 0);
    server->store_dir = path.failed ? NULL : strdup((const char *)path.data);
    buf_finish(&path);
    if (!server->store_dir)
        return ERR_NOMEM;
    if (data_dir_make(server->store_dir) != ERR_OK) {
        buf_printf(errors, "%s: cannot be used: %s\n", server->store_dir, strerror(errno));
        return ERR_IO;
    }
    struct store_config config = {
        .dir = server->store_dir,
        .journal_bytes_max = from->store.journal_bytes_max,
        .tables_bytes_max = from->store.tables_bytes_max,
        .pending_bytes_max = from->store.pending_bytes_max,
        .lazy_ms = from->store.lazy_ms,
        .durable = on_durable,
        .loaded = on_loaded,
        .health = on_health,
        .context = server,
    };
    int err = store_open(&config, &server->store, &report);
    if (!err)
        err = restore(server);
    if (err)
        buf_append_str(errors, buf_str(&report));
    else
        log_lines(LOG_WARN, "store.damage", "what", buf_str(&report));
    buf_finish(&report);
    return err;
}

/* ---- at work ---- */

static void wake(void *context)
{
    struct server *server = context;

    uv_async_send(&server->store_async);
}

static void on_wake(uv_async_t *async)
{
    struct server *server = async->data;

    store_poll(server->store, net_now_ms(server->net));
}

static void on_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;

    server->store_due_ms = UINT64_MAX;
    storage_turn(server, net_now_ms(server->net));
}

int storage_start(struct server *server)
{
    if (!server->store)
        return ERR_OK;
    struct uv_loop_s *loop = net_loop(server->net);
    server->store_async.data = server->store_timer.data = server;
    server->store_due_ms = UINT64_MAX;
    uv_timer_init(loop, &server->store_timer);
    if (uv_async_init(loop, &server->store_async, on_wake) != 0) {
        uv_close((uv_handle_t *)&server->store_timer, NULL);
        return ERR_IO;
    }
    server->storing = true;
    return store_start(server->store, wake, server);
}

void storage_put(void *context, const struct durable_op *ops, size_t count)
{
    struct server *server = context;

    store_submit(server->store, ops, count);
}

void storage_load(void *context, const struct core_load *loads, size_t count)
{
    struct server *server = context;

    for (size_t i = 0; i < count; i++)
        store_load(server->store, loads[i].session, loads[i].from, loads[i].entries_max,
                   loads[i].bytes_max);
}

void storage_turn(void *context, uint64_t now_ms)
{
    struct server *server = context;

    if (!server->storing)
        return;
    store_flush(server->store, now_ms);
    uint64_t due_ms = store_deadline(server->store);
    if (due_ms >= server->store_due_ms)
        return; /* the timer looks again when it fires early */
    server->store_due_ms = due_ms;
    uv_timer_start(&server->store_timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_backup(void *context, int err)
{
    struct server *server = context;

    (void)server;
    if (err)
        log_error("store.backup_failed", "why=\"%s\"", err_text(err));
    else
        log_info("store.backup_done", NULL);
}

void storage_backup(struct server *server)
{
    struct buf path = { 0 };
    time_t now = (time_t)(os_wall_ms() / 1000);
    struct tm utc;
    char stamp[32], quoted[QUOTED_CHARS];

    if (!server->storing) {
        log_warn("store.backup_failed", "why=\"there is no data directory\"");
        return;
    }
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    buf_printf(&path, "%s/backup-%s%c", server->identity.dir, stamp, 0);
    const char *dir = path.failed ? "" : (const char *)path.data;
    log_info("store.backup", "dir=%s", log_quoted(str_from_c(dir), quoted, sizeof quoted));
    int err = data_dir_make(dir);
    if (!err)
        err = store_backup(server->store, dir, on_backup, server);
    if (err)
        on_backup(server, err);
    buf_finish(&path);
}

void storage_stop(struct server *server)
{
    store_close(server->store); /* its thread wakes us until it has ended */
    server->store = NULL;
    if (!server->storing)
        return;
    server->storing = false;
    uv_close((uv_handle_t *)&server->store_async, NULL);
    uv_close((uv_handle_t *)&server->store_timer, NULL);
}
