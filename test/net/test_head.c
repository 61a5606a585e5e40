/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "net/head.h"
#include "net/target.h"
#include "net/upgrade.h"
#include "unit.h"

#include <string.h>

#define LINE "GET /x HTTP/1.1\r\n"

START_TEST(a_head_ends_with_its_empty_line_however_it_comes)
{
    const struct str bytes = STR(LINE "Host: x\r\n\r\nbody");
    const size_t whole = bytes.len - 4;
    size_t len = 0;

    for (size_t seen = 0; seen < whole; seen++) {
        for (size_t now = seen; now < whole; now++)
            ck_assert_int_eq(head_find(str_slice(bytes, 0, now), seen, &len), ERR_MORE);
        ck_assert_int_eq(head_find(bytes, seen, &len), ERR_OK);
        ck_assert_uint_eq(len, whole);
    }
}
END_TEST

/* [RFC9112 2.2] [RFC9110 5.5] */
START_TEST(bytes_that_no_head_has_are_found_at_once)
{
    static const struct str bad[] = {
        { "\0", 1 },       { "G\0", 2 },       { "\n", 1 },           { "GET\n", 4 },
        { "\r\r", 2 },     { "GET /\rx", 7 },  { "\x16\x03\x01", 3 }, { "\x10\x0d", 2 },
        { "GET \x7f", 5 }, { "X: \x1b[m", 6 },
    };
    size_t len;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(head_find(bad[i], 0, &len), ERR_MALFORMED);
    ck_assert_int_eq(head_find(STR("GET /\t\xff\r"), 0, &len), ERR_MORE);
}
END_TEST

START_TEST(a_request_is_taken_apart)
{
    static struct head head;
    struct head_walk walk = { .head = &head, .name = HEAD_WEBSOCKET_PROTOCOL };
    struct str word;

    ck_assert_int_eq(
        head_read_request(STR("PUT /a?b HTTP/1.1\r\nHOST: \t h:1 \t\r\nother:x\r\norigin:\r\n"
                              "Sec-WebSocket-Protocol: , chat ,mqtt\r\nX-Y: z\r\n"
                              "sec-websocket-protocol: x y,\r\n\r\n"),
                          &head),
        ERR_OK);
    ck_assert(str_equal(head.method, STR("PUT")) && str_equal(head.target, STR("/a?b")));
    ck_assert_uint_eq(head.minor, 1);
    ck_assert(str_equal(head_value(&head, HEAD_HOST), STR("h:1")));
    ck_assert_uint_eq(head_count(&head, HEAD_ORIGIN), 1);
    ck_assert_uint_eq(head_value(&head, HEAD_ORIGIN).len, 0);
    ck_assert_uint_eq(head_count(&head, HEAD_UPGRADE), 0);
    ck_assert_uint_eq(head_count(&head, HEAD_WEBSOCKET_PROTOCOL), 2);
    ck_assert(head_next(&walk, &word) && str_equal(word, STR("chat")));
    ck_assert(head_next(&walk, &word) && str_equal(word, STR("mqtt")));
    ck_assert(head_next(&walk, &word) && str_equal(word, STR("x y")));
    ck_assert(!head_next(&walk, &word) && !head_next(&walk, &word));
    ck_assert(head_lists(&head, HEAD_WEBSOCKET_PROTOCOL, STR("MQTT")));
    ck_assert(!head_lists(&head, HEAD_WEBSOCKET_PROTOCOL, STR("x")));
    ck_assert_int_eq(head_read_request(STR("GET / HTTP/1.0\r\n\r\n"), &head), ERR_OK);
    ck_assert_uint_eq(head.minor, 0);
}
END_TEST

/* [RFC9112 2.3] [RFC9112 3] [RFC9112 5] */
START_TEST(a_request_that_could_be_read_in_two_ways_is_none)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / \r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET /\tHTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/11\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        LINE " Host: x\r\n\r\n",
        LINE "Host: x\r\n folded\r\n\r\n",
        LINE "Host: x\r\n\tfolded\r\n\r\n",
        LINE "Host : x\r\n\r\n",
        LINE ": x\r\n\r\n",
        LINE "Host\r\n\r\n",
        LINE "Ho st: x\r\n\r\n",
    };
    static struct head head;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(head_read_request(str_from_c(bad[i]), &head) == ERR_MALFORMED, "%s", bad[i]);
    ck_assert_int_eq(head_read_request(STR("PRI * HTTP/2.0\r\n\r\n"), &head), ERR_VERSION);
    ck_assert_int_eq(head_read_request(STR("GET / HTTP/0.9\r\n\r\n"), &head), ERR_VERSION);
}
END_TEST

