/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The upgrade of RFC 6455 1.3, with that document's own key. */
#define UPGRADE(path, protocol)                                                                    \
    "GET " path " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Protocol: " protocol "\r\n\r\n"

/* Read an HTTP head up to its empty line. */
static void read_head(struct rig *rig, int fd, char *head, size_t size)
{
    size_t len = 0;

    while (len + 1 < size) {
        rig_receive(rig, fd, head + len++, 1);
        head[len] = '\0';
        if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0)
            return;
    }
    ck_abort_msg("no end of the head");
}

static int upgrade(struct rig *rig, const char *request)
{
    char head[1024];
    int fd = rig_connect(rig_port(rig, 1));

    rig_send(rig, fd, request, strlen(request));
    read_head(rig, fd, head, sizeof head);
    ck_assert_msg(strncmp(head, "HTTP/1.1 101", 12) == 0, "%s", head);
    ck_assert_ptr_nonnull(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    return fd;
}

/* One masked frame; opcode with the FIN bit. */
static void send_frame(struct rig *rig, int fd, uint8_t opcode, const char *bytes, size_t len)
{
    static const char mask[4] = { 0x11, 0x22, 0x33, 0x44 };
    char frame[4096];
    size_t at = 0;

    frame[at++] = (char)opcode;
    if (len < 126) {
        frame[at++] = (char)(0x80 | len);
    } else {
        frame[at++] = (char)(0x80 | 126);
        frame[at++] = (char)(len >> 8);
        frame[at++] = (char)len;
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        frame[at++] = (char)(bytes[i] ^ mask[i % 4]);
    rig_send(rig, fd, frame, at);
}

#define say(rig, fd, text) send_frame(rig, fd, 0x82, text, sizeof(text) - 1)

START_TEST(a_browser_publishes_and_gets_one_packet_a_frame)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, fd, CONNECT_A);
    rig_hear(&rig, fd, "\x82\x04" CONNACK);
    say(&rig, fd, SUBSCRIBE_T);
    rig_hear(&rig, fd, "\x82\x05" SUBACK_T);
    say(&rig, fd, PUBLISH_T PUBLISH_T);
    rig_hear(&rig, fd, "\x82\x07" PUBLISH_T "\x82\x07" PUBLISH_T);
    close(fd);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* [MQTT-6.0.0-2] */
START_TEST(packets_may_be_split_over_frames_and_packed_in_them)
{
    static const char all[] = CONNECT_A SUBSCRIBE_T PUBLISH_T "\xc0\x00";
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int packed = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    send_frame(&rig, packed, 0x82, all, sizeof all - 1);
    rig_hear(&rig, packed,
             "\x82\x04" CONNACK "\x82\x05" SUBACK_T "\x82\x07" PUBLISH_T "\x82\x02\xd0\x00");
    close(packed);
    int split = upgrade(&rig, UPGRADE("/mqtt", "mqttv3.1, mqtt"));

    for (size_t i = 0; i < sizeof all - 1; i++)
        send_frame(&rig, split, 0x82, all + i, 1);
    rig_hear(&rig, split,
             "\x82\x04" CONNACK "\x82\x05" SUBACK_T "\x82\x07" PUBLISH_T "\x82\x02\xd0\x00");
    close(split);
    rig_stop(&rig);
}
END_TEST

/* [MQTT-6.0.0-1] */
START_TEST(a_text_frame_closes_the_connection_with_1003)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    send_frame(&rig, fd, 0x81, "hello", 5);
    rig_hear(&rig, fd, "\x88\x02\x03\xeb");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_client_that_leaves_is_closed_in_good_order)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, fd, CONNECT_A "\xe0\x00");
    rig_hear(&rig, fd, "\x82\x04" CONNACK "\x88\x02\x03\xe8");
    send_frame(&rig, fd, 0x88, "\x03\xe8", 2);
    rig_expect_closed(&rig, fd);
    close(fd);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_client_that_does_not_answer_a_close_is_closed_all_the_same)
{
    struct rig rig;

    rig_init(&rig);
    rig.config.close_wait_ms = 50;
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, fd, CONNECT_A "\xe0\x00");
    rig_hear(&rig, fd, "\x82\x04" CONNACK "\x88\x02\x03\xe8");
    rig_expect_closed(&rig, fd);
    close(fd);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* [RFC6455 5.1] */
