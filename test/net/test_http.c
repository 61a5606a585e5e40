/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as hostile clients speak it, byte for byte. */
#include "rig.h"

#include "base/ip.h"
#include "net/listener.h"
#include "net/turn.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WANT "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13  "Sec-WebSocket-Version: 13\r\n"
#define MQTT "Sec-WebSocket-Protocol: mqtt\r\n"
#define GET  "GET /mqtt HTTP/1.1\r\n"

/* A constant: it may hold NUL. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* Says who it is that asks, and what. */
static void on_echo(void *context, const struct http_request *request,
                    struct http_response *response)
{
    (void)context;
    buf_printf(&response->body, "%s %.*s %.*s %.*s %.*s", request->loopback ? "here" : "there",
               STR_ARG(request->method), STR_ARG(request->host), STR_ARG(request->query),
               STR_ARG(request->body));
}

static const struct http_route routes[] = { { "GET", "/echo", on_echo },
                                            { "POST", "/echo", on_echo } };

static void start(struct rig *rig)
{
    rig_init(rig);
    rig->config.routes = routes;
    rig->config.route_count = 2;
    rig_start(rig);
}

/* All that comes until the broker closes. */
static const char *hear_all(struct rig *rig, int fd)
{
    static char text[16384];
    size_t len = 0;
    ssize_t got = -1;

    rig_until(rig, (got = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT)) == 0 ||
                       (len += got > 0 ? (size_t)got : 0) > sizeof text - 2);
    text[len] = '\0';
    return text;
}

/* What is answered to these bytes. */
static const char *ask(struct rig *rig, struct str request)
{
    int fd = rig_connect(rig_port(rig, 1));

    rig_send(rig, fd, request.ptr, request.len);
    const char *text = hear_all(rig, fd);

    close(fd);
    return text;
}

static void expect(struct rig *rig, struct str request, int status)
{
    const char *text = ask(rig, request);
    int got = 0;

    sscanf(text, "HTTP/1.1 %d ", &got);
    ck_assert_msg(got == status, "%d instead of %d for %.*s", got, status, STR_ARG(request));
    ck_assert_msg(!strstr(text + 1, "HTTP/1.1"), "two answers to %.*s", STR_ARG(request));
}

