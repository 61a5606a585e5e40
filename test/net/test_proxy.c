/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "net/proxy.h"

#include "unit.h"

#include <string.h>

#define MARK_2 "\r\n\r\n\0\r\nQUIT\n"
#define FOUR   "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x07\x5b"
#define SIX                                                                                        \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x67\x07\x5b"

struct sample {
    const char *bytes;
    size_t len;
    const char *text; /* NULL: the proxy does not say */
    bool loopback;
};

#define SAMPLE(bytes, text, loopback)                                                              \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, text, loopback                                                   \
    }

static const struct sample samples[] = {
    SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n", "192.0.2.1:4711", false),
    SAMPLE("PROXY TCP4 127.0.0.1 192.0.2.2 0 65535\r\n", "127.0.0.1:0", true),
    SAMPLE("PROXY TCP6 2001:db8::1 ::1 4711 1883\r\n", "[2001:db8::1]:4711", false),
    SAMPLE("PROXY TCP6 ::1 ::1 1 2\r\n", "[::1]:1", true),
    SAMPLE("PROXY UNKNOWN\r\n", NULL, false),
    SAMPLE("PROXY UNKNOWN whatever it likes\r\n", NULL, false),
    SAMPLE(MARK_2 "\x21\x11\x00\x0c" FOUR, "192.0.2.1:4711", false),
    SAMPLE(MARK_2 "\x21\x11\x00\x10" FOUR "\x04\x00\x01x", "192.0.2.1:4711", false),
    SAMPLE(MARK_2 "\x21\x21\x00\x24" SIX, "[2001:db8::1]:4711", false),
    SAMPLE(MARK_2 "\x20\x00\x00\x00", NULL, false), /* LOCAL */
    SAMPLE(MARK_2 "\x20\x11\x00\x0c" FOUR, NULL, false),
    SAMPLE(MARK_2 "\x21\x00\x00\x00", NULL, false), /* UNSPEC */
};

START_TEST(both_versions_say_where_a_connection_comes_from)
{
    struct proxy_header header;
    char bytes[256];

    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *s = &samples[i];
        memcpy(bytes, s->bytes, s->len);
        memcpy(bytes + s->len, "\x10\x0d", 2); /* what follows is not the header's */
        ck_assert_msg(proxy_parse((uint8_t *)bytes, s->len + 2, &header) == ERR_OK, "%zu", i);
        ck_assert_uint_eq(header.len, s->len);
        ck_assert_int_eq(header.known, s->text != NULL);
        ck_assert_str_eq(header.text, s->text ? s->text : "");
        ck_assert_int_eq(header.loopback, s->loopback);
    }
}
END_TEST

START_TEST(every_header_that_is_cut_asks_for_more)
{
    struct proxy_header header;

    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        for (size_t len = 0; len < samples[i].len; len++)
            ck_assert_int_eq(proxy_parse((const uint8_t *)samples[i].bytes, len, &header),
                             ERR_MORE);
    }
}
END_TEST

START_TEST(what_is_no_header_is_refused)
{
    static const struct sample bad[] = {
        SAMPLE("\x10\x0d", NULL, false),
        SAMPLE("GET / HTTP/1.1\r\n", NULL, false),
        SAMPLE("PROXI TCP4", NULL, false),
        SAMPLE("PROXY TCP5 192.0.2.1 192.0.2.2 4711 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883 7\r\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 04711 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.1 192.0.2.2 65536 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP4 192.0.2.256 192.0.2.2 4711 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP4 ::1 ::1 4711 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP6 192.0.2.1 192.0.2.2 4711 1883\r\n", NULL, false),
        SAMPLE("PROXY TCP4  192.0.2.1 192.0.2.2 4711 1883\r\n", NULL, false),
        SAMPLE(MARK_2 "\x11\x11\x00\x0c" FOUR, NULL, false), /* another version */
        SAMPLE(MARK_2 "\x22\x11\x00\x0c" FOUR, NULL, false), /* no such command */
        SAMPLE(MARK_2 "\x21\x41\x00\x0c" FOUR, NULL, false), /* no such family */
        SAMPLE(MARK_2 "\x21\x12\x00\x0c" FOUR, NULL, false), /* datagrams */
        SAMPLE(MARK_2 "\x21\x11\x00\x0b" FOUR, NULL, false), /* too short for its family */
        SAMPLE(MARK_2 "\x21\x11\xff\xff" FOUR, NULL, false), /* longer than anybody needs */
    };
    struct proxy_header header;
    char line[200];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(proxy_parse((const uint8_t *)bad[i].bytes, bad[i].len, &header) ==
                          ERR_MALFORMED,
                      "%zu", i);
    memset(line, 'x', sizeof line); /* a line that never ends */
    memcpy(line, "PROXY ", 6);
    ck_assert_int_eq(proxy_parse((uint8_t *)line, 106, &header), ERR_MORE);
    ck_assert_int_eq(proxy_parse((uint8_t *)line, 107, &header), ERR_MALFORMED);
}
END_TEST

UNIT_MAIN("net/proxy", both_versions_say_where_a_connection_comes_from,
          every_header_that_is_cut_asks_for_more, what_is_no_header_is_refused)