START_TEST(an_unmasked_frame_closes_the_connection_with_1002)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int bad = upgrade(&rig, UPGRADE("/mqtt", "mqtt")),
        good = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, bad, CONNECT_A);
    rig_hear(&rig, bad, "\x82\x04" CONNACK);
    rig_say(&rig, bad, "\x82\x02\xc0\x00");
    rig_hear(&rig, bad, "\x88\x02\x03\xea");
    rig_expect_closed(&rig, bad);
    close(bad);
    int link = upgrade(&rig, UPGRADE("/mesh", "mqtt"));

    rig_say(&rig, link, "\x82\x02\xc0\x00");
    rig_expect_closed(&rig, link);
    close(link);
    say(&rig, good, CONNECT_B);
    rig_hear(&rig, good, "\x82\x04" CONNACK);
    close(good);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* [RFC6455 5.5.1] */
START_TEST(a_close_is_answered_with_its_code)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, fd, CONNECT_A);
    rig_hear(&rig, fd, "\x82\x04" CONNACK);
    send_frame(&rig, fd, 0x88, "\x0f\xa0why", 5);
    rig_hear(&rig, fd, "\x88\x02\x0f\xa0");
    rig_expect_closed(&rig, fd);
    close(fd);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* [RFC6455 5.4] */
START_TEST(a_pong_never_falls_into_the_middle_of_a_frame)
{
    enum { PAYLOAD = 4 * 1024 * 1024, ALL = 1 + 4 + 3 + PAYLOAD };
    struct rig rig;
    char *publish = calloc(1, ALL), head[10];

    rig_init(&rig);
    rig_start(&rig);
    int slow = upgrade(&rig, UPGRADE("/mqtt", "mqtt")), fast = rig_connect(rig_port(&rig, 0));

    say(&rig, slow, CONNECT_A SUBSCRIBE_T);
    rig_hear(&rig, slow, "\x82\x04" CONNACK "\x82\x05" SUBACK_T);
    rig_say(&rig, fast, CONNECT_B);
    rig_hear(&rig, fast, CONNACK);
    memcpy(publish, "\x30\x83\x80\x80\x02\x00\x01t", 8);
    rig_send(&rig, fast, publish, ALL);
    rig_until(&rig, net_stats(rig.net).out_queue_bytes > 0);
    for (int i = 0; i < 1000; i++)
        send_frame(&rig, slow, 0x89, i < 999 ? "early" : "late", i < 999 ? 5 : 4);
    rig_receive(&rig, slow, head, sizeof head);
    ck_assert_mem_eq(head, "\x82\x7f\0\0\0\0\0\x40\x00\x08", 10);
    rig_expect(&rig, slow, publish, ALL);
    for (bool last = false; !last;) {
        rig_receive(&rig, slow, head, 6);
        last = memcmp(head, "\x8a\x04late", 6) == 0;
        ck_assert_msg(last || memcmp(head,
                                     "\x8a\x05"
                                     "earl",
                                     6) == 0,
                      "no pong where one may be");
        if (!last)
            rig_hear(&rig, slow, "y");
    }
    free(publish);
    close(slow);
    close(fast);
    rig_stop(&rig);
}
END_TEST

static void expect_status(struct rig *rig, const char *request, int status)
{
    char head[1024];
    int fd = rig_connect(rig_port(rig, 1)), got = 0;

    rig_send(rig, fd, request, strlen(request));
    read_head(rig, fd, head, sizeof head);
    ck_assert_int_eq(sscanf(head, "HTTP/1.%*c %d", &got), 1);
    ck_assert_msg(got == status, "%d instead of %d for %s", got, status, request);
    close(fd);
}

