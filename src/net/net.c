/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "net/carrier.h"
#include "net/door.h"
#include "net/file_watch.h"
#include "net/listener.h"
#include "net/question.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_watch.h"
#include "net/turn.h"
#include "net/web.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * 1024, LOOP_TURNS_MAX = 10000, LINK_PACKET_HEAD = 1024 };

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

void net_config_defaults(struct net_config *config)
{
    set_default(&config->packet_bytes_max, 16 * MIB);
    set_default(&config->connect_bytes_max, 512 * KIB);
    set_default(&config->connects_bytes_max, 16 * MIB);
    set_default(&config->out_queue_bytes_max, MIB);
    set_default(&config->out_queues_bytes_max, 128 * MIB);
    set_default(&config->out_queue_bytes_hard_max, 32 * MIB);
    set_default(&config->websocket_frame_bytes_max, config->packet_bytes_max + 64 * KIB);
    set_default(&config->http_header_bytes_max, 8 * KIB);
    set_default(&config->http_body_bytes_max, 256 * KIB);
    set_default(&config->link_timeout_ms, 10000);
    set_default(&config->connect_timeout_ms, 10000);
    set_default(&config->close_wait_ms, 5000);
    if (config->connect_bytes_max > config->packet_bytes_max)
        config->connect_bytes_max = config->packet_bytes_max;
}

void net_durable(struct net *net, uint64_t token)
{
    if (token > net->token)
        net->token = token;
}

/* A step of the core for an event that came from outside. */
static void step_core(struct net *net, struct core_event event)
{
    turn_time(net);
    event.now_ms = net->now_ms;
    node_on_client(net->node, &event, &net->out);
    net_settle(net);
}

void net_loaded(struct net *net, const struct core_loaded *loaded)
{
    step_core(net, (struct core_event){ .kind = CORE_LOADED, .loaded = loaded });
}

void net_store_full(struct net *net, bool full)
{
    step_core(net, (struct core_event){ .kind = CORE_STORE, .store_full = full });
}

static void on_async(uv_async_t *async)
{
    turn_shutdown(async->data);
}

static bool start_loop(struct net *net)
{
    if (uv_loop_init(&net->loop) != 0)
        return false;
    uv_prepare_init(&net->loop, &net->prepare);
    uv_timer_init(&net->loop, &net->timer);
    net->prepare.data = net->timer.data = net->async.data = net;
    if (uv_async_init(&net->loop, &net->async, on_async) != 0) {
        uv_close((uv_handle_t *)&net->prepare, NULL);
        uv_close((uv_handle_t *)&net->timer, NULL);
        uv_run(&net->loop, UV_RUN_DEFAULT);
        uv_loop_close(&net->loop);
        return false;
    }
    uv_prepare_start(&net->prepare, turn_end);
    return true;
}

struct net *net_new(const struct net_config *config, struct node *node, uint64_t now_ms)
{
    struct net *net = calloc(1, sizeof *net);
    uint64_t seed = 0;

    if (!net)
        return NULL;
    net->config = *config;
    net_config_defaults(&net->config);
    net->node = node;
    net->spare_fd = -1;
    net->timer_due_ms = UINT64_MAX;
    net->link_packet_max = MESH_BUNDLE_MAX + LINK_PACKET_HEAD;
    list_init(&net->dirty);
    list_init(&net->doors);
    list_init(&net->throttled);
    list_init(&net->held);
    list_init(&net->unread);
    list_init(&net->closing);
    list_init(&net->all_carriers);
    list_init(&net->dirty_carriers);
    list_init(&net->ended_carriers);
    net->clock_base_ms = now_ms - os_monotonic_us() / 1000;
    turn_time(net);
    os_random(&seed, sizeof seed); /* when it fails, masks are only less random */
    rand_init(&net->rand, seed ^ net->now_us);

    size_t files = os_raise_open_files();

