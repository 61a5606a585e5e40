/* SPDX-License-Identifier: Apache-2.0 */
#include "config/address.h"
#include "admin/admin.h"
#include "base/err.h"
#include "base/os.h"
#include "config/address.h"
#include "server/authority.h"
#include "server/server_state.h"

#include <stdio.h>

static void answer_text(struct http_response *response, int status, const char *text)
{
    response->status = status;
    buf_append_str(&response->body, str_from_c(text));
}

static void on_page(void *context, const struct http_request *request,
                    struct http_response *response)
{
    (void)context;
    (void)request;
    response->content_type = "text/html; charset=utf-8";
    buf_append_str(&response->body, admin_page());
}

/* The loop turns, or nobody would read this. */
static void on_health(void *context, const struct http_request *request,
                      struct http_response *response)
{
    (void)context;
    (void)request;
    answer_text(response, 200, "ok\n");
}

static void on_ready(void *context, const struct http_request *request,
                     struct http_response *response)
{
    const struct server *server = context;

    (void)request;
    if (net_ready(server->net))
        answer_text(response, 200, "ready\n");
    else
        answer_text(response, 503, "joining the mesh\n");
}

/* What is to be shown of it is valid until the next call. */
static struct admin_view view_of(struct server *server)
{
    struct net_stats stats = net_stats(server->net);
    struct authority_stats passwords = authority_stats(server->authority);

    if (server->store)
        server->store_stats = store_stats(server->store);

    return (struct admin_view){
        .node = server->node,
        .name = str_from_c(server->config.node.name),
        .id = server->identity.id,
        .ready = net_ready(server->net),
        .uptime_ms = net_now_ms(server->net) - server->started_ms,
        .resident_bytes = os_resident_bytes(),
        .store = server->store ? &server->store_stats : NULL,
        .recovery_ms = server->recovery_ms,
        .transport = { .connections = stats.connections,
                       .links = stats.links,
                       .accepted = stats.accepted,
                       .refused = stats.refused,
                       .bytes_in = stats.bytes_in,
                       .bytes_out = stats.bytes_out,
                       .out_queue_bytes = stats.out_queue_bytes,
                       .slow_closed = stats.slow_closed },
        .passwords = { .verified = passwords.checks_done,
                       .remembered = passwords.remembered,
                       .wrong = passwords.failures,
                       .refused_busy = passwords.refused_busy,
                       .refused_early = passwords.refused_early,
                       .checks_waiting = passwords.checks_waiting,
                       .refusals_waiting = passwords.refusals_waiting,
                       .addresses = passwords.addresses },
    };
}

/* Does the Host header name this machine? A page from elsewhere can point its own name at
 * 127.0.0.1 and have the visitor's browser ask us, but then it asks for that name. */
static bool host_is_loopback(struct str host)
{
    struct config_address address;
    char text[64];
    size_t end = host.len;

    if (host.len == 0) /* no browser */
        return true;
    while (end > 0 && host.ptr[end - 1] >= '0' && host.ptr[end - 1] <= '9')
        end--;
    if (end > 0 && host.ptr[end - 1] == ':')
        host = str_slice(host, 0, end - 1);
    int len = snprintf(text, sizeof text, "%.*s:0", STR_ARG(host));
    return len < (int)sizeof text &&
           config_address_parse((struct str){ text, (size_t)len }, &address) == ERR_OK &&
           address.kind == CONFIG_ADDRESS_IP && config_address_is_loopback(&address);
}

/* Until access control can tell people apart, only this machine may look in. */
static void answer_json(struct server *server, const struct http_request *request,
                        struct http_response *response,
                        int (*write)(const struct admin_view *view, struct buf *out))
{
    if (!request->loopback || !host_is_loopback(request->host)) {
        answer_text(response, 403, "answered to this machine only\n");
        return;
    }
    struct admin_view view = view_of(server);
    response->content_type = "application/json";
    if (write(&view, &response->body) != ERR_OK)
        response->status = 500;
}

static void on_status(void *context, const struct http_request *request,
                      struct http_response *response)
{
    answer_json(context, request, response, admin_status_json);
}

static void on_mesh(void *context, const struct http_request *request,
                    struct http_response *response)
{
    answer_json(context, request, response, admin_mesh_json);
}

const struct http_route *server_routes(size_t *ret_count)
{
    static const struct http_route routes[] = {
        { "GET", "/", on_page },
        { "GET", "/healthz", on_health },
        { "GET", "/readyz", on_ready },
        { "GET", "/api/v1/status", on_status },
        { "GET", "/api/v1/mesh", on_mesh },
    };

    *ret_count = sizeof routes / sizeof routes[0];
    return routes;
}
