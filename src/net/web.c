/* SPDX-License-Identifier: Apache-2.0 */
#include "net/web.h"

#include "base/err.h"
#include "base/log.h"
#include "net/dial.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/turn.h"
#include "net/websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DESTROY_TURNS = 100,
    TLS_WAIT_S = 10, /* for hands to be shaken */
};

/* What the library says is for those who look closely. */
static void emit(int level, const char *text)
{
    char quoted[512];
    size_t len = strlen(text);

    (void)level;
    while (len > 0 && text[len - 1] == '\n')
        len--;
    log_debug("libwebsockets", "text=%s",
              log_quoted((struct str){ text, len }, quoted, sizeof quoted));
}

/* The connection is gone: forget whose it was. */
static void leave(struct lws *wsi)
{
    struct visitor *visitor = web_visitor(wsi);

    if (!visitor)
        return;
    visitor->listener->connections--;
    lws_set_opaque_user_data(wsi, NULL);
    http_free(visitor->http);
    free(visitor->source);
    free(visitor);
}

static int receive(struct lws *wsi, struct str bytes)
{
    struct visitor *visitor = web_visitor(wsi);

    turn_time(web_net(wsi));
    if (visitor->http)
        return http_receive(wsi, bytes);
    if (visitor->upgraded)
        websocket_put(wsi, bytes);
    return visitor->upgraded ? 0 : -1;
}

static int writable(struct lws *wsi)
{
    struct visitor *visitor = web_visitor(wsi);

    turn_time(web_net(wsi));
    if (visitor->http)
        return http_writable(wsi);
    return visitor->upgraded ? websocket_writable(wsi) : -1;
}

static int closed(struct lws *wsi)
{
    turn_time(web_net(wsi));
    if (web_visitor(wsi)->upgraded)
        websocket_gone(wsi);
    return 0;
}

/* What libwebsockets says of the connections to a web listener. */
static int serve(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                 size_t len)
{
    /* Most of libwebsockets' reasons do not concern us: a chain, not a switch over 90. */
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return web_secure(in, user);
    if (reason == LWS_CALLBACK_RAW_RX)
        return web_visitor(wsi) ? receive(wsi, (struct str){ in, len }) : -1;
    if (reason == LWS_CALLBACK_RAW_WRITEABLE)
        return web_visitor(wsi) ? writable(wsi) : -1;
    if (reason == LWS_CALLBACK_RAW_CLOSE)
        return web_visitor(wsi) ? closed(wsi) : 0;
    if (reason == LWS_CALLBACK_WSI_DESTROY)
        leave(wsi);
    return 0;
}

static const struct lws_protocols *server_protocols(void)
{
    static const struct lws_protocols protocols[] = {
        { .name = "plexus", .callback = serve, .tx_packet_size = WEB_CHUNK },
        { 0 },
    };
    return protocols;
}

static const struct lws_protocols *dialler_protocols(void)
{
    static const struct lws_protocols protocols[] = {
        { .name = "plexus", .callback = dial_callback, .tx_packet_size = WEB_CHUNK },
        { 0 },
    };
    return protocols;
}

/* The library sends no pings of its own, and misses none: it does not see what comes. */
static const lws_retry_bo_t *no_pings(void)
{
    static const lws_retry_bo_t policy = { 0 };

    return &policy;
}

/* Is there a seed that wants certificates to be checked? */
static bool dials_tls(const struct net *net)
{
    for (size_t i = 0; i < net->config.seed_count; i++) {
        if (str_starts_with(net->config.seeds[i], STR("wss://")))
            return true;
    }
    return false;
}

/* Whom we believe when we dial. NULL when it cannot be made. */
static SSL_CTX *dialler_tls(const struct net *net)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    int ok = 1;

    if (!tls)
        return NULL;
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    if (net->config.link_ca_file)
        ok = SSL_CTX_load_verify_locations(tls, net->config.link_ca_file, NULL);
    else if (dials_tls(net)) /* reading all of them takes 0.1 s */
        ok = SSL_CTX_set_default_verify_paths(tls);
    if (ok)
        return tls;
    log_error("tls.failed", "file=%s", net->config.link_ca_file ? net->config.link_ca_file : "-");
    SSL_CTX_free(tls);
    return NULL;
}

