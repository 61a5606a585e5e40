/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "base/buf.h"
#include "base/err.h"
#include "net/forwarded.h"
#include "net/head.h"
#include "net/listener.h"
#include "net/reply.h"
#include "net/target.h"
#include "net/turn.h"
#include "net/upgrade.h"
#include "net/web.h"
#include "net/websocket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HEAD_WAIT_S = 10, /* for a whole head, and TLS before it */
    BODY_WAIT_S = 20,
    SEND_WAIT_S = 20, /* for an answer to be taken, and more for a large one: */
    SEND_RATE_MIN = 16 * 1024,
    LINGER_S = 2, /* for the peer to close after we did */
};

enum http_phase {
    HTTP_HEAD,   /* awaits a request */
    HTTP_BODY,   /* knows its head, awaits the rest */
    HTTP_ANSWER, /* sends the answer */
    HTTP_LINGER, /* all is said: awaits the end */
};

struct http {
    struct lws *wsi;
    enum http_phase phase;
    bool begun;   /* something has come */
    bool blank;   /* an empty line stood before the request. [RFC9112 2.2] */
    bool last;    /* the connection ends behind this answer */
    bool stopped; /* reading is, while the answer waits to be taken */
    struct buf in;
    size_t seen; /* of in, looked at for the end of the head */
    size_t head_len, body_len;
    struct buf out;
    size_t sent;
};

/* What to do next. */
enum step {
    STEP_WAIT,
    STEP_ON,
    STEP_GONE, /* it speaks HTTP no more: there is no struct http now */
    STEP_CLOSE,
};

bool http_open(struct lws *wsi)
{
    struct http *http = calloc(1, sizeof *http);

    if (!http)
        return false;
    http->wsi = wsi;
    web_visitor(wsi)->http = http;
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, HEAD_WAIT_S);
    return true;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    buf_finish(&http->in);
    buf_finish(&http->out);
    free(http);
}

/* ---- the answer ---- */

/* Close in good order: closing with bytes unread could make the kernel throw away what the
 * peer has not read yet. [RFC9112 9.6] */
static enum step linger(struct http *http)
{
    SSL *ssl = lws_get_ssl(http->wsi);

    http->phase = HTTP_LINGER;
    buf_finish(&http->in);
    buf_finish(&http->out);
    ERR_clear_error();
    if (ssl)
        SSL_shutdown(ssl); /* says goodbye; the answer is not awaited */
    lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_OK, LINGER_S);
    return shutdown(lws_get_socket_fd(http->wsi), SHUT_WR) == 0 ? STEP_WAIT : STEP_CLOSE;
}

/* These bytes are dealt with. */
static void consume(struct http *http, size_t len)
{
    http->in.len -= len;
    memmove(http->in.data, http->in.data + len, http->in.len);
    if (http->in.len == 0)
        buf_finish(&http->in);
}

/* The answer is out: the next request may have come already. */
static enum step begin_anew(struct http *http)
{
    consume(http, http->head_len + http->body_len);
    buf_finish(&http->out);
    http->sent = http->seen = http->head_len = http->body_len = 0;
    http->blank = false;
    http->phase = HTTP_HEAD;
    lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_OK, HEAD_WAIT_S);
    return STEP_ON;
}

static void stop_reading(struct http *http, bool stop)
{
    if (http->stopped == stop)
        return;
    http->stopped = stop;
    lws_rx_flow_control(http->wsi, !stop);
}

static enum step send_on(struct http *http)
{
    while (http->sent < http->out.len && !lws_partial_buffered(http->wsi)) {
        size_t left = http->out.len - http->sent;
        size_t len = left < WEB_CHUNK ? left : WEB_CHUNK;
        if (lws_write(http->wsi, http->out.data + http->sent, len, LWS_WRITE_RAW) < 0)
            return STEP_CLOSE;
        http->sent += len;
    }
    bool waits = http->sent < http->out.len || lws_partial_buffered(http->wsi);

    if (waits && !http->stopped)
        lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_OK,
                        (int)(SEND_WAIT_S + http->out.len / SEND_RATE_MIN));
    stop_reading(http, waits);
    if (waits) {
        lws_callback_on_writable(http->wsi);
        return STEP_WAIT;
    }
    return http->last ? linger(http) : begin_anew(http);
}