/* [RFC6455 4.2.1] [RFC6455 4.4] [MQTT-6.0.0-3] */
START_TEST(an_upgrade_that_lacks_something_or_says_it_twice_is_refused)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { GET WANT V13 KEY MQTT "\r\n", 400 },
        { GET HOST HOST WANT V13 KEY MQTT "\r\n", 400 },
        { GET HOST V13 KEY MQTT "\r\n", 426 },
        { GET HOST "Upgrade: websocket\r\n" V13 KEY MQTT "\r\n", 426 },
        { GET HOST "Connection: Upgrade\r\n" V13 KEY MQTT "\r\n", 426 },
        { GET HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" V13 KEY MQTT "\r\n", 426 },
        { GET HOST WANT KEY MQTT "\r\n", 426 },
        { GET HOST WANT "Sec-WebSocket-Version: 8\r\n" KEY MQTT "\r\n", 426 },
        { GET HOST WANT "Sec-WebSocket-Version: 13, 8\r\n" KEY MQTT "\r\n", 426 },
        { GET HOST WANT V13 V13 KEY MQTT "\r\n", 400 },
        { GET HOST WANT V13 MQTT "\r\n", 400 },
        { GET HOST WANT V13 KEY KEY MQTT "\r\n", 400 },
        { GET HOST WANT V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" MQTT "\r\n", 400 },
        { GET HOST WANT V13 "Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ==\r\n" MQTT "\r\n", 400 },
        { GET HOST WANT V13 KEY "\r\n", 400 },
        { GET HOST WANT V13 KEY "Sec-WebSocket-Protocol: chat, MQTT\r\n\r\n", 400 },
        { GET HOST WANT V13 KEY MQTT "Origin: a\r\nOrigin: b\r\n\r\n", 400 },
        { GET HOST WANT V13 KEY MQTT "Content-Length: 2\r\n\r\nhi", 400 },
        { GET HOST WANT V13 KEY MQTT "X: \r\n folded\r\n\r\n", 400 },
        { "GET /mqtt HTTP/1.0\r\n" HOST WANT V13 KEY MQTT "\r\n", 426 },
        { "POST /mqtt HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n", 405 },
        { "GET /mqtt/ HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n", 404 },
        { "GET /mqtt%00 HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n", 400 },
        { "GET /MQTT HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n", 404 },
    };
    struct rig rig;

    start(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&rig, str_from_c(cases[i].request), cases[i].status);
    const char *text = ask(&rig, str_from_c(cases[7].request));

    ck_assert_ptr_nonnull(strstr(text, "\r\nsec-websocket-version: 13\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nupgrade: websocket\r\n"));
    rig_until(&rig, rig.net->listeners[1].connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_upgrade_may_be_asked_for_in_other_words)
{
    static const char *const cases[] = {
        GET HOST WANT V13 KEY "Sec-WebSocket-Protocol: chat\r\n" MQTT "\r\n",
        GET HOST WANT V13 KEY "Sec-WebSocket-Protocol: chat ,\tmqtt,x\r\n\r\n",
        GET HOST V13 KEY MQTT "upgrade: h2c, WEBSOCKET\r\nconnection: keep-alive, UPGRADE\r\n\r\n",
        GET HOST WANT V13 KEY MQTT "Content-Length: 0\r\n\r\n",
        "GET http://x/mqtt?a=b HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n",
        "GET /%6dqtt HTTP/1.1\r\n" HOST WANT V13 KEY MQTT "\r\n",
        "\r\n" GET HOST WANT V13 KEY MQTT "\r\n",
        "GET /mqtt HTTP/1.2\r\n" HOST WANT V13 KEY MQTT "\r\n",
    };
    struct rig rig;

    start(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = rig_connect(rig_port(&rig, 1));
        rig_send(&rig, fd, cases[i], strlen(cases[i]));
        rig_hear(&rig, fd, "HTTP/1.1 101 Switching Protocols\r\n");
        close(fd);
    }
    rig_stop(&rig);
}
END_TEST

#define LAST "Connection: close\r\n\r\n"

/* [RFC9112 3.2] [RFC9112 6.1] [RFC9112 6.3] [RFC9110 10.1.1] */
START_TEST(a_request_that_is_not_in_order_is_answered_with_why_and_closed)
{
    static const struct {
        struct str request;
        int status;
    } cases[] = {
        { BYTES("GET /echo HTTP/1.1\r\n\r\n"), 400 },
        { BYTES("GET /echo HTTP/1.0\r\n\r\n"), 200 },
        { BYTES("GET /echo HTTP/2.0\r\n" HOST "\r\n"), 505 },
        { BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505 },
        { BYTES("GET /echo HTTP/1.1\n" HOST "\n"), 400 },
        { BYTES("GET /\0 HTTP/1.1\r\n"), 400 },
        { BYTES("GET /echo%00 HTTP/1.1\r\n" HOST LAST), 400 },
        { BYTES("GET /%00 HTTP/1.1\r\n" HOST LAST), 400 },
        { BYTES("GET /echo%0d%0aX:y HTTP/1.1\r\n" HOST LAST), 400 },
        { BYTES("GET /echo HTTP/1.1\r\n" HOST "X: a\rb\r\n"), 400 },
        { BYTES("GET /echo HTTP/1.1\r\n" HOST "X: a\0b\r\n"), 400 },
        { BYTES("GET /echo HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), 400 },
        { BYTES("GET /echo HTTP/1.1\r\n" HOST "X : a\r\n\r\n"), 400 },
        { BYTES("GET /echo HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: b\r\n\r\n"),
          400 },
        { BYTES("\r\n\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n"), 400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
          501 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
                "\r\n0\r\n\r\n"),
          400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
          400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\nx"), 400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\nx"), 400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), 400 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\nx"),
          413 },
        { BYTES("POST /echo HTTP/1.1\r\n" HOST "Expect: wonders\r\n\r\n"), 417 },
        { BYTES("PUT /echo HTTP/1.1\r\n" HOST LAST), 405 },
        { BYTES("CONNECT x:80 HTTP/1.1\r\n" HOST LAST), 400 },
        { BYTES("OPTIONS * HTTP/1.1\r\n" HOST LAST), 404 },
        { BYTES("GET echo HTTP/1.1\r\n" HOST LAST), 400 },
        { BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400 },
        { BYTES(CONNECT_A), 400 },
    };
    struct rig rig;

    start(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&rig, cases[i].request, cases[i].status);
    ck_assert_ptr_nonnull(
        strstr(ask(&rig, STR("PUT /echo HTTP/1.1\r\n" HOST LAST)), "allow: GET, HEAD, POST\r\n"));
    rig_until(&rig, rig.net->listeners[1].connections == 0);
    rig_stop(&rig);
}
END_TEST

