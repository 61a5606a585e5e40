/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { MAPPED_BITS = 96, BITS_MAX = 128 };

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_4(const uint8_t bytes[16])
{
    return memcmp(bytes, mapped, sizeof mapped) == 0;
}

/* Decimal without needless zeros, or -1. */
static int number_of(struct str text, int max)
{
    int number = 0;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number <= max ? number : -1;
}

static bool host_of(struct str text, uint8_t ret_bytes[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, ret_bytes) == 1)
        return true;
    memcpy(ret_bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, ret_bytes + sizeof mapped) == 1;
}

int ip_parse(struct str text, struct ip *ret_ip)
{
    struct ip ip = { .local = str_starts_with(text, STR("unix:")) };
    bool bracket = str_starts_with(text, STR("["));
    size_t end = bracket ? str_find(text, ']', 0) : str_find(text, ':', 0);

    if (!ip.local && text.len > 0) {
        struct str host = str_slice(text, bracket ? 1 : 0, end);
        struct str rest = str_slice(text, bracket ? end + 1 : end, text.len);
        if (!bracket && str_find(text, ':', end + 1) < text.len) { /* two colons: IPv6, bare */
            host = text;
            rest = STR("");
        }
        int port = rest.len > 0 ? number_of(str_slice(rest, 1, rest.len), UINT16_MAX) : 0;
        if ((bracket && end == text.len) || (rest.len > 0 && rest.ptr[0] != ':') || port < 0 ||
            !host_of(host, ip.bytes) || (bracket && str_find(host, ':', 0) == host.len))
            return ERR_INVALID;
        ip.has_port = rest.len > 0;
        ip.port = (uint16_t)port;
    }
    if (text.len == 0)
        return ERR_INVALID;
    *ret_ip = ip;
    return ERR_OK;
}

void ip_print(const struct ip *ip, char text[IP_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";
    bool four = is_4(ip->bytes);

    if (ip->local) {
        snprintf(text, IP_TEXT_MAX, "unix:");
        return;
    }
    inet_ntop(four ? AF_INET : AF_INET6, four ? ip->bytes + sizeof mapped : ip->bytes, host,
              sizeof host);
    if (ip->has_port)
        snprintf(port, sizeof port, ":%u", ip->port);
    snprintf(text, IP_TEXT_MAX, four ? "%s%s" : "[%s]%s", host, port);
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t one[16] = { [15] = 1 };

    return ip->local || (is_4(ip->bytes) && ip->bytes[12] == 127) ||
           memcmp(ip->bytes, one, sizeof one) == 0;
}

int ip_block_parse(struct str text, struct ip_block *ret_block)
{
    size_t slash = str_find(text, '/', 0);
    struct str host = str_slice(text, 0, slash);
    struct ip_block block = { .local = str_equal(text, STR("unix:")), .bits = BITS_MAX };

    if (!block.local) {
        if (!host_of(host, block.bytes))
            return ERR_INVALID;
        int skipped = str_find(host, ':', 0) == host.len ? MAPPED_BITS : 0;
        int bits = slash < text.len
                       ? number_of(str_slice(text, slash + 1, text.len), BITS_MAX - skipped)
                       : BITS_MAX - skipped;
        if (bits < 0)
            return ERR_INVALID;
        block.bits = (uint8_t)(skipped + bits);
    }
    *ret_block = block;
    return ERR_OK;
}

static bool holds(const struct ip_block *block, const struct ip *ip)
{
    size_t whole = block->bits / 8;
    uint8_t rest = (uint8_t)(0xff00 >> block->bits % 8);

    if (block->local || ip->local)
        return block->local && ip->local;
    return memcmp(block->bytes, ip->bytes, whole) == 0 &&
           (block->bits % 8 == 0 || ((block->bytes[whole] ^ ip->bytes[whole]) & rest) == 0);
}

bool ip_is_in(const struct ip *ip, const struct ip_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (holds(&blocks[i], ip))
            return true;
    }
    return false;
}
