/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include "base/str.h"
#include "net/attempt.h"
#include "net/carrier.h"
#include "net/handshake.h"
#include "net/turn.h"
#include "net/web.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dial {
    uv_getaddrinfo_t lookup;
    struct carrier *carrier; /* NULL: given up while the look-up runs */
    struct attempt *attempt; /* NULL: none is under way */
    char *host;
    char *path;
    uint16_t port;
    bool tls;
    bool looking;
    bool opened; /* the WebSocket was open */
    struct addrinfo *addresses, *next;
    char where[INET6_ADDRSTRLEN + 32]; /* the one that is tried */
};

void dial_drop(struct dial *dial)
{
    if (!dial)
        return;
    dial->carrier = NULL;
    attempt_cancel(dial->attempt);
    dial->attempt = NULL;
    if (dial->looking) { /* the look-up's callback frees */
        uv_cancel((uv_req_t *)&dial->lookup);
        return;
    }
    if (dial->addresses)
        uv_freeaddrinfo(dial->addresses);
    free(dial->host);
    free(dial->path);
    free(dial);
}

/* Take "wss://host:port/path" apart; port and path may be left out. */
static bool parse_url(struct str url, struct dial *dial)
{
    bool tls = str_starts_with(url, STR("wss://"));

    if (!tls && !str_starts_with(url, STR("ws://")))
        return false;
    struct str rest = str_slice(url, tls ? 6 : 5, url.len);
    size_t slash = str_find(rest, '/', 0);
    struct str host = str_slice(rest, 0, slash);
    struct str path = slash < rest.len ? str_slice(rest, slash, rest.len) : STR("/mesh");
    bool bracket = str_starts_with(host, STR("["));
    size_t host_end = bracket ? str_find(host, ']', 0) : str_find(host, ':', 0);
    size_t colon = str_find(host, ':', bracket ? host_end : 0);
    long port = tls ? 443 : 80;

    if (bracket && host_end == host.len)
        return false;
    if (colon < host.len) {
        char digits[8], *end;
        snprintf(digits, sizeof digits, "%.*s", STR_ARG(str_slice(host, colon + 1, host.len)));
        port = strtol(digits, &end, 10);
        if (*end || digits[0] < '0' || digits[0] > '9')
            return false;
    }
    host = str_slice(host, bracket ? 1 : 0, host_end);
    if (host.len == 0 || port < 1 || port > 65535)
        return false;
    dial->tls = tls;
    dial->port = (uint16_t)port;
    dial->host = str_to_c(host);
    dial->path = str_to_c(path);
    return dial->host && dial->path;
}

static void on_attempt(void *context, const struct attempt_end *end)
{
    struct carrier *carrier = context;
    struct dial *dial = carrier->dial;

    dial->attempt = NULL;
    if (end->fd < 0) {
        carrier_end(carrier, "%s", end->words);
        return;
    }
    dial->opened = true;
    if (!carrier_attach(carrier, end->fd, end->ssl)) {
        carrier_end(carrier, "out of memory");
        return;
    }
    carrier_read(carrier, end->early);
    if (carrier->phase != CARRIER_ENDED)
        handshake_begin(carrier);
}

