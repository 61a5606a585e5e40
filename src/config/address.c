/* SPDX-License-Identifier: Apache-2.0 */
#include "config/address.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

/* 0 to 65535 in decimal, or -1. */
static int port_parse(struct str text)
{
    int port = 0;

    if (text.len == 0 || text.len > 5)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.ptr[i]))
            return -1;
        port = port * 10 + (text.ptr[i] - '0');
    }
    return port <= 65535 ? port : -1;
}

/* Split at the last colon; a bare port leaves host empty. */
static bool split_host(struct str text, struct str *ret_host, struct str *ret_port)
{
    size_t colon = text.len;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':')
            colon = i;
    }
    if (colon == text.len) {
        *ret_host = STR("127.0.0.1");
        *ret_port = text;
        return true;
    }
    *ret_host = str_slice(text, 0, colon);
    *ret_port = str_slice(text, colon + 1, text.len);
    if (ret_host->len >= 2 && ret_host->ptr[0] == '[') {
        if (ret_host->ptr[ret_host->len - 1] != ']')
            return false;
        *ret_host = str_slice(*ret_host, 1, ret_host->len - 1);
        return str_find(*ret_host, ':', 0) < ret_host->len;
    }
    return str_find(*ret_host, ':', 0) == ret_host->len;
}

/* What stands behind "unix:" or "systemd:". */
static int named_parse(struct str name, enum config_address_kind kind,
                       struct config_address *ret_address)
{
    struct config_address address = { .kind = kind };
    bool path = kind == CONFIG_ADDRESS_UNIX;

    if (name.len == 0 || name.len >= sizeof address.host || (name.ptr[0] == '/') != path)
        return ERR_INVALID;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] <= ' ')
            return ERR_INVALID;
    }
    memcpy(address.host, name.ptr, name.len);
    *ret_address = address;
    return ERR_OK;
}

int config_address_parse(struct str text, struct config_address *ret_address)
{
    struct config_address address = { .port = 0 };
    struct str host, port;
    unsigned char binary[16];

    if (str_starts_with(text, STR("unix:")))
        return named_parse(str_slice(text, 5, text.len), CONFIG_ADDRESS_UNIX, ret_address);
    if (str_starts_with(text, STR("systemd:")))
        return named_parse(str_slice(text, 8, text.len), CONFIG_ADDRESS_SYSTEMD, ret_address);
    if (!split_host(text, &host, &port))
        return ERR_INVALID;
    if (str_equal(host, STR("localhost")))
        host = STR("127.0.0.1");
    int number = port_parse(port);
    if (number < 0 || host.len == 0 || host.len >= sizeof address.host)
        return ERR_INVALID;
    memcpy(address.host, host.ptr, host.len);
    if (inet_pton(AF_INET, address.host, binary) != 1 &&
        inet_pton(AF_INET6, address.host, binary) != 1)
        return ERR_INVALID;
    address.port = (uint16_t)number;
    *ret_address = address;
    return ERR_OK;
}

bool config_address_is_loopback(const struct config_address *address)
{
    struct in6_addr six;

    if (address->kind != CONFIG_ADDRESS_IP)
        return address->kind == CONFIG_ADDRESS_UNIX;
    if (inet_pton(AF_INET6, address->host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strncmp(address->host, "127.", 4) == 0;
}

int config_url_check(struct str url)
{
    size_t scheme = str_starts_with(url, STR("ws://"))    ? 5
                    : str_starts_with(url, STR("wss://")) ? 6
                                                          : 0;

    if (!scheme || url.len > 1024)
        return ERR_INVALID;
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] <= ' ' || (unsigned char)url.ptr[i] == 0x7f)
            return ERR_INVALID;
    }
    struct str host = str_slice(url, scheme, str_find(url, '/', scheme));
    if (host.len && host.ptr[0] == '[') {
        size_t end = str_find(host, ']', 0);
        if (end == host.len)
            return ERR_INVALID;
        host = str_slice(host, end + 1, host.len);
        return host.len == 0 || (host.ptr[0] == ':' && port_parse(str_slice(host, 1, host.len)) > 0)
                   ? ERR_OK
                   : ERR_INVALID;
    }
    size_t colon = str_find(host, ':', 0);
    if (colon == 0 || host.len == 0)
        return ERR_INVALID;
    if (colon < host.len && port_parse(str_slice(host, colon + 1, host.len)) <= 0)
        return ERR_INVALID;
    return ERR_OK;
}