struct web *web_new(struct net *net)
{
    struct web *web = calloc(1, sizeof *web);
    void *loops[1] = { &net->loop };
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = loops,
        .port = CONTEXT_PORT_NO_LISTEN,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .pt_serv_buf_size = WEB_READ_MAX,
        .fd_limit_per_thread = net->config.connections_max,
        .protocols = server_protocols(),
        .user = net,
        .retry_and_idle_policy = no_pings(),
        .timeout_secs = TLS_WAIT_S,
    };

    if (!web)
        return NULL;
    web->net = net;
    web->tls = dialler_tls(net);
    if (!web->tls) {
        free(web);
        return NULL;
    }
    info.provided_client_ssl_ctx = web->tls; /* unused: else it reads all CAs, and leaks them */
    lws_set_log_level(LLL_ERR | LLL_WARN, emit);
    web->context = lws_create_context(&info);
    if (!web->context) {
        SSL_CTX_free(web->tls);
        free(web);
        return NULL;
    }
    /* Where a request names a host that none is called, libwebsockets goes on with the first
     * of the same port number: those with TLS have another, and stay among themselves. */
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = "web";
    info.http_proxy_address = ""; /* not what the environment says */
    web->server = lws_create_vhost(web->context, &info);
    info.vhost_name = "dialler";
    info.protocols = dialler_protocols();
    web->dialler = lws_create_vhost(web->context, &info);
    if (!web->server || !web->dialler || taps_open(&web->taps, net) != ERR_OK) {
        web_free(web);
        return NULL;
    }
    return web;
}

/* libwebsockets closes in two strokes, and the loop has to run after each. */
void web_free(struct web *web)
{
    if (!web)
        return;
    uv_loop_t *loop = &web->net->loop;

    uv_run(loop, UV_RUN_NOWAIT); /* a context that never ran does not clean up after itself */
    for (int stroke = 0; stroke < 2; stroke++) {
        lws_context_destroy(web->context);
        for (int i = 0; i < DESTROY_TURNS && uv_run(loop, UV_RUN_NOWAIT) != 0; i++)
            continue;
    }
    taps_close(&web->taps);
    uv_run(loop, UV_RUN_NOWAIT);
    SSL_CTX_free(web->tls);
    free(web);
}

struct lws_vhost *web_host(struct web *web, struct listener *listener)
{
    char name[32];
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX,
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .vhost_name = name,
        .http_proxy_address = "",
        .protocols = server_protocols(),
        .alpn = "http/1.1",
        .user = listener,
        .retry_and_idle_policy = no_pings(),
        .timeout_secs = TLS_WAIT_S,
    };

    snprintf(name, sizeof name, "web-%u", web->hosts++);
    return lws_create_vhost(web->context, &info);
}

int web_secure(struct lws_vhost *host, struct ssl_ctx_st *tls)
{
    struct listener *listener = lws_vhost_user(host);

    tls_lend(listener->tls, tls);
    return 0;
}

void web_accept(struct web *web, const struct arrival *arrival, struct lws_vhost *host)
{
    struct listener *listener = arrival->listener;
    struct visitor *visitor = calloc(1, sizeof *visitor);
    int yes = 1;

    if (!visitor) {
        close(arrival->fd);
        return;
    }
    *visitor = (struct visitor){ .listener = listener };
    if (arrival->source[0] && web_set_source(visitor, arrival->source, arrival->loopback)) {
        free(visitor);
        close(arrival->fd);
        return;
    }
    setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct lws *wsi = lws_adopt_descriptor_vhost(
        host ? host : web->server, LWS_ADOPT_SOCKET | (host ? LWS_ADOPT_ALLOW_SSL : 0),
        (lws_sock_file_fd_type){ .sockfd = arrival->fd }, "plexus", NULL);

    if (!wsi) { /* and the socket is closed */
        free(visitor->source);
        free(visitor);
        return;
    }
    lws_set_opaque_user_data(wsi, visitor);
    listener->connections++;
    if (!http_open(wsi))
        web_kill(wsi);
}

struct lws *web_attach(struct web *web, int fd, void *data)
{
    struct lws *wsi = lws_adopt_descriptor_vhost(
        web->dialler, LWS_ADOPT_SOCKET, (lws_sock_file_fd_type){ .sockfd = fd }, "plexus", NULL);

    if (!wsi)
        return NULL;
    lws_set_opaque_user_data(wsi, data);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    return wsi;
}

int web_set_source(struct visitor *visitor, const char *source, bool loopback)
{
    char *copy = strdup(source);

    if (!copy)
        return ERR_NOMEM;
    free(visitor->source);
    visitor->source = copy;
    visitor->loopback = loopback;
    return ERR_OK;
}

struct visitor *web_visitor(struct lws *wsi)
{
    return lws_get_opaque_user_data(wsi);
}

bool web_is_loopback(struct lws *wsi)
{
    const struct visitor *visitor = web_visitor(wsi);

    if (visitor && visitor->source)
        return visitor->loopback;
    return listener_peer_is_loopback(lws_get_socket_fd(wsi));
}

void web_peer(struct lws *wsi, char *out, size_t size)
{
    const struct visitor *visitor = web_visitor(wsi);

    if (visitor && visitor->source)
        snprintf(out, size, "%s", visitor->source);
    else
        listener_peer(lws_get_socket_fd(wsi), out, size);
}

struct net *web_net(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

void web_kill(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    /* The library looks at its timers only when it was woken. */
    lws_cancel_service(lws_get_context(wsi));
}
