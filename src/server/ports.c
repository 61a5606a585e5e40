/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ports.h"

#include "base/err.h"
#include "config/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Can this address be listened on? 0 or an errno. */
static int try_listen(const struct config_address *address)
{
    if (address->kind != CONFIG_ADDRESS_IP)
        return 0; /* there trying would leave traces */
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM };
    struct addrinfo *info = NULL;
    char port[8];
    int on = 1, result = 0;

    snprintf(port, sizeof port, "%u", address->port);
    if (getaddrinfo(address->host, port, &hints, &info) != 0)
        return EADDRNOTAVAIL;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1) != 0)
        result = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(info);
    return result;
}

static void probe(const char *text, struct buf *errors)
{
    struct config_address address;
    int error = 0;

    if (config_address_parse(str_from_c(text), &address) == ERR_OK)
        error = try_listen(&address);
    if (error)
        buf_printf(errors, "cannot listen on %s: %s\n", text, strerror(error));
}

static void probe_list(const struct config_strings *listens, struct buf *errors)
{
    for (size_t i = 0; i < listens->len; i++)
        probe(listens->at[i], errors);
}

void ports_probe(const struct config *config, struct buf *errors)
{
    probe_list(&config->mqtt.listen, errors);
    probe_list(&config->web.listen, errors);
    for (size_t i = 0; i < config->listeners.len; i++)
        probe(config->listeners.at[i].address, errors);
}