static enum step answer(struct http *http, const struct reply *reply, struct str body)
{
    reply_write(reply, &http->out);
    buf_append_str(&http->out, body);
    http->phase = HTTP_ANSWER;
    return http->out.failed ? STEP_CLOSE : send_on(http);
}

/* Answer with a status alone. Where the next request begins may not be known: it is the last. */
static enum step refuse(struct http *http, unsigned status)
{
    http->last = true;
    return answer(http,
                  &(struct reply){ .status = status, .upgrade = status == 426, .close = true },
                  STR(""));
}

/* ---- what is asked for ---- */

/* Does the request come from this machine? Whoever passes it on for others, or may, is not
 * who asks. */
static bool is_local(struct http *http, const struct head *head)
{
    const struct listener_config *config = web_visitor(http->wsi)->listener->config;
    struct forwarded_client client;
    char peer[LISTENER_ADDRESS_MAX];
    struct ip ip;

    web_peer(http->wsi, peer, sizeof peer);
    if (ip_parse(str_from_c(peer), &ip) != ERR_OK)
        return false;
    switch (forwarded_look(head, &ip, config->trusted, config->trusted_count, &client)) {
    case FORWARDED_NOT: return web_is_loopback(http->wsi);
    case FORWARDED_FOR: return client.loopback;
    case FORWARDED_UNKNOWN: return false;
    }
    return false;
}

static bool path_fits(const struct http_route *route, struct str path)
{
    struct str pattern = str_from_c(route->path);

    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*')
        return str_starts_with(path, str_slice(pattern, 0, pattern.len - 1));
    return str_equal(pattern, path);
}

/* Pages, or the API: what does this listener answer? Being asked how one is, always. */
static bool is_served(const struct listener *listener, struct str path)
{
    bool api = str_starts_with(path, STR("/api/"));

    if (str_equal(path, STR("/healthz")) || str_equal(path, STR("/readyz")))
        return true;
    return listener_serves(listener, api ? SERVE_API : SERVE_PAGES);
}

/* Let a route's handler answer. Where no path fits it stays 404; where only the method does
 * not it is 405, and the methods that do are appended to allow. */
static void ask_routes(const struct net_config *config, const struct http_request *request,
                       struct http_response *response, struct buf *allow)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct http_route *route = &config->routes[i];
        if (!path_fits(route, request->path))
            continue;
        if (str_equal(str_from_c(route->method), request->method)) {
            response->status = 200;
            route->handler(config->route_context, request, response);
            return;
        }
        response->status = 405;
        buf_printf(allow, "%s%s%s", allow->len ? ", " : "", route->method,
                   strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
    }
    if (response->status == 405)
        buf_printf(&response->body, "method not allowed\n");
    else
        buf_printf(&response->body, "not found\n");
}

static enum step answer_page(struct http *http, const struct head *head,
                             const struct target *target)
{
    const struct listener *listener = web_visitor(http->wsi)->listener;
    bool just_head = str_equal(head->method, STR("HEAD"));
    struct str host = head_value(head, HEAD_HOST);
    struct http_request request = {
        .method = just_head ? STR("GET") : head->method,
        .path = buf_str(&target->path),
        .query = target->query,
        .body = str_slice(buf_str(&http->in), http->head_len, http->head_len + http->body_len),
        .authorization = head_value(head, HEAD_AUTHORIZATION),
        .host = target->host.len > 0 ? target->host : host,
        .loopback = is_local(http, head),
    };
    struct http_response response = { .status = 404, .content_type = "text/plain" };
    struct buf allow = { 0 };

    if (is_served(listener, request.path))
        ask_routes(&web_net(http->wsi)->config, &request, &response, &allow);
    else
        buf_printf(&response.body, "not found\n");
    if (response.body.failed) {
        buf_finish(&response.body);
        response.status = 503;
    }
    const struct reply reply = { .status = (unsigned)response.status,
                                 .content_type = response.content_type,
                                 .body_len = response.body.len,
                                 .allow = buf_str(&allow),
                                 .close = http->last };
    enum step step = answer(http, &reply, just_head ? STR("") : buf_str(&response.body));

    buf_finish(&response.body);
    buf_finish(&allow);
    return step;
}

