/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "base/err.h"
#include "net/listener.h"
#include "net/turn.h"
#include "net/web.h"
#include "net/websocket.h"

#include <string.h>
#include <strings.h>

enum { HTTP_CHUNK = 32 * 1024, HTTP_HEAD_MAX = 1024, BODY_WAIT_MS = 20000 };

static void exchange_finish(struct http_exchange *exchange)
{
    if (!exchange)
        return;
    buf_finish(&exchange->path);
    buf_finish(&exchange->query);
    buf_finish(&exchange->authorization);
    buf_finish(&exchange->host);
    buf_finish(&exchange->body);
    buf_finish(&exchange->response.body);
    memset(exchange, 0, sizeof *exchange);
}

/* The method, and with it the request's target, stands in a header of its own. */
static const char *method_of(struct lws *wsi, bool *ret_head)
{
    static const struct {
        enum lws_token_indexes token;
        const char *method;
    } methods[] = {
        { WSI_TOKEN_GET_URI, "GET" },         { WSI_TOKEN_HEAD_URI, "GET" },
        { WSI_TOKEN_POST_URI, "POST" },       { WSI_TOKEN_PUT_URI, "PUT" },
        { WSI_TOKEN_DELETE_URI, "DELETE" },   { WSI_TOKEN_PATCH_URI, "PATCH" },
        { WSI_TOKEN_OPTIONS_URI, "OPTIONS" },
    };

    *ret_head = false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) {
            *ret_head = methods[i].token == WSI_TOKEN_HEAD_URI;
            return methods[i].method;
        }
    }
    return "";
}

/* Append a header's value. */
static void copy_header(struct lws *wsi, enum lws_token_indexes token, struct buf *out)
{
    int len = lws_hdr_total_length(wsi, token);
    uint8_t *at = len > 0 ? buf_reserve(out, (size_t)len + 1) : NULL;

    if (at && lws_hdr_copy(wsi, (char *)at, len + 1, token) > 0)
        buf_advance(out, (size_t)len);
}

static bool path_fits(const struct http_route *route, struct str path)
{
    struct str pattern = str_from_c(route->path);

    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*')
        return str_starts_with(path, str_slice(pattern, 0, pattern.len - 1));
    return str_equal(pattern, path);
}

/* Pages, or the API: what does this listener answer? Being asked how one is, always. */
static bool is_served(struct lws *wsi, struct str path)
{
    const struct visitor *visitor = web_visitor(wsi);
    bool api = str_starts_with(path, STR("/api/"));

    if (str_equal(path, STR("/healthz")) || str_equal(path, STR("/readyz")))
        return true;
    return visitor && listener_serves(visitor->listener, api ? SERVE_API : SERVE_PAGES);
}

/* Let a route's handler answer; 404 where no path fits, 405 where only the method does not. */
static void answer(struct lws *wsi, struct http_exchange *exchange)
{
    const struct net_config *config = &web_net(wsi)->config;
    struct http_request request = {
        .method = str_from_c(exchange->method),
        .path = buf_str(&exchange->path),
        .query = buf_str(&exchange->query),
        .body = buf_str(&exchange->body),
        .authorization = buf_str(&exchange->authorization),
        .host = buf_str(&exchange->host),
        .loopback = web_is_loopback(wsi),
    };
    struct http_response *response = &exchange->response;

    *response = (struct http_response){ .status = 404, .content_type = "text/plain" };
    for (size_t i = 0; i < config->route_count && is_served(wsi, request.path); i++) {
        const struct http_route *route = &config->routes[i];
        if (!path_fits(route, request.path))
            continue;
        response->status = 405;
        if (!str_equal(str_from_c(route->method), request.method))
            continue;
        response->status = 200;
        route->handler(config->route_context, &request, response);
        return;
    }
    buf_printf(&response->body, response->status == 404 ? "not found\n" : "method not allowed\n");
}

