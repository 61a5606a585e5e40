/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "net/listener.h"

#include "base/err.h"
#include "base/log.h"
#include "net/bind.h"
#include "net/door.h"
#include "net/secure.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/turn.h"
#include "net/web.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_MAX = 128, WARN_EVERY_MS = 1000 };

void listener_peer(int fd, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    snprintf(out, size, "-");
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        bind_address_text((struct sockaddr *)&address, len, out, size);
}

bool listener_peer_is_loopback(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address.ss_family != AF_INET6)
        return address.ss_family == AF_UNIX;
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&address)->sin6_addr;

    return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

/* Count a refused connection; the log hears of it once a second. */
static void note_refusal(struct listener *listener, const char *reason)
{
    struct net *net = listener->net;

    net->stats.refused++;
    if (net->now_ms < net->file_warning_ms + WARN_EVERY_MS)
        return;
    net->file_warning_ms = net->now_ms;
    log_warn("listener.refused", "address=%s reason=\"%s\" refused_total=%llu", listener->address,
             reason, (unsigned long long)net->stats.refused);
}

/* No file is left for one more connection: take the spare one, so that the waiting peer
 * is refused instead of waking us for ever. false: nobody waits. */
static bool refuse_one(struct listener *listener)
{
    struct net *net = listener->net;

    if (net->spare_fd >= 0)
        close(net->spare_fd);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        note_refusal(listener, "out of open files");
    }
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* What a listener is for, where nobody looked at the first bytes. */
static enum hello expected(const struct listener *listener)
{
    bool mqtt = listener->config->kind == LISTENER_MQTT;

    if (listener->tls)
        return mqtt ? HELLO_TLS_MQTT : HELLO_TLS_HTTP;
    return mqtt ? HELLO_MQTT : HELLO_HTTP;
}

void listener_admit(const struct arrival *arrival, enum hello hello)
{
    struct listener *listener = arrival->listener;
    struct net *net = listener->net;

    if (hello == HELLO_MORE)
        hello = expected(listener);
    if ((hello == HELLO_TLS_MQTT || hello == HELLO_TLS_HTTP) && !listener->tls) {
        close(arrival->fd);
        return;
    }
    switch (hello) {
    case HELLO_MQTT: tcp_accept(net, arrival); return;
    case HELLO_TLS_MQTT: secure_accept(net, arrival); return;
    case HELLO_HTTP: web_accept(net->web, arrival, NULL); return;
    case HELLO_TLS_HTTP: web_accept(net->web, arrival, listener->vhost); return;
    case HELLO_MORE:
    case HELLO_NOTHING: close(arrival->fd); return;
    }
}

static void serve(struct listener *listener, int fd)
{
    const struct listener_config *config = listener->config;

    if (config->connections_max && listener->connections >= config->connections_max) {
        note_refusal(listener, "too many connections");
        close(fd);
        return;
    }
    listener->net->stats.accepted++;
    const struct arrival arrival = { .listener = listener, .fd = fd };

    if (config->proxy_protocol || config->kind == LISTENER_AUTO)
        door_open(listener->net, &arrival);
    else
        listener_admit(&arrival, HELLO_MORE);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

/* One was accepted. False: enough for now; the others wait in the kernel meanwhile. */
static bool may_accept_more(struct listener *listener)
{
    enum { SECOND_US = 1000000, MS_US = 1000 };
    uint32_t rate = listener->config->connect_rate_max;
    uint64_t now_us = listener->net->now_us;
    uint64_t credit = now_us > SECOND_US ? now_us - SECOND_US : 0;

    if (rate == 0)
        return true;
    if (listener->due_us < credit)
        listener->due_us = credit;
    listener->due_us += SECOND_US / rate;
    if (listener->due_us <= now_us)
        return true;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_over, (listener->due_us - now_us) / MS_US + 1, 0);
    return false;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    turn_time(listener->net);
    for (int i = 0; i < ACCEPTS_MAX && listener->open; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            serve(listener, fd);
            if (!may_accept_more(listener))
                return;
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if ((errno != EMFILE && errno != ENFILE) || !refuse_one(listener))
            return;
    }
}

const char *listener_name(const struct listener *listener)
{
    return listener->config->name ? listener->config->name : "-";
}

/* Load what TLS needs, where it is asked for. */
static int prepare_tls(struct listener *listener, struct buf *errors)
{
    const struct listener_config *config = listener->config;

    if (!config->tls)
        return ERR_OK;
    static const enum tls_use uses[] = {
        [LISTENER_MQTT] = TLS_MQTT, [LISTENER_WEB] = TLS_WEB, [LISTENER_AUTO] = TLS_AUTO
    };
    listener->tls = tls_new(config->tls, uses[config->kind], listener_name(listener), errors);
    if (!listener->tls)
        return ERR_IO;
    if (config->kind != LISTENER_MQTT)
        listener->vhost = web_host(listener->net->web, listener);
    return config->kind == LISTENER_MQTT || listener->vhost ? ERR_OK : ERR_NOMEM;
}

bool listener_serves(const struct listener *listener, enum listener_serve what)
{
    return listener->config->serve == 0 || listener->config->serve & what;
}

int listener_open(struct net *net, struct listener *listener, const struct listener_config *config,
                  struct buf *errors)
{
    static const char *const kinds[] = {
        [LISTENER_MQTT] = "mqtt", [LISTENER_WEB] = "web", [LISTENER_AUTO] = "auto"
    };

    listener->net = net;
    listener->config = config;
    listener->fd = bind_open(config, errors);
    if (listener->fd < 0)
        return ERR_IO;
    bind_address(listener->fd, listener->address, sizeof listener->address);
    int err = prepare_tls(listener, errors);

    if (err) {
        close(listener->fd);
        return err;
    }
    uv_poll_init(&net->loop, &listener->poll, listener->fd);
    uv_timer_init(&net->loop, &listener->pause);
    listener->poll.data = listener->pause.data = listener;
    listener->open = true;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
    log_info("listener.open", "name=%s protocol=%s tls=%s address=%s", listener_name(listener),
             kinds[config->kind], listener->tls ? "yes" : "no", listener->address);
    return ERR_OK;
}

void listener_finish_all(struct net *net)
{
    for (size_t i = 0; net->listeners && i < net->config.listener_count; i++)
        tls_free(net->listeners[i].tls);
}

void listener_close_all(struct net *net)
{
    for (size_t i = 0; net->listeners && i < net->config.listener_count; i++) {
        struct listener *listener = &net->listeners[i];
        if (!listener->open)
            continue;
        listener->open = false;
        uv_poll_stop(&listener->poll);
        uv_close((uv_handle_t *)&listener->poll, NULL);
        uv_close((uv_handle_t *)&listener->pause, NULL);
        close(listener->fd);
        bind_forget(listener->config);
    }
}
