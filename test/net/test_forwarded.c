/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "net/forwarded.h"
#include "net/head.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* Who asks, by these fields, where 10.0.0.0/8, 127.0.0.1 and unix sockets are believed: an
 * address, with "*" in front if it is on this machine; "not"; "unknown". */
static const char *look(const char *peer, const char *fields)
{
    static char text[IP_TEXT_MAX + 1];
    static struct head head;
    struct ip_block trusted[3];
    struct forwarded_client client;
    struct ip ip;
    char bytes[4096];

    ip_block_parse(STR("10.0.0.0/8"), &trusted[0]);
    ip_block_parse(STR("127.0.0.1"), &trusted[1]);
    ip_block_parse(STR("unix:"), &trusted[2]);
    ck_assert_int_eq(ip_parse(str_from_c(peer), &ip), ERR_OK);
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\n%s\r\n", fields);
    ck_assert_int_eq(head_read_request(str_from_c(bytes), &head), ERR_OK);
    switch (forwarded_look(&head, &ip, trusted, 3, &client)) {
    case FORWARDED_NOT: return "not";
    case FORWARDED_UNKNOWN: return "unknown";
    case FORWARDED_FOR: break;
    }
    text[0] = '*';
    ip_print(&client.ip, text + 1);
    return client.loopback ? text : text + 1;
}

#define FOR(list) "X-Forwarded-For: " list "\r\n"

START_TEST(the_last_address_before_the_proxies_that_are_believed_asks)
{
    ck_assert_str_eq(look("10.0.0.1:5", FOR("192.0.2.7")), "192.0.2.7");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("6.6.6.6, 192.0.2.7")), "192.0.2.7");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("6.6.6.6, 192.0.2.7,10.1.1.1 ,10.2.2.2")), "192.0.2.7");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("6.6.6.6") FOR("192.0.2.7:80, 10.1.1.1")),
                     "192.0.2.7:80");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("[2001:db8::1]:4711")), "[2001:db8::1]:4711");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("10.1.1.1")), "10.1.1.1");
    ck_assert_str_eq(look("unix:", FOR("192.0.2.7")), "192.0.2.7");
}
END_TEST

START_TEST(nobody_else_is_believed)
{
    ck_assert_str_eq(look("192.0.2.1:5", ""), "not");
    ck_assert_str_eq(look("192.0.2.1:5", FOR("127.0.0.1")), "unknown");
    ck_assert_str_eq(look("192.0.2.1:5", "Forwarded: for=127.0.0.1\r\n"), "unknown");
    ck_assert_str_eq(look("10.0.0.1:5", ""), "not");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("")), "not");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("192.0.2.7") "Forwarded: for=6.6.6.6\r\n"),
                     "192.0.2.7");
    ck_assert_str_eq(look("10.0.0.1:5", "Forwarded: for=192.0.2.7\r\n"), "unknown");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("192.0.2.7, unknown")), "unknown");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("192.0.2.7, 1.2.3.4.5")), "unknown");
}
END_TEST

/* What calls itself 127.0.0.1 elsewhere is not here. */
START_TEST(this_machine_is_this_machine_all_the_way)
{
    ck_assert_str_eq(look("127.0.0.1:5", FOR("127.0.0.1")), "*127.0.0.1");
    ck_assert_str_eq(look("unix:", FOR("::1")), "*[::1]");
    ck_assert_str_eq(look("127.0.0.1:5", FOR("192.0.2.7")), "192.0.2.7");
    ck_assert_str_eq(look("10.0.0.1:5", FOR("127.0.0.1")), "127.0.0.1");
    ck_assert_str_eq(look("127.0.0.1:5", FOR("127.0.0.1, 10.1.1.1")), "127.0.0.1");
}
END_TEST

START_TEST(a_list_without_end_is_followed_for_a_while)
{
    char list[2048] = "X-Forwarded-For: 192.0.2.7";

    for (int i = 0; i < 40; i++)
        strcat(list, ", 10.1.1.1");
    strcat(list, "\r\n");
    ck_assert_str_eq(look("10.0.0.1:5", list), "10.1.1.1");
}
END_TEST

UNIT_MAIN("net/forwarded", the_last_address_before_the_proxies_that_are_believed_asks,
          nobody_else_is_believed, this_machine_is_this_machine_all_the_way,
          a_list_without_end_is_followed_for_a_while)
