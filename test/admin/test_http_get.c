/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/http_get.h"
#include "base/err.h"

#include "unit.h"

#include <string.h>

static int parse(const char *text, struct http_answer *answer)
{
    *answer = (struct http_answer){ 0 };
    return http_answer_parse(str_from_c(text), answer);
}

START_TEST(a_body_is_read_by_length_by_chunks_or_to_the_end)
{
    static const char *const whole[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!!",
        "HTTP/1.1 200 OK\r\ncontent-length:5\r\nx: y\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        struct http_answer answer;
        ck_assert_int_eq(parse(whole[i], &answer), ERR_OK);
        ck_assert_int_eq(answer.status, 200);
        ck_assert(str_equal(buf_str(&answer.body), STR("hello")));
        http_answer_finish(&answer);
    }
}
END_TEST

START_TEST(what_is_cut_short_or_no_http_is_refused)
{
    static const char *const broken[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
    };

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct http_answer answer;
        ck_assert_msg(parse(broken[i], &answer) == ERR_MALFORMED, "%s", broken[i]);
        http_answer_finish(&answer);
    }
}
END_TEST

START_TEST(an_url_that_is_none_and_a_peer_that_is_away_are_told_apart)
{
    struct http_answer answer;

    ck_assert_int_eq(http_get("https://127.0.0.1", "/", 100, &answer), ERR_INVALID);
    ck_assert_str_eq(answer.failure, "https://127.0.0.1: allowed: http://HOST:PORT");
    http_answer_finish(&answer);
    ck_assert_int_eq(http_get("http://127.0.0.1:1", "/", 1000, &answer), ERR_IO);
    ck_assert_str_eq(answer.failure, "127.0.0.1:1: Connection refused");
    http_answer_finish(&answer);
    ck_assert_int_eq(http_get("http://:1", "/", 1000, &answer), ERR_INVALID);
    http_answer_finish(&answer);
}
END_TEST

UNIT_MAIN("admin/http_get", a_body_is_read_by_length_by_chunks_or_to_the_end,
          what_is_cut_short_or_no_http_is_refused,
          an_url_that_is_none_and_a_peer_that_is_away_are_told_apart)