START_TEST(fields_are_counted_and_limited)
{
    char bytes[2048] = LINE;
    static struct head head;
    size_t at = strlen(bytes);

    for (int i = 0; i < HEAD_FIELDS_MAX; i++, at += 8)
        memcpy(bytes + at, "host:x\r\n", 8);
    memcpy(bytes + at, "\r\n", 2);
    ck_assert_int_eq(head_read_request((struct str){ bytes, at + 2 }, &head), ERR_OK);
    ck_assert_uint_eq(head_count(&head, HEAD_HOST), HEAD_FIELDS_MAX);
    memcpy(bytes + at, "x:y\r\n\r\n", 7);
    ck_assert_int_eq(head_read_request((struct str){ bytes, at + 7 }, &head), ERR_LIMIT);
}
END_TEST

START_TEST(an_answer_is_taken_apart)
{
    static const char *const bad[] = { "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
                                       "HTTP/1.1  200\r\n\r\n",  "HTTP/1.1 2x0 OK\r\n\r\n",
                                       "HTTP/1.1\r\n\r\n",       "ICY 200 OK\r\n\r\n" };
    static struct head head;

    ck_assert_int_eq(head_read_answer(STR("HTTP/1.1 404 Not Found\r\nUpgrade: a\r\n\r\n"), &head),
                     ERR_OK);
    ck_assert_uint_eq(head.status, 404);
    ck_assert(head_lists(&head, HEAD_UPGRADE, STR("a")));
    ck_assert_int_eq(head_read_answer(STR("HTTP/1.0 200\r\n\r\n"), &head), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(head_read_answer(str_from_c(bad[i]), &head) == ERR_MALFORMED, "%s", bad[i]);
    ck_assert_int_eq(head_read_answer(STR("HTTP/2.0 200 OK\r\n\r\n"), &head), ERR_VERSION);
}
END_TEST

/* [RFC3986 2.1] [RFC9112 3.2] */
START_TEST(a_target_is_taken_apart_and_its_path_decoded)
{
    static const struct {
        const char *text, *path, *query, *host;
    } good[] = {
        { "/", "/", "", "" },
        { "/a%20b/%C3%A4?c=%20d?", "/a b/\xc3\xa4", "c=%20d?", "" },
        { "/%2e%2E/x", "/../x", "", "" },
        { "/?", "/", "", "" },
        { "*", "*", "", "" },
        { "http://h:1/p?q", "/p", "q", "h:1" },
        { "HTTPS://h", "/", "", "h" },
        { "http://h?q", "/", "q", "h" },
    };
    static const char *const bad[] = {
        "",    "x",    "a:1",  "/%00", "/a%00b",  "/%0d%0a",   "/%7f",        "/%",
        "/%2", "/%g0", "/%2g", "/a#b", "http://", "http:///x", "http://u@h/", "ftp://h/",
    };
    struct target target;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(target_read(str_from_c(good[i].text), &target), ERR_OK);
        ck_assert(str_equal(buf_str(&target.path), str_from_c(good[i].path)));
        ck_assert(str_equal(target.query, str_from_c(good[i].query)));
        ck_assert(str_equal(target.host, str_from_c(good[i].host)));
        target_finish(&target);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(target_read(str_from_c(bad[i]), &target) == ERR_MALFORMED, "%s", bad[i]);
        target_finish(&target);
    }
}
END_TEST

/* The example of RFC 6455 1.3, from both sides. */
START_TEST(both_sides_of_an_upgrade_agree)
{
    static const uint8_t random[16] = "the sample nonce";
    char key[UPGRADE_KEY_LEN + 1];
    struct buf request = { 0 }, answer = { 0 };
    static struct head head;
    struct str protocol;

    upgrade_key(random, key);
    ck_assert_str_eq(key, "dGhlIHNhbXBsZSBub25jZQ==");
    upgrade_request(STR("h:1"), STR("/mesh"), str_from_c(key), &request);
    ck_assert_int_eq(head_read_request(buf_str(&request), &head), ERR_OK);
    ck_assert(upgrade_is_asked(&head));
    ck_assert_int_eq(upgrade_check(&head, &protocol), 0);
    upgrade_answer(&head, protocol, &answer);
    ck_assert_int_eq(head_read_answer(buf_str(&answer), &head), ERR_OK);
    ck_assert(
        str_equal(head_value(&head, HEAD_WEBSOCKET_ACCEPT), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    ck_assert(upgrade_is_granted(&head, str_from_c(key)));
    ck_assert(!upgrade_is_granted(&head, STR("dGhlIHNhbXBsZSBub25jZR==")));
    buf_finish(&request);
    buf_finish(&answer);
}
END_TEST

UNIT_MAIN("net/head", a_head_ends_with_its_empty_line_however_it_comes,
          bytes_that_no_head_has_are_found_at_once, a_request_is_taken_apart,
          a_request_that_could_be_read_in_two_ways_is_none, fields_are_counted_and_limited,
          an_answer_is_taken_apart, a_target_is_taken_apart_and_its_path_decoded,
          both_sides_of_an_upgrade_agree)