static int done(struct lws *wsi, struct http_exchange *exchange)
{
    exchange_finish(exchange);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int respond(struct lws *wsi, struct http_exchange *exchange)
{
    uint8_t head[LWS_PRE + HTTP_HEAD_MAX];
    uint8_t *start = head + LWS_PRE, *at = start, *end = head + sizeof head - 1;

    answer(wsi, exchange);
    if (exchange->response.body.failed) {
        buf_finish(&exchange->response.body);
        exchange->response.status = 503;
    }
    struct http_response *response = &exchange->response;

    if (lws_add_http_common_headers(wsi, (unsigned)response->status, response->content_type,
                                    response->body.len, &at, end) != 0 ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0)
        return -1;
    if (exchange->head || response->body.len == 0)
        return done(wsi, exchange);
    lws_callback_on_writable(wsi);
    return 0;
}

static int send_body(struct lws *wsi, struct http_exchange *exchange)
{
    uint8_t chunk[LWS_PRE + HTTP_CHUNK];
    size_t left = exchange->response.body.len - exchange->sent;
    size_t len = left < HTTP_CHUNK ? left : HTTP_CHUNK;
    bool last = len == left;

    if (left == 0)
        return 0;
    memcpy(chunk + LWS_PRE, exchange->response.body.data + exchange->sent, len);
    if (lws_write(wsi, chunk + LWS_PRE, len, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) !=
        (int)len)
        return -1;
    exchange->sent += len;
    if (last)
        return done(wsi, exchange);
    lws_callback_on_writable(wsi);
    return 0;
}

/* How many bytes the request's body has. 0, or the HTTP status of a body that we do not
 * take: where it ended could be mistaken, and the rest for a request. [RFC9112 6.3] */
static int read_length(struct lws *wsi, uint64_t *ret_len)
{
    char text[24] = "0";
    int len = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return 501;
    if (len > 0 && (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) != len ||
                    strspn(text, "0123456789") != (size_t)len))
        return 400;
    *ret_len = strtoull(text, NULL, 10);
    return *ret_len > web_net(wsi)->config.http_body_bytes_max ? 413 : 0;
}

static int on_request(struct lws *wsi, struct http_exchange *exchange, struct str path)
{
    bool head;
    uint64_t length;
    const char *method = method_of(wsi, &head);
    int refusal = read_length(wsi, &length);

    exchange_finish(exchange);
    if (refusal) {
        lws_return_http_status(wsi, (unsigned)refusal, NULL);
        return -1;
    }
    exchange->method = method;
    exchange->head = head;
    buf_append_str(&exchange->path, path);
    for (int i = 0;; i++) {
        char part[512];
        if (lws_hdr_copy_fragment(wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
            break;
        buf_printf(&exchange->query, "%s%s", i ? "&" : "", part);
    }
    copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, &exchange->authorization);
    copy_header(wsi, WSI_TOKEN_HOST, &exchange->host);
    exchange->awaits_body = length > 0;
    exchange->body_due_ms = web_net(wsi)->now_ms + BODY_WAIT_MS;
    return length > 0 ? 0 : respond(wsi, exchange);
}

static int on_body(struct lws *wsi, struct http_exchange *exchange, const void *in, size_t len)
{
    struct net *net = web_net(wsi);

    turn_time(net);
    if (exchange->body.len + len > net->config.http_body_bytes_max ||
        exchange->body_due_ms <= net->now_ms) /* the library waits anew for each byte */
        return -1;
    buf_append(&exchange->body, in, len);
    return exchange->body.failed ? -1 : 0;
}

/* The library says this of a POST without a body too, which has its answer already. */
static int on_body_end(struct lws *wsi, struct http_exchange *exchange)
{
    if (!exchange->awaits_body)
        return 0;
    exchange->awaits_body = false;
    return respond(wsi, exchange);
}

/* Say which version we speak. [RFC6455 4.4] */
static int require_upgrade(struct lws *wsi)
{
    uint8_t head[LWS_PRE + HTTP_HEAD_MAX];
    uint8_t *start = head + LWS_PRE, *at = start, *end = head + sizeof head - 1;

    if (lws_add_http_header_status(wsi, 426, &at, end) != 0 ||
        lws_add_http_header_by_name(wsi, (const uint8_t *)"sec-websocket-version:",
                                    (const uint8_t *)"13", 2, &at, end) != 0 ||
        lws_add_http_header_content_length(wsi, 0, &at, end) != 0 ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0)
        return -1;
    return 1;
}

/* An upgrade is refused here, where it can still be said why. */
static int on_upgrade(struct lws *wsi, const char *to)
{
    int status = strcasecmp(to, "websocket") == 0 ? websocket_refusal(wsi) : 400;

    if (status == 0)
        return 0;
    if (status == 426)
        return require_upgrade(wsi);
    if (lws_return_http_status(wsi, (unsigned)status, NULL) != 0)
        return -1;
    return 1;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    /* Most of libwebsockets' reasons do not concern us: a chain, not a switch over 90. */
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return web_secure(in, user);
    if (reason == LWS_CALLBACK_HTTP)
        return on_request(wsi, user, (struct str){ in, len });
    if (reason == LWS_CALLBACK_HTTP_BODY)
        return on_body(wsi, user, in, len);
    if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
        return on_body_end(wsi, user);
    if (reason == LWS_CALLBACK_RAW_ADOPT || reason == LWS_CALLBACK_RAW_RX)
        return -1; /* to a CONNECT the library would leave HTTP, and its time limits */
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return send_body(wsi, user);
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return on_upgrade(wsi, in);
    if (reason == LWS_CALLBACK_WSI_DESTROY)
        web_leave(wsi);
    if (reason == LWS_CALLBACK_CLOSED_HTTP || reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL)
        exchange_finish(user);
    return 0;
}
