/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/ip.h"
#include "unit.h"

#include <string.h>

START_TEST(addresses_are_read_and_printed_as_people_write_them)
{
    static const char *const same[] = { "192.0.2.1",     "192.0.2.1:0",        "192.0.2.1:65535",
                                        "[2001:db8::1]", "[2001:db8::1]:4711", "unix:" };
    static const char *const others[][2] = { { "2001:db8::1", "[2001:db8::1]" },
                                             { "::ffff:10.0.0.1", "10.0.0.1" },
                                             { "[::FFFF:a00:1]:1", "10.0.0.1:1" },
                                             { "unix:/run/x", "unix:" } };
    static const char *const bad[] = { "",
                                       "1",
                                       "1.2.3",
                                       "1.2.3.4.5",
                                       "1.2.3.4:",
                                       "1.2.3.4:x",
                                       "1.2.3.4:65536",
                                       "1.2.3.4:01",
                                       "[1.2.3.4]",
                                       "[::1",
                                       "[::1]x",
                                       "[::1]:",
                                       "::g",
                                       "unknown",
                                       "_hidden",
                                       "-",
                                       "1.2.3.4 ",
                                       "256.1.1.1",
                                       "fe80::1%lo",
                                       "[]",
                                       ":",
                                       "a:b:c:d:e:f:0:1:2:3:4:5:6:7:8:9:a:b:c" };
    char text[IP_TEXT_MAX];
    struct ip ip;

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        ck_assert_msg(ip_parse(str_from_c(same[i]), &ip) == ERR_OK, "%s", same[i]);
        ip_print(&ip, text);
        ck_assert_str_eq(text, same[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_msg(ip_parse(str_from_c(others[i][0]), &ip) == ERR_OK, "%s", others[i][0]);
        ip_print(&ip, text);
        ck_assert_str_eq(text, others[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(ip_parse(str_from_c(bad[i]), &ip) == ERR_INVALID, "%s", bad[i]);
}
END_TEST

/* Is the address in the block? */
static bool is_in(const char *address, const char *block_text)
{
    struct ip_block block;
    struct ip ip;

    ck_assert_msg(ip_block_parse(str_from_c(block_text), &block) == ERR_OK, "%s", block_text);
    ck_assert_int_eq(ip_parse(str_from_c(address), &ip), ERR_OK);
    return ip_is_in(&ip, &block, 1);
}

START_TEST(a_block_holds_what_its_bits_say_and_nothing_else)
{
    static const char *const bad[] = { "",          "10.0.0.0/",   "10.0.0.0/33", "10.0.0.0/-1",
                                       "10.0.0/8",  "::/129",      "10.0.0.0/8x", "10.0.0.0:1/8",
                                       "[::1]/128", "10.0.0.0/08", "unix",        "unix:/x" };
    struct ip_block block;

    ck_assert(is_in("10.255.0.1:99", "10.0.0.0/8") && !is_in("11.0.0.1", "10.0.0.0/8"));
    ck_assert(is_in("10.1.2.3", "10.1.2.3") && !is_in("10.1.2.4", "10.1.2.3"));
    ck_assert(is_in("192.168.127.1", "192.168.0.0/17") &&
              !is_in("192.168.128.1", "192.168.0.0/17"));
    ck_assert(is_in("10.9.9.9", "10.1.2.3/8")); /* what is behind the bits does not count */
    ck_assert(is_in("203.0.113.9", "0.0.0.0/0") && !is_in("::1", "0.0.0.0/0"));
    ck_assert(is_in("::ffff:10.0.0.1", "10.0.0.0/8") && is_in("10.0.0.1", "::/0"));
    ck_assert(is_in("[2001:db8:8000::1]:1", "2001:db8:8000::/33") &&
              !is_in("2001:db8::1", "2001:db8:8000::/33"));
    ck_assert(is_in("::1", "::1") && !is_in("::2", "::1"));
    ck_assert(is_in("unix:", "unix:") && !is_in("unix:", "::/0") && !is_in("127.0.0.1", "unix:"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(ip_block_parse(str_from_c(bad[i]), &block) == ERR_INVALID, "%s", bad[i]);
}
END_TEST

START_TEST(this_machine_is_told_from_others)
{
    static const char *const here[] = { "127.0.0.1", "127.9.9.9:1", "::1", "::ffff:127.0.0.1",
                                        "unix:/x" };
    static const char *const there[] = { "128.0.0.1", "0.0.0.0", "::", "::127.0.0.1", "10.0.0.1" };
    struct ip ip;

    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        ck_assert(ip_parse(str_from_c(here[i]), &ip) == ERR_OK && ip_is_loopback(&ip));
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        ck_assert(ip_parse(str_from_c(there[i]), &ip) == ERR_OK && !ip_is_loopback(&ip));
}
END_TEST

UNIT_MAIN("base/ip", addresses_are_read_and_printed_as_people_write_them,
          a_block_holds_what_its_bits_say_and_nothing_else, this_machine_is_told_from_others)