/* [RFC6585 5] [RFC9110 15.5.15] */
START_TEST(a_head_that_is_too_large_is_answered_however_it_is)
{
    static char text[40000];
    struct rig rig;

    start(&rig);
    int len = snprintf(text, sizeof text, "GET /%030000d HTTP/1.1\r\n" HOST "\r\n", 7);

    expect(&rig, (struct str){ text, (size_t)len }, 414);
    len = snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\n" HOST "Cookie: %030000d\r\n\r\n", 7);
    expect(&rig, (struct str){ text, (size_t)len }, 431);
    len = snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 100; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "X-%d: y\r\n", i);
    memcpy(text + len, "\r\n", 2);
    expect(&rig, (struct str){ text, (size_t)len + 2 }, 431);
    rig_stop(&rig);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order_and_bodies_kept_apart)
{
    struct rig rig;

    start(&rig);
    const char *text = ask(&rig, STR("POST /echo?1 HTTP/1.1\r\n" HOST
                                     "Content-Length: 19\r\n\r\nGET /a HTTP/1.1\r\n\r\n"
                                     "\r\nGET http://other:9/echo?2 HTTP/1.1\r\n" HOST "\r\n"
                                     "HEAD /echo?3 HTTP/1.1\r\n" HOST "\r\n"
                                     "GET /echo?4 HTTP/1.1\r\n" HOST "connection: CLOSE\r\n\r\n"
                                     "GET /echo?5 HTTP/1.1\r\n" HOST "\r\n"));
    const char *first = strstr(text, "here POST x 1 GET /a HTTP/1.1\r\n\r\n");
    const char *second = strstr(text, "here GET other:9 2 ");
    const char *last = strstr(text, "here GET x 4 ");

    ck_assert_msg(first && second && last && first < second && second < last, "%s", text);
    ck_assert(!strstr(text, "x 3") && !strstr(text, "x 5"));
    rig_stop(&rig);
}
END_TEST

START_TEST(a_client_that_waits_for_100_hears_it_before_it_sends_its_body)
{
    struct rig rig;

    start(&rig);
    int fd = rig_connect(rig_port(&rig, 1));

    rig_say(&rig, fd,
            "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    rig_hear(&rig, fd, "HTTP/1.1 100 Continue\r\n\r\n");
    rig_say(&rig, fd, "h");
    rig_turn(&rig);
    rig_say(&rig, fd, "i");
    rig_hear(&rig, fd, "HTTP/1.1 200 OK\r\n");
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* Only who is believed says for whom it asks; whoever asks for others is not this machine. */
START_TEST(a_request_through_a_proxy_is_whose_it_really_is)
{
    struct ip_block trusted;
    struct rig rig;

    ip_block_parse(STR("127.0.0.0/8"), &trusted);
#define FROM(fields) STR("GET /echo HTTP/1.1\r\n" HOST fields LAST)
    start(&rig);
    ck_assert_ptr_nonnull(strstr(ask(&rig, FROM("")), "here GET"));
    ck_assert_ptr_nonnull(strstr(ask(&rig, FROM("X-Forwarded-For: 127.0.0.1\r\n")), "there GET"));
    ck_assert_ptr_nonnull(strstr(ask(&rig, FROM("Forwarded: for=x\r\n")), "there GET"));
    rig.listeners[1].trusted = &trusted;
    rig.listeners[1].trusted_count = 1;
    ck_assert_ptr_nonnull(strstr(ask(&rig, FROM("")), "here GET"));
    ck_assert_ptr_nonnull(strstr(ask(&rig, FROM("X-Forwarded-For: 127.0.0.1\r\n")), "here GET"));
    ck_assert_ptr_nonnull(
        strstr(ask(&rig, FROM("X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\n")), "there GET"));
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/http", an_upgrade_that_lacks_something_or_says_it_twice_is_refused,
          an_upgrade_may_be_asked_for_in_other_words,
          a_request_that_is_not_in_order_is_answered_with_why_and_closed,
          a_head_that_is_too_large_is_answered_however_it_is,
          pipelined_requests_are_answered_in_order_and_bodies_kept_apart,
          a_client_that_waits_for_100_hears_it_before_it_sends_its_body,
          a_request_through_a_proxy_is_whose_it_really_is)