/* Who stands behind a proxy that is believed is the visitor from now on. */
static int note_source(struct http *http, const struct head *head)
{
    struct visitor *visitor = web_visitor(http->wsi);
    const struct listener_config *config = visitor->listener->config;
    struct forwarded_client client;
    char text[LISTENER_ADDRESS_MAX];
    struct ip ip;

    web_peer(http->wsi, text, sizeof text);
    if (config->trusted_count == 0 || ip_parse(str_from_c(text), &ip) != ERR_OK ||
        forwarded_look(head, &ip, config->trusted, config->trusted_count, &client) != FORWARDED_FOR)
        return ERR_OK;
    ip_print(&client.ip, text);
    return web_set_source(visitor, text, client.loopback);
}

/* It is granted: HTTP ends here. What came behind the request is the WebSocket's. */
static enum step change(struct http *http, const struct head *head, struct str protocol, bool mesh)
{
    struct lws *wsi = http->wsi;

    upgrade_answer(head, protocol, &http->out);
    if (http->out.failed || note_source(http, head) != ERR_OK ||
        lws_write(wsi, http->out.data, http->out.len, LWS_WRITE_RAW) < 0)
        return STEP_CLOSE;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    web_visitor(wsi)->http = NULL;
    struct str early = str_slice(buf_str(&http->in), http->head_len, http->in.len);
    bool open = websocket_open(wsi, mesh, early);

    http_free(http);
    return open ? STEP_GONE : STEP_CLOSE;
}

/* A request at the path of a WebSocket. */
static enum step answer_upgrade(struct http *http, const struct head *head, bool mesh)
{
    const struct listener *listener = web_visitor(http->wsi)->listener;
    struct str protocol;

    if (!listener_serves(listener, mesh ? SERVE_MESH : SERVE_MQTT))
        return refuse(http, 404);
    if (!str_equal(head->method, STR("GET"))) {
        http->last = true;
        return answer(http, &(struct reply){ .status = 405, .allow = STR("GET"), .close = true },
                      STR(""));
    }
    if (http->body_len > 0)
        return refuse(http, 400);
    if (!upgrade_is_asked(head))
        return refuse(http, 426);
    int status = upgrade_check(head, &protocol);

    if (status == 0 && !websocket_origin_is_good(listener->config, head_value(head, HEAD_ORIGIN)))
        status = 403;
    return status ? refuse(http, (unsigned)status) : change(http, head, protocol, mesh);
}

/* The request has come whole. */
static enum step answer_request(struct http *http, const struct head *head)
{
    struct target target;
    int err = target_read(head->target, &target);
    struct str path = buf_str(&target.path);
    enum step step;

    if (err)
        step = refuse(http, err == ERR_NOMEM ? 503 : 400);
    else if (str_equal(path, STR("/mqtt")) || str_equal(path, STR("/mesh")))
        step = answer_upgrade(http, head, str_equal(path, STR("/mesh")));
    else if (upgrade_is_asked(head))
        step = refuse(http, 404);
    else
        step = answer_page(http, head, &target);
    target_finish(&target);
    return step;
}

/* ---- the request ---- */

/* 0, or the status of one that cannot be answered otherwise, because what it says of itself
 * could be taken in two ways. */
static unsigned check(const struct head *head, size_t body_max, size_t *ret_body_len)
{
    size_t hosts = head_count(head, HEAD_HOST), lengths = head_count(head, HEAD_CONTENT_LENGTH);
    struct str length = head_value(head, HEAD_CONTENT_LENGTH);
    struct str expect = head_value(head, HEAD_EXPECT);
    uint64_t len = 0;

    if (hosts > 1 || (hosts == 0 && head->minor > 0) || lengths > 1 ||
        head_count(head, HEAD_AUTHORIZATION) > 1)
        return 400; /* [RFC9112 3.2] [RFC9112 6.3] */
    if (head_count(head, HEAD_TRANSFER_ENCODING) > 0)
        return lengths > 0 ? 400 : 501; /* [RFC9112 6.1] */
    if (lengths > 0 && length.len == 0)
        return 400;
    for (size_t i = 0; i < length.len; i++) {
        if (length.ptr[i] < '0' || length.ptr[i] > '9')
            return 400;
        len = len > UINT32_MAX ? len : len * 10 + (uint64_t)(length.ptr[i] - '0');
    }
    if (len > body_max)
        return 413;
    if (expect.len > 0 && !head_lists(head, HEAD_EXPECT, STR("100-continue")))
        return 417; /* [RFC9110 10.1.1] */
    *ret_body_len = len;
    return 0;
}