    if (net->config.connections_max == 0 || net->config.connections_max > files)
        net->config.connections_max = (uint32_t)files;
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!start_loop(net)) {
        log_error("loop.failed", NULL);
        free(net);
        return NULL;
    }
    net->web = web_new(net);
    net->listeners =
        calloc(config->listener_count ? config->listener_count : 1, sizeof *net->listeners);
    if (!net->web || !net->listeners) {
        log_error("web.failed", NULL);
        net_free(net);
        return NULL;
    }
    return net;
}

int net_listen(struct net *net, struct buf *errors)
{
    int result = ERR_OK;

    for (size_t i = 0; i < net->config.listener_count; i++) {
        int err = listener_open(net, &net->listeners[i], &net->config.listeners[i], errors);
        if (err)
            result = err;
    }
    if (!result)
        net->tls_watch = tls_watch_new(net);
    return result;
}

int net_tls_reload(struct net *net)
{
    struct buf errors = { 0 };
    int result = ERR_OK;

    for (size_t i = 0; i < net->config.listener_count; i++) {
        struct listener *listener = &net->listeners[i];
        if (!listener->tls)
            continue;
        int err = tls_reload(listener->tls, &errors);
        if (err)
            result = err;
        else
            log_info("tls.loaded", "listener=%s", listener_name(listener));
    }
    log_lines(LOG_ERROR, "tls.unusable", "reason", buf_str(&errors));
    buf_finish(&errors);
    return result;
}

struct str net_address(const struct net *net, size_t i)
{
    return str_from_c(i < net->config.listener_count ? net->listeners[i].address : "");
}

void net_run(struct net *net)
{
    while (net->phase != NET_STOPPED)
        uv_run(&net->loop, UV_RUN_DEFAULT);
}

void net_stop(struct net *net)
{
    uv_async_send(&net->async);
}

/* Run the loop until nothing is left to close, or only what is not ours to wait for. */
static void run_out(struct net *net)
{
    for (int i = 0; i < LOOP_TURNS_MAX && uv_run(&net->loop, UV_RUN_NOWAIT) != 0; i++)
        continue;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    net->phase = NET_STOPPED;
    net->settling = true; /* the node hears no more */
    uv_close((uv_handle_t *)&net->prepare, NULL);
    uv_close((uv_handle_t *)&net->timer, NULL);
    uv_close((uv_handle_t *)&net->async, NULL);
    listener_close_all(net);
    door_close_all(net);
    file_watch_free(net->tls_watch);
    for (size_t i = 1; i < net->streams.len; i++) {
        if (net->streams.at[i])
            stream_abort(net->streams.at[i]);
    }
    while (!list_empty(&net->closing)) /* those that only wait for their peer to close */
        stream_abort(list_entry(net->closing.next, struct stream, closing_link));
    carrier_drop_all(net);
    web_free(net->web);
    listener_finish_all(net);
    run_out(net);
    int err = uv_loop_close(&net->loop);
    assert(err == 0);
    (void)err;
    vec_finish(&net->streams);
    vec_finish(&net->free_conns);
    vec_finish(&net->lost_conns);
    vec_finish(&net->congestions);
    question_finish(net);
    vec_finish(&net->links);
    vec_finish(&net->free_links);
    node_out_finish(&net->out);
    if (net->spare_fd >= 0)
        close(net->spare_fd);
    free(net->listeners);
    free(net);
}

struct uv_loop_s *net_loop(struct net *net)
{
    return &net->loop;
}

bool net_ready(const struct net *net)
{
    return net->gate_open;
}

uint64_t net_now_ms(struct net *net)
{
    turn_time(net);
    return net->now_ms;
}

struct net_stats net_stats(const struct net *net)
{
    struct net_stats stats = net->stats;

    for (size_t i = 1; i < net->streams.len; i++) {
        if (net->streams.at[i])
            stats.out_queue_bytes += net->streams.at[i]->out.bytes;
    }
    return stats;
}
