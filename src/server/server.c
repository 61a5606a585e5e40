/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "server/access.h"
#include "server/authority.h"
#include "server/data_dir.h"
#include "server/notify.h"
#include "server/ports.h"
#include "server/server_state.h"
#include "server/storage.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nobody named this broker: the machine's name is what people know it by. */
static int name_after_host(struct config *config)
{
    char host[256] = "";

    if (config->node.name[0])
        return ERR_OK;
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "plexus");
    char *name = strdup(host);
    if (!name)
        return ERR_NOMEM;
    free(config->node.name);
    config->node.name = name;
    return ERR_OK;
}

static int make_lists(struct server *server)
{
    server->seeds = calloc(server->config.mesh.join.len + 1, sizeof *server->seeds);
    return server->seeds ? listeners_make(&server->listeners, &server->config) : ERR_NOMEM;
}

static int make_node(struct server *server)
{
    struct node_config config = { .core = config_core(&server->config),
                                  .mesh = config_mesh(&server->config, server->seeds),
                                  .join_wait_ms = server->config.mesh.join_wait_ms };

    if (os_random(&server->core_seed, sizeof server->core_seed) != ERR_OK ||
        os_random(&config.mesh.random_seed, sizeof config.mesh.random_seed) != ERR_OK)
        return ERR_IO;
    config.core.seed = server->core_seed;
    config.core.volatile_ = server->identity.dir == NULL;
    config.mesh.id = server->identity.id;
    config.mesh.inc = server->identity.inc;
    config.mesh.boot = server->identity.boot;
    server->started_ms = os_wall_ms();
    server->node = node_new(&config, server->started_ms);
    return server->node ? ERR_OK : ERR_NOMEM;
}

/* "mqtt=127.0.0.1:1883 web=127.0.0.1:8080"; several of a kind are joined by commas. Then
 * those with a name of their own: "listener.mqtts=127.0.0.1:8883". */
static void print_addresses(const struct server *server, struct buf *out)
{
    static const struct {
        enum listener_kind kind;
        const char *name;
    } kinds[] = { { LISTENER_MQTT, "mqtt" }, { LISTENER_WEB, "web" } };
    const struct listeners *listeners = &server->listeners;

    for (size_t k = 0; k < 2; k++) {
        bool any = false;
        buf_printf(out, "%s%s=", k ? " " : "", kinds[k].name);
        for (size_t i = 0; i < listeners->plain; i++) {
            if (listeners->at[i].kind != kinds[k].kind)
                continue;
            struct str address = net_address(server->net, i);
            buf_printf(out, "%s%.*s", any ? "," : "", STR_ARG(address));
            any = true;
        }
        buf_printf(out, "%s", any ? "" : "none");
    }
    for (size_t i = listeners->plain; i < listeners->count; i++) {
        struct str address = net_address(server->net, i);
        buf_printf(out, " listener.%s=%.*s", listeners->at[i].name, STR_ARG(address));
    }
}

static void on_gate_open(void *context)
{
    struct server *server = context;
    struct buf addresses = { 0 };
    char name[300];

    print_addresses(server, &addresses);
    log_info("server.ready", "name=%s %.*s",
             log_quoted(str_from_c(server->config.node.name), name, sizeof name),
             STR_ARG(buf_str(&addresses)));
    buf_finish(&addresses);
    notify_manager("READY=1");
}

static void on_persist(void *context, uint32_t inc)
{
    struct server *server = context;

    /* The mesh goes on with a number that a crash might repeat; peers that notice answer
     * by asking for another, so this is worth a line and no more. */
    if (identity_persist(&server->identity, inc) != ERR_OK)
        log_error("identity.write_failed", "incarnation=%u", inc);
}

static void on_ask(void *context, const struct core_ask *ask, const uint8_t *bytes)
{
    struct server *server = context;

    access_ask(server, ask, bytes);
}

static void on_left(void *context, uint32_t conn)
{
    struct server *server = context;

    authority_left(server->authority, conn);
}

