/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "net/listener.h"

#include "base/err.h"
#include "base/log.h"
#include "net/secure.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/turn.h"
#include "net/web.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS_MAX = 128, WARN_EVERY_MS = 1000 };

static void address_text(const struct sockaddr *address, socklen_t len, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN + 16], port[8];

    snprintf(out, size, "-");
    if (getnameinfo(address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(out, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void listener_peer(int fd, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    snprintf(out, size, "-");
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        address_text((struct sockaddr *)&address, len, out, size);
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
        return false;
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

static void admit(const struct arrival *arrival)
{
    struct listener *listener = arrival->listener;

    switch (listener->config->kind) {
    case LISTENER_MQTT:
        if (listener->tls)
            secure_accept(listener->net, arrival);
        else
            tcp_accept(listener->net, arrival);
        return;
    case LISTENER_WEB: web_accept(listener->net->web, arrival); return;
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
    admit(&(struct arrival){ .listener = listener, .fd = fd });
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
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if ((errno != EMFILE && errno != ENFILE) || !refuse_one(listener))
            return;
    }
}

static int complain(struct buf *errors, const char *host, unsigned port, const char *why)
{
    char lower[128];

    snprintf(lower, sizeof lower, "%s", why);
    if (lower[0] >= 'A' && lower[0] <= 'Z' && !(lower[1] >= 'A' && lower[1] <= 'Z'))
        lower[0] = (char)(lower[0] - 'A' + 'a');
    buf_printf(errors,
               strchr(host, ':') ? "cannot listen on [%s]:%u: %s\n"
                                 : "cannot listen on %s:%u: %s\n",
               host, port, lower);
    return ERR_IO;
}

/* A bound, listening socket, or -1 with errno. */
static int bind_socket(const struct addrinfo *info)
{
    int yes = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (info->ai_family == AF_INET6) /* "::" is IPv6 alone, so that 0.0.0.0 can stand beside it */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
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
    listener->tls = tls_new(config->tls, config->kind == LISTENER_MQTT ? TLS_MQTT : TLS_WEB,
                            listener_name(listener), errors);
    if (!listener->tls)
        return ERR_IO;
    if (config->kind != LISTENER_MQTT)
        listener->vhost = web_host(listener->net->web, listener);
    return config->kind == LISTENER_MQTT || listener->vhost ? ERR_OK : ERR_NOMEM;
}

int listener_open(struct net *net, struct listener *listener, const struct listener_config *config,
                  struct buf *errors)
{
    const char *host = config->host ? config->host : "127.0.0.1";
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char port[8];

    listener->net = net;
    listener->config = config;
    snprintf(port, sizeof port, "%u", config->port);
    int err = getaddrinfo(host, port, &hints, &found);

    if (err)
        return complain(errors, host, config->port, gai_strerror(err));
    listener->fd = bind_socket(found);
    err = errno;
    freeaddrinfo(found);
    if (listener->fd < 0)
        return complain(errors, host, config->port, strerror(err));
    if (getsockname(listener->fd, (struct sockaddr *)&address, &len) == 0)
        address_text((struct sockaddr *)&address, len, listener->address, sizeof listener->address);
    err = prepare_tls(listener, errors);
    if (err) {
        close(listener->fd);
        return err;
    }
    uv_poll_init(&net->loop, &listener->poll, listener->fd);
    listener->poll.data = listener;
    listener->open = true;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
    log_info("listener.open", "name=%s protocol=%s tls=%s address=%s", listener_name(listener),
             config->kind == LISTENER_MQTT ? "mqtt" : "web", listener->tls ? "yes" : "no",
             listener->address);
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
        close(listener->fd);
    }
}
