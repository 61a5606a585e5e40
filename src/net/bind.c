/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "net/bind.h"

#include "base/buf.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    MODE_DEFAULT = 0660,
    FIRST_INHERITED = 3, /* sd_listen_fds(3) */
    LINE_MAX_LEN = 128,
};

void bind_address_text(const struct sockaddr *address, unsigned len, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN + 16], port[8];

    snprintf(out, size, "-");
    if (address->sa_family == AF_UNIX) {
        const char *path = ((const struct sockaddr_un *)address)->sun_path;
        size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
        bool named = path_len > 0 && path[0];
        snprintf(out, size, "unix:%.*s", named ? (int)path_len : 0, path);
        return;
    }
    if (getnameinfo(address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(out, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void bind_address(int fd, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    snprintf(out, size, "-");
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        bind_address_text((struct sockaddr *)&address, len, out, size);
}

/* A line about what was in the way, with a small first letter; -1. */
static int complain(struct buf *errors, const char *where, const char *why)
{
    char lower[128];

    snprintf(lower, sizeof lower, "%s", why);
    if (lower[0] >= 'A' && lower[0] <= 'Z' && !(lower[1] >= 'A' && lower[1] <= 'Z'))
        lower[0] = (char)(lower[0] - 'A' + 'a');
    buf_printf(errors, "cannot listen on %s: %s\n", where, lower);
    return -1;
}

/* Close it and give back errno as it was; -1. */
static int give_up(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
}

static int bind_ip(const struct addrinfo *info)
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
    return give_up(fd);
}

static int open_ip(const struct listener_config *config, struct buf *errors)
{
    const char *host = config->host ? config->host : "127.0.0.1";
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    char port[8], where[128];

    snprintf(port, sizeof port, "%u", config->port);
    snprintf(where, sizeof where, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    int err = getaddrinfo(host, port, &hints, &found);

    if (err)
        return complain(errors, where, gai_strerror(err));
    int fd = bind_ip(found);

    err = errno;
    freeaddrinfo(found);
    return fd < 0 ? complain(errors, where, strerror(err)) : fd;
}

/* A socket's file outlives its process: is this one such? */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;

    close(fd);
    return refused && lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Between bind and listen nobody can connect, so the mode is never too wide. */
static int bind_unix(const struct sockaddr_un *address, unsigned mode)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return give_up(fd);
    if (chmod(address->sun_path, mode) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;

    unlink(address->sun_path);
    errno = saved;
    return give_up(fd);
}

static int open_unix(const struct listener_config *config, struct buf *errors)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    unsigned mode = config->mode ? config->mode : MODE_DEFAULT;
    char where[sizeof address.sun_path + 8];

    snprintf(where, sizeof where, "unix:%s", config->path);
    if (strlen(config->path) >= sizeof address.sun_path)
        return complain(errors, where, "the path is too long");
    strcpy(address.sun_path, config->path);
    int fd = bind_unix(&address, mode);

    if (fd < 0 && errno == EADDRINUSE) {
        if (is_stale(&address) && unlink(address.sun_path) == 0)
            fd = bind_unix(&address, mode);
        else
            errno = EADDRINUSE;
    }
    return fd < 0 ? complain(errors, where, strerror(errno)) : fd;
}

/* The number of a socket that whoever started us opened, -1: there is none. Sockets are
 * called by their names, or counted from 0. sd_listen_fds(3) */
static int find_inherited(const char *name)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int sockets = count ? atoi(count) : 0;
    char number[12];

    if (pid && strtol(pid, NULL, 10) != getpid())
        return -1;
    for (int i = 0; i < sockets; i++) {
        size_t len = names ? strcspn(names, ":") : 0;
        snprintf(number, sizeof number, "%d", i);
        if ((len == strlen(name) && memcmp(names, name, len) == 0) || strcmp(number, name) == 0)
            return FIRST_INHERITED + i;
        if (names)
            names += len + (names[len] == ':');
    }
    return -1;
}

static int open_inherited(const struct listener_config *config, struct buf *errors)
{
    int inherited = find_inherited(config->socket_name), listening = 0;
    socklen_t len = sizeof listening;
    char where[LINE_MAX_LEN];

    snprintf(where, sizeof where, "systemd:%s", config->socket_name);
    if (inherited < 0)
        return complain(errors, where, "no socket of that name was handed over (LISTEN_FDS)");
    if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return complain(errors, where, "what was handed over is no listening socket");
    int fd = fcntl(inherited, F_DUPFD_CLOEXEC, 0); /* so that ours can be closed like any */

    if (fd < 0)
        return complain(errors, where, strerror(errno));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

int bind_open(const struct listener_config *config, struct buf *errors)
{
    if (config->socket_name)
        return open_inherited(config, errors);
    return config->path ? open_unix(config, errors) : open_ip(config, errors);
}

void bind_forget(const struct listener_config *config)
{
    if (config->path)
        unlink(config->path);
}