static int make_net(struct server *server, struct buf *errors)
{
    const struct config *from = &server->config;
    struct net_config config = {
        .listeners = server->listeners.at,
        .listener_count = server->listeners.count,
        .route_context = server,
        .packet_bytes_max = from->core_limits.packet_bytes_max,
        .connect_bytes_max = from->limits.connect_bytes_max,
        .connects_bytes_max = from->limits.connects_bytes_max,
        .out_queue_bytes_max = from->limits.out_queue_bytes_max,
        .out_queues_bytes_max = from->limits.out_queues_bytes_max,
        .out_queue_bytes_hard_max = from->limits.out_queue_bytes_hard_max,
        .websocket_frame_bytes_max = from->limits.websocket_frame_bytes_max,
        .http_header_bytes_max = from->limits.http_header_bytes_max,
        .http_body_bytes_max = from->limits.http_body_bytes_max,
        .link_timeout_ms = from->mesh_limits.handshake_ms,
        .connect_timeout_ms = from->core_limits.connect_timeout_ms,
        .close_wait_ms = from->limits.close_wait_ms,
        .node_id = server->identity.id,
        .mesh_name = str_from_c(from->mesh.name),
        .seeds = server->seeds,
        .seed_count = from->mesh.join.len,
        .link_ca_file = from->mesh.ca_file[0] ? from->mesh.ca_file : NULL,
        .store = storage_put,
        .load = storage_load,
        .turn = storage_turn,
        .ask = on_ask,
        .left = on_left,
        .persist_inc = on_persist,
        .ready = on_gate_open,
        .context = server,
    };

    config.routes = server_routes(&config.route_count);
    server->net = net_new(&config, server->node, server->started_ms);
    if (!server->net)
        return ERR_IO;
    int err = storage_start(server);
    if (!err)
        err = access_begin(server);
    return err ? err : net_listen(server->net, errors);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;

    if (number == SIGUSR1) {
        storage_backup(server);
        return;
    }
    if (number == SIGHUP) {
        notify_reloading();
        server_reload(server);
        notify_manager("READY=1");
        return;
    }
    notify_manager("STOPPING=1");
    log_info("server.stopping", "signal=%s", number == SIGTERM ? "TERM" : "INT");
    net_stop(server->net);
}

static const int signal_numbers[SERVER_SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

static void watch_signals(struct server *server)
{
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        server->signals[i].data = server;
        uv_signal_init(net_loop(server->net), &server->signals[i]);
        uv_signal_start(&server->signals[i], on_signal, signal_numbers[i]);
    }
    server->watching = true;
}

/* Watch no more. The loop gives a signal back its usual effect, which would end us with -15
 * while we clean up: from here on another one is neither needed nor heard. */
static void ignore_signals(struct server *server)
{
    sigset_t blocked, before;

    if (!server->watching)
        return;
    sigemptyset(&blocked);
    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        sigaddset(&blocked, signal_numbers[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
        signal(signal_numbers[i], SIG_IGN);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    server->watching = false;
}

/* Files that cannot be read are said here, beside what else is in the way. */
static int read_files(struct server *server, struct buf *errors)
{
    const char *path = server->config.mesh.ca_file;
    int err = access_load(server, errors);

    if (!path[0] || access(path, R_OK) == 0)
        return err;
    buf_printf(errors, "mesh.ca_file: %s: cannot be read: %s\n", path, strerror(errno));
    return ERR_IO;
}

/* Build it all; what fails has a line in errors, or the error itself says it. */
static int build(struct server *server, struct buf *errors)
{
    int err = name_after_host(&server->config);

    if (!err)
        err = make_lists(server);
    if (err)
        return err;
    int files = read_files(server, errors);
    char *dir = NULL;
    err = data_dir_choose(server->config.node.data, server->config.node.name, &dir, errors);
    if (!err)
        err = identity_open(&server->identity, dir, os_wall_ms(), errors);
    free(dir);
    if (err || files) {
        ports_probe(&server->config, errors);
        return err ? err : files;
    }
    err = make_node(server);
    if (!err)
        err = storage_open(server, errors);
    return err ? err : make_net(server, errors);
}

struct server *server_new(const struct options *options, const char *const *env,
                          struct config *config, struct buf *errors)
{
    struct server *server = calloc(1, sizeof *server);

    if (!server) {
        config_finish(config);
        buf_printf(errors, "%s\n", err_text(ERR_NOMEM));
        return NULL;
    }
    server->options = options;
    server->env = env;
    server->config = *config;
    *config = (struct config){ 0 };
    server->identity.lock = -1;
    int err = build(server, errors);
    if (!err) {
        watch_signals(server);
        return server;
    }
    if (errors->len == 0)
        buf_printf(errors, "%s\n", err_text(err));
    server_free(server);
    return NULL;
}

int server_run(struct server *server)
{
    char id[2 * NODE_ID_LEN + 1], data[600] = "none";

    if (server->identity.dir)
        log_quoted(str_from_c(server->identity.dir), data, sizeof data);
    identity_hex(&server->identity.id, id);
    log_info("server.start", "version=%s id=%s incarnation=%u data=%s", PLEXUS_VERSION, id,
             server->identity.inc, data);
    if (!server->identity.dir)
        log_warn("server.no_data", "text=\"nothing survives the end of this process\"");
    net_run(server->net);
    log_info("server.stopped", NULL);
    return server->failed ? ERR_IO : ERR_OK;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    ignore_signals(server);
    storage_stop(server);
    access_end(server);
    net_free(server->net);
    free(server->store_dir);
    node_free(server->node);
    identity_close(&server->identity);
    free(server->seeds);
    listeners_finish(&server->listeners);
    config_finish(&server->config);
    free(server);
}