START_TEST(an_upgrade_elsewhere_or_without_mqtt_is_refused)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    expect_status(&rig, UPGRADE("/chat", "mqtt"), 404);
    expect_status(&rig, UPGRADE("/mqtt", "chat"), 400);
    expect_status(&rig,
                  "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
                  101); /* [RFC6455 4.2.1] */
    rig_stop(&rig);
}
END_TEST

/* MESH.md 3.2 */
START_TEST(an_ordinary_client_at_the_links_door_is_refused)
{
    struct rig rig;
    char frame[64];

    rig_init(&rig);
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mesh", "mqtt"));

    say(&rig, fd,
        "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01"
        "a");
    rig_receive(&rig, fd, frame, 6);
    ck_assert_int_eq((uint8_t)frame[0], 0x82);
    ck_assert_int_eq((uint8_t)frame[2], 0x20);
    ck_assert_int_eq((uint8_t)frame[5], 0x85);
    rig_expect_closed(&rig, fd);
    close(fd);
    int other = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, other, "\x10\x15\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x08$mesh/00");
    rig_hear(&rig, other, "\x82\x05\x20\x03\x00\x85\x00");
    close(other);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_slow_browser_does_not_make_the_broker_grow_without_end)
{
    enum { MESSAGES = 10000, PAYLOAD = 1000 };
    struct rig rig;
    char publish[7 + PAYLOAD] = "\x30\xeb\x07\x00\x01t";
    size_t most = 0;

    rig_init(&rig);
    rig_start(&rig);
    int slow = upgrade(&rig, UPGRADE("/mqtt", "mqtt")), fast = rig_connect(rig_port(&rig, 0));

    say(&rig, slow, CONNECT_A SUBSCRIBE_T);
    rig_hear(&rig, slow, "\x82\x04" CONNACK "\x82\x05" SUBACK_T);
    rig_say(&rig, fast, CONNECT_B);
    rig_hear(&rig, fast, CONNACK);
    memset(publish + 6, 'x', PAYLOAD + 1);
    for (int i = 0; i < MESSAGES; i++) {
        rig_send(&rig, fast, publish, 6 + PAYLOAD);
        if (i % 100 == 0 && net_stats(rig.net).out_queue_bytes > most)
            most = net_stats(rig.net).out_queue_bytes;
    }
    rig_say(&rig, fast, "\xc0\x00");
    rig_hear(&rig, fast, "\xd0\x00");
    ck_assert_uint_lt(most, 6 * 1024 * 1024);
    close(slow);
    close(fast);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_full_web_listener_has_room_again_when_one_leaves)
{
    struct rig rig;

    rig_init(&rig);
    rig.listeners[1].connections_max = 1;
    rig_start(&rig);
    int first = upgrade(&rig, UPGRADE("/mqtt", "mqtt")), second = rig_connect(rig_port(&rig, 1));

    rig_expect_closed(&rig, second);
    close(first);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    for (int i = 0; i < 5; i++)
        rig_turn(&rig);
    int third = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    close(second);
    close(third);
    rig_stop(&rig);
}
END_TEST

