/* SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy.h"

#include "base/err.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_MAX_LEN = 107, /* of version 1, with its end */
    HEAD_LEN = 16,      /* of version 2 */
    INET_LEN = 12,
    INET6_LEN = 36,
    UNIX_LEN = 216,
};

static void set_source(struct proxy_header *header, int family, const void *address, unsigned port)
{
    static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
    const uint8_t *bytes = address;
    char text[INET6_ADDRSTRLEN];
    bool six = family == AF_INET6;
    bool four_in_six = six && memcmp(bytes, mapped, sizeof mapped) == 0;

    inet_ntop(family, address, text, sizeof text);
    snprintf(header->text, sizeof header->text, six ? "[%s]:%u" : "%s:%u", text, port);
    header->known = true;
    header->loopback = !six          ? bytes[0] == 127
                       : four_in_six ? bytes[12] == 127
                                     : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)address);
}

/* The next word of the line, without the blank behind it. */
static struct str next_word(struct str *line)
{
    size_t end = str_find(*line, ' ', 0);
    struct str word = str_slice(*line, 0, end);

    *line = str_slice(*line, end + 1, line->len);
    return word;
}

/* 0 to 65535 without needless zeros, or -1. */
static int port_of(struct str word)
{
    int port = 0;

    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.ptr[0] == '0'))
        return -1;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return -1;
        port = port * 10 + (word.ptr[i] - '0');
    }
    return port <= 65535 ? port : -1;
}

static bool address_of(struct str word, int family, void *ret_address)
{
    char text[INET6_ADDRSTRLEN];

    if (word.len >= sizeof text)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    return inet_pton(family, text, ret_address) == 1;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883". 2.1 of the specification */
static int parse_line(struct str line, struct proxy_header *header)
{
    uint8_t source[16], target[16];

    next_word(&line);
    struct str kind = next_word(&line);
    int family = str_equal(kind, STR("TCP4"))   ? AF_INET
                 : str_equal(kind, STR("TCP6")) ? AF_INET6
                                                : AF_UNSPEC;

    if (str_equal(kind, STR("UNKNOWN")))
        return ERR_OK;
    if (family == AF_UNSPEC)
        return ERR_MALFORMED;
    bool good = address_of(next_word(&line), family, source);

    good &= address_of(next_word(&line), family, target);
    int port = port_of(next_word(&line));

    if (!good || port < 0 || port_of(line) < 0)
        return ERR_MALFORMED;
    set_source(header, family, source, (unsigned)port);
    return ERR_OK;
}

static int parse_1(const uint8_t *bytes, size_t len, struct proxy_header *header)
{
    size_t upto = len < LINE_MAX_LEN ? len : LINE_MAX_LEN;
    struct str text = { (const char *)bytes, upto };
    size_t end = str_find(text, '\n', 0);

    if (end == upto)
        return upto == LINE_MAX_LEN ? ERR_MALFORMED : ERR_MORE;
    if (bytes[end - 1] != '\r')
        return ERR_MALFORMED;
    header->len = end + 1;
    return parse_line(str_slice(text, 0, end - 1), header);
}

/* 2.2 of the specification */
static int parse_2(const uint8_t *bytes, size_t len, struct proxy_header *header)
{
    if (len < HEAD_LEN)
        return ERR_MORE;
    unsigned command = bytes[12] & 0x0F, family = bytes[13] >> 4, protocol = bytes[13] & 0x0F;
    size_t body = (size_t)bytes[14] << 8 | bytes[15];
    const uint8_t *at = bytes + HEAD_LEN;

    if (bytes[12] >> 4 != 2 || command > 1 || family > 3 || protocol > 2)
        return ERR_MALFORMED;
    header->len = HEAD_LEN + body;
    if (header->len > PROXY_HEADER_MAX)
        return ERR_MALFORMED;
    if (len < header->len)
        return ERR_MORE;
    if (command == 0 || family == 0) /* the proxy itself, or it cannot say */
        return ERR_OK;
    if (protocol != 1 || body < (family == 1 ? INET_LEN : family == 2 ? INET6_LEN : UNIX_LEN))
        return ERR_MALFORMED;
    if (family == 1)
        set_source(header, AF_INET, at, (unsigned)at[8] << 8 | at[9]);
    else if (family == 2)
        set_source(header, AF_INET6, at, (unsigned)at[32] << 8 | at[33]);
    return ERR_OK;
}

int proxy_parse(const uint8_t *bytes, size_t len, struct proxy_header *ret_header)
{
    static const uint8_t mark_1[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
    static const uint8_t mark_2[] = { '\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n' };
    struct proxy_header header = { 0 };
    bool first = len > 0 && bytes[0] == mark_1[0];
    size_t mark_len = first ? sizeof mark_1 : sizeof mark_2;
    size_t seen = len < mark_len ? len : mark_len;

    if (memcmp(bytes, first ? mark_1 : mark_2, seen) != 0)
        return ERR_MALFORMED;
    if (seen < mark_len)
        return ERR_MORE;
    int err = first ? parse_1(bytes, len, &header) : parse_2(bytes, len, &header);

    if (!err)
        *ret_header = header;
    return err;
}