/* Go on with a request whose head has come, and is in order as a text. */
static enum step take_request(struct http *http, const struct head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct net_config *config = &web_net(http->wsi)->config;
    unsigned status = check(head, config->http_body_bytes_max, &http->body_len);

    http->last |= head->minor == 0 || head_lists(head, HEAD_CONNECTION, STR("close"));
    if (status)
        return refuse(http, status);
    if (http->in.len - http->head_len >= http->body_len)
        return answer_request(http, head);
    http->phase = HTTP_BODY;
    lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_OK, BODY_WAIT_S);
    if (head->minor > 0 && head_count(head, HEAD_EXPECT) > 0 &&
        lws_write(http->wsi, (unsigned char *)go_on, sizeof go_on - 1, LWS_WRITE_RAW) < 0)
        return STEP_CLOSE;
    return STEP_WAIT;
}

static enum step take_head(struct http *http)
{
    size_t max = web_net(http->wsi)->config.http_header_bytes_max;
    struct str bytes = buf_str(&http->in);
    struct head head;

    if (!http->blank && bytes.len >= 2 && str_starts_with(bytes, STR("\r\n"))) {
        http->blank = true;
        http->seen = 0;
        consume(http, 2);
        return STEP_ON;
    }
    int err = head_find(str_slice(bytes, 0, max), http->seen, &http->head_len);

    http->seen = bytes.len < max ? bytes.len : max;
    if (err == ERR_MORE && bytes.len < max)
        return STEP_WAIT;
    if (err == ERR_MORE) /* [RFC9110 15.5.15] [RFC6585 5] */
        return refuse(http, str_find(bytes, '\n', 0) < max ? 431 : 414);
    if (!err)
        err = head_read_request(str_slice(bytes, 0, http->head_len), &head);
    if (err)
        return refuse(http, err == ERR_LIMIT ? 431 : err == ERR_VERSION ? 505 : 400);
    return take_request(http, &head);
}

static enum step take_body(struct http *http)
{
    struct head head;

    if (http->in.len - http->head_len < http->body_len)
        return STEP_WAIT;
    /* It was in order before; what it says lay elsewhere while less had come. */
    head_read_request(str_slice(buf_str(&http->in), 0, http->head_len), &head);
    return answer_request(http, &head);
}

/* As far as it goes. -1: close. */
static int go_on(struct http *http)
{
    enum step step = STEP_ON;

    while (step == STEP_ON) {
        switch (http->phase) {
        case HTTP_HEAD: step = http->in.len > 0 ? take_head(http) : STEP_WAIT; break;
        case HTTP_BODY: step = take_body(http); break;
        case HTTP_ANSWER: step = send_on(http); break;
        case HTTP_LINGER: step = STEP_WAIT; break;
        }
    }
    return step == STEP_CLOSE ? -1 : 0;
}

int http_receive(struct lws *wsi, struct str bytes)
{
    struct http *http = web_visitor(wsi)->http;

    if (http->phase == HTTP_LINGER)
        return 0;
    if (!http->begun) /* TLS had its time */
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, HEAD_WAIT_S);
    http->begun = true;
    buf_append_str(&http->in, bytes);
    if (http->in.failed)
        return -1;
    return http->phase == HTTP_ANSWER ? 0 : go_on(http);
}

int http_writable(struct lws *wsi)
{
    struct http *http = web_visitor(wsi)->http;

    return http->phase == HTTP_ANSWER ? go_on(http) : 0;
}