START_TEST(stopping_closes_browsers_too)
{
    struct rig rig;

    rig_init(&rig);
    rig.config.close_wait_ms = 300;
    rig_start(&rig);
    int fd = upgrade(&rig, UPGRADE("/mqtt", "mqtt"));

    say(&rig, fd, CONNECT_A);
    rig_hear(&rig, fd, "\x82\x04" CONNACK);
    net_stop(rig.net);
    net_run(rig.net);
    rig_hear(&rig, fd, "\x88\x02\x03\xe8");
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* ---- HTTP ---- */

static void say_hello(void *context, const struct http_request *request,
                      struct http_response *response)
{
    ck_assert(request->loopback);
    buf_printf(&response->body, "%s %.*s %.*s %.*s", (const char *)context,
               STR_ARG(request->method), STR_ARG(request->path), STR_ARG(request->query));
}

static void echo(void *context, const struct http_request *request, struct http_response *response)
{
    (void)context;
    response->status = 202;
    response->content_type = "application/json";
    buf_append_str(&response->body, request->body);
}

static void large(void *context, const struct http_request *request, struct http_response *response)
{
    (void)context;
    (void)request;
    for (int i = 0; i < 100000; i++)
        buf_append(&response->body, "0123456789", 10);
}

static char greeting[] = "hello";

static const struct http_route routes[] = {
    { "GET", "/hello", say_hello },
    { "GET", "/api/v1/*", say_hello },
    { "POST", "/echo", echo },
    { "GET", "/large", large },
};

static void start_with_routes(struct rig *rig)
{
    rig_init(rig);
    rig->config.routes = routes;
    rig->config.route_count = sizeof routes / sizeof routes[0];
    rig->config.route_context = greeting;
    rig_start(rig);
}

/* Ask and compare the answer's status and body. */
static void ask(struct rig *rig, const char *request, int status, const char *body)
{
    char head[1024];
    int fd = rig_connect(rig_port(rig, 1)), got = 0;

    rig_send(rig, fd, request, strlen(request));
    read_head(rig, fd, head, sizeof head);
    ck_assert_int_eq(sscanf(head, "HTTP/1.%*c %d", &got), 1);
    ck_assert_msg(got == status, "%d instead of %d for %s", got, status, request);
    rig_expect(rig, fd, body, strlen(body));
    close(fd);
}

START_TEST(routes_answer_with_status_type_and_body)
{
    struct rig rig;

    start_with_routes(&rig);
    ask(&rig, "GET /hello?a=1&b=2 HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello GET /hello a=1&b=2");
    ask(&rig, "GET /api/v1/x/y HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello GET /api/v1/x/y ");
    ask(&rig, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", 202, "body");
    ask(&rig, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not found\n");
    ask(&rig, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method not allowed\n");
    rig_stop(&rig);
}
END_TEST

START_TEST(head_is_answered_without_a_body)
{
    struct rig rig;
    char head[1024];

    start_with_routes(&rig);
    int fd = rig_connect(rig_port(&rig, 1));

    rig_say(&rig, fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    read_head(&rig, fd, head, sizeof head);
    ck_assert_ptr_nonnull(strstr(head, " 200"));
    rig_say(&rig, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    read_head(&rig, fd, head, sizeof head);
    ck_assert_ptr_nonnull(strstr(head, " 200"));
    rig_hear(&rig, fd, "hello GET /hello ");
    close(fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_large_answer_arrives_whole)
{
    static char body[1000000];
    bool whole = true;
    char head[1024];
    struct rig rig;

    start_with_routes(&rig);
    int fd = rig_connect(rig_port(&rig, 1));

    rig_say(&rig, fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    read_head(&rig, fd, head, sizeof head);
    rig_receive(&rig, fd, body, sizeof body);
    for (size_t i = 0; i < sizeof body; i += 10)
        whole &= memcmp(body + i, "0123456789", 10) == 0;
    ck_assert(whole);
    close(fd);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/web", a_browser_publishes_and_gets_one_packet_a_frame,
          packets_may_be_split_over_frames_and_packed_in_them,
          a_text_frame_closes_the_connection_with_1003,
          an_unmasked_frame_closes_the_connection_with_1002, a_close_is_answered_with_its_code,
          a_pong_never_falls_into_the_middle_of_a_frame,
          a_client_that_leaves_is_closed_in_good_order,
          a_client_that_does_not_answer_a_close_is_closed_all_the_same,
          an_upgrade_elsewhere_or_without_mqtt_is_refused,
          an_ordinary_client_at_the_links_door_is_refused,
          a_slow_browser_does_not_make_the_broker_grow_without_end,
          a_full_web_listener_has_room_again_when_one_leaves, stopping_closes_browsers_too,
          routes_answer_with_status_type_and_body, head_is_answered_without_a_body,
          a_large_answer_arrives_whole)