/* Try the next address; the answer comes to on_attempt. */
static void connect_next(struct carrier *carrier)
{
    struct dial *dial = carrier->dial;
    struct addrinfo *address = dial->next;
    bool six = address->ai_family == AF_INET6;
    char text[INET6_ADDRSTRLEN + 16]; /* with a scope */

    dial->next = address->ai_next;
    if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) != 0) {
        carrier_end(carrier, "no usable address: %s", dial->host);
        return;
    }
    snprintf(dial->where, sizeof dial->where, six ? "[%s]:%u" : "%s:%u", text, dial->port);
    if (six)
        ((struct sockaddr_in6 *)address->ai_addr)->sin6_port = htons(dial->port);
    else
        ((struct sockaddr_in *)address->ai_addr)->sin_port = htons(dial->port);
    const struct attempt_target target = { .address = address,
                                           .where = dial->where,
                                           .host = dial->host,
                                           .path = dial->path,
                                           .port = dial->port,
                                           .tls = dial->tls ? carrier->net->web->tls : NULL };

    dial->attempt = attempt_start(carrier->net, &target, on_attempt, carrier);
    if (!dial->attempt)
        carrier_end(carrier, "cannot connect to %s", dial->where);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *addresses)
{
    struct dial *dial = lookup->data;
    struct carrier *carrier = dial->carrier;

    dial->looking = false;
    dial->addresses = dial->next = addresses;
    if (!carrier) {
        dial_drop(dial);
        return;
    }
    struct net *net = carrier->net;

    turn_time(net);
    if (carrier->phase != CARRIER_OPENING) /* it timed out meanwhile */
        return;
    if (status == UV_EAI_NONAME || status == UV_EAI_NODATA || (status == 0 && !addresses))
        carrier_end(carrier, "name not found: %s", dial->host);
    else if (status != 0)
        carrier_end(carrier, "name not found: %s (%s)", dial->host, uv_strerror(status));
    else
        connect_next(carrier);
    net_settle(net);
}

void dial_seed(struct net *net, uint32_t seed)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct carrier *carrier = carrier_new(net, seed);
    struct dial *dial = carrier ? calloc(1, sizeof *dial) : NULL;

    if (!carrier) {
        net->dials_lost = true; /* answered by dial_tell_lost */
        return;
    }
    if (!dial) {
        carrier_end(carrier, "out of memory");
        return;
    }
    carrier->dial = dial;
    dial->carrier = carrier;
    dial->lookup.data = dial;

    struct str url = seed < net->config.seed_count ? net->config.seeds[seed] : STR("");

    if (!parse_url(url, dial)) {
        carrier_end(carrier, "not a broker's URL: %.*s", STR_ARG(url));
        return;
    }
    int err = uv_getaddrinfo(&net->loop, &dial->lookup, on_looked_up, dial->host, NULL, &hints);

    if (err)
        carrier_end(carrier, "name not found: %s (%s)", dial->host, uv_strerror(err));
    else
        dial->looking = true;
}

static bool has_carrier(const struct net *net, uint32_t seed)
{
    list_each (&net->all_carriers, node) {
        if (list_entry(node, struct carrier, all)->seed == seed)
            return true;
    }
    return false;
}

bool dial_tell_lost(struct net *net)
{
    struct mesh_event event = { .kind = MESH_DIAL_FAILED,
                                .now_ms = net->now_ms,
                                .now_us = net->now_us,
                                .text = STR("out of memory") };

    if (!net->dials_lost)
        return false;
    net->dials_lost = false;
    /* The mesh knows which it waits for: the answer for any other seed means nothing to it. */
    for (; event.seed < net->config.seed_count; event.seed++) {
        if (!has_carrier(net, event.seed))
            node_on_link(net->node, &event, &net->out);
    }
    return true;
}

bool dial_again(struct carrier *carrier)
{
    struct dial *dial = carrier->dial;

    if (dial->opened || dial->looking || !dial->next || carrier->due_ms <= carrier->net->now_ms)
        return false;
    attempt_cancel(dial->attempt);
    dial->attempt = NULL;
    carrier->phase = CARRIER_OPENING;
    buf_clear(&carrier->end);
    connect_next(carrier);
    return true;
}

int dial_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct carrier *carrier = lws_get_opaque_user_data(wsi);
    bool over = reason == LWS_CALLBACK_RAW_CLOSE;

    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX)
        return -1; /* the tap reads, from the first byte on */
    if (reason != LWS_CALLBACK_RAW_WRITEABLE && !over)
        return 0;
    if (!carrier)
        return over ? 0 : -1;
    struct net *net = carrier->net;

    turn_time(net);
    if (over) {
        lws_set_opaque_user_data(wsi, NULL);
        carrier_gone(carrier, "connection closed by peer");
    } else {
        carrier_writable(carrier);
    }
    net_settle(net);
    return 0;
}
