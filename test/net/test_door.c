/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"
#include "peer.h"
#include "rig.h"

#include "net/hello.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/turn.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROXY_1 "PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n"
#define PROXY_2                                                                                    \
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x02\x12\x67\x07\x5b"
#define GET_HEALTH "GET /who HTTP/1.1\r\nHost: a\r\n\r\n"

/* Says whether the peer counts as one on this machine. */
static void on_who(void *context, const struct http_request *request,
                   struct http_response *response)
{
    (void)context;
    buf_printf(&response->body, request->loopback ? "here" : "there");
}

static const struct http_route routes[] = { { "GET", "/who", on_who } };

static void start(struct rig *rig, enum listener_kind kind, bool proxy)
{
    rig_init(rig);
    for (size_t i = 0; i < RIG_LISTENERS; i++)
        rig->listeners[i].proxy_protocol = proxy;
    rig->listeners[0].kind = kind;
    rig->config.routes = routes;
    rig->config.route_count = 1;
    rig_start(rig);
}

/* Has the answer's body come, or the end? */
static bool answered(int fd, char *text, size_t *len)
{
    ssize_t got = recv(fd, text + *len, 1023 - *len, 0);

    *len += got > 0 ? (size_t)got : 0;
    return strstr(text, "here") || got == 0;
}

static const char *answer(struct rig *rig, int fd, char text[1024])
{
    size_t len = 0;

    memset(text, 0, 1024);
    rig_until(rig, answered(fd, text, &len));
    return text;
}

START_TEST(a_proxy_says_where_clients_come_from)
{
    char peer[LISTENER_ADDRESS_MAX], text[1024];
    struct rig rig;

    start(&rig, LISTENER_MQTT, true);
    int a = rig_connect(rig_port(&rig, 0));
    rig_say(&rig, a, PROXY_1 CONNECT_A);
    rig_hear(&rig, a, CONNACK);
    rig.net->streams.at[1]->transport->peer(rig.net->streams.at[1], peer, sizeof peer);
    ck_assert_str_eq(peer, "192.0.2.1:4711");
    int web = rig_connect(rig_port(&rig, 1)), local = rig_connect(rig_port(&rig, 1));
    rig_say(&rig, web, PROXY_2 GET_HEALTH);
    ck_assert_ptr_nonnull(strstr(answer(&rig, web, text), "there"));
    rig_say(&rig, local, "PROXY UNKNOWN\r\n" GET_HEALTH);
    ck_assert_ptr_nonnull(strstr(answer(&rig, local, text), "\r\n\r\nhere"));
    close(a);
    close(web);
    close(local);
    rig_until(&rig, rig.net->listeners[0].connections + rig.net->listeners[1].connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_proxy_header_may_come_byte_by_byte_and_nothing_else_may_come)
{
    static const char all[] = PROXY_2 CONNECT_A;
    struct rig rig;

    start(&rig, LISTENER_MQTT, true);
    int split = rig_connect(rig_port(&rig, 0));
    for (size_t i = 0; i < sizeof all - 1; i++) {
        rig_send(&rig, split, all + i, 1);
        rig_turn(&rig);
    }
    rig_hear(&rig, split, CONNACK);
    int bare = rig_connect(rig_port(&rig, 0)), half = rig_connect(rig_port(&rig, 0));
    rig_say(&rig, bare, CONNECT_A);
    rig_expect_closed(&rig, bare);
    rig_say(&rig, half, "PROXY TC");
    shutdown(half, SHUT_WR);
    rig_until(&rig, rig.net->listeners[0].connections == 2);
    close(split);
    close(bare);
    close(half); /* still half a header: the rig's end turns it away */
    rig_stop(&rig);
}
END_TEST

START_TEST(who_says_nothing_at_the_door_is_turned_away_in_time)
{
    struct rig rig;

    rig_init(&rig);
    rig.listeners[0].kind = LISTENER_AUTO;
    rig.listeners[1].proxy_protocol = true;
    rig.config.connect_timeout_ms = 50;
    rig_start(&rig);
    int silent = rig_connect(rig_port(&rig, 0)), half = rig_connect(rig_port(&rig, 1));
    rig_say(&rig, half, "PROXY TCP4 192");
    rig_expect_closed(&rig, silent);
    rig_expect_closed(&rig, half);
    ck_assert_uint_eq(rig.net->listeners[0].connections + rig.net->listeners[1].connections, 0);
    close(silent);
    close(half);
    rig_stop(&rig);
}
END_TEST

START_TEST(one_port_speaks_mqtt_http_and_both_through_tls)
{
    char cert[CERTS_PATH_MAX], key[CERTS_PATH_MAX], text[1024];
    struct tls_certificate certificate = { cert, key };
    struct tls_config tls = { .certificates = &certificate, .certificate_count = 1 };
    struct certs certs;
    struct peer peer;
    struct rig rig;

    certs_init(&certs);
    certs_make(&certs, "one", "one.test");
    certs_path(&certs, "one.pem", cert);
    certs_path(&certs, "one.key", key);
    rig_init(&rig);
    rig.listeners[0].kind = LISTENER_AUTO;
    rig.listeners[0].tls = &tls;
    rig.config.routes = routes;
    rig.config.route_count = 1;
    rig_start(&rig);
    int port = rig_port(&rig, 0);
    int mqtt = rig_connect(port), http = rig_connect(port), other = rig_connect(port);
    rig_say(&rig, mqtt, CONNECT_A);
    rig_hear(&rig, mqtt, CONNACK);
    rig_say(&rig, http, GET_HEALTH);
    ck_assert_ptr_nonnull(strstr(answer(&rig, http, text), "\r\n\r\nhere"));
    rig_say(&rig, other, "\x01\x02\x03");
    rig_expect_closed(&rig, other);
    peer_init(&peer, NULL);
    static const char *const mqtt_alpn[] = { NULL, "\4mqtt", "\x08http/1.1\4mqtt" };
    for (size_t i = 0; i < 3; i++) {
        ck_assert(peer_connect(&peer, &rig, port, NULL, mqtt_alpn[i]));
        peer_say(&peer, &rig, CONNECT_B);
        peer_hear(&peer, &rig, CONNACK);
    }
    ck_assert(peer_connect(&peer, &rig, port, NULL, "\2h2\x08http/1.1"));
    peer_say(&peer, &rig, GET_HEALTH);
    memset(text, 0, sizeof text);
    for (size_t len = 0; !strstr(text, "here");)
        len += peer_receive(&peer, &rig, text + len, sizeof text - 1 - len);
    peer_finish(&peer);
    close(mqtt);
    close(http);
    close(other);
    rig_until(&rig, rig.net->listeners[0].connections == 0);
    rig_stop(&rig);
    certs_finish(&certs);
}
END_TEST

START_TEST(a_hello_that_is_cut_or_lies_about_its_lengths_is_not_believed)
{
    static const uint8_t hello[] = {
        22, 3, 1, 0, 62, 1,  0, 0,  58, 3,  3, 0, 0, 0,   0,   0,   0,   0,  0,  0,  0,  0, 0,
        0,  0, 0, 0, 0,  0,  0, 0,  0,  0,  0, 0, 0, 0,   0,   0,   0,   0,  0,  0,  0,  0, 2,
        19, 1, 1, 0, 0,  15, 0, 16, 0,  11, 0, 9, 8, 104, 116, 116, 112, 47, 49, 46, 49,
    };
    uint8_t copy[sizeof hello];

    ck_assert_int_eq(hello_look(hello, sizeof hello - 1), HELLO_MORE);
    ck_assert_int_eq(hello_look(hello, sizeof hello), HELLO_TLS_HTTP);
    for (size_t len = 0; len < sizeof hello; len++)
        ck_assert_int_eq(hello_look(hello, len), HELLO_MORE);
    for (size_t at = 0; at < sizeof hello; at++) { /* the sanitizers look on */
        for (unsigned value = 0; value < 256; value += 5) {
            memcpy(copy, hello, sizeof hello);
            copy[at] = (uint8_t)value;
            hello_look(copy, sizeof copy);
        }
    }
}
END_TEST

/* [MQTT-2.2.2-2] A CONNECT whose flags are wrong is told so like on a port for MQTT alone. */
START_TEST(a_connect_with_any_flags_is_for_mqtt_to_judge)
{
    static const uint8_t hello[] = { 22, 3 };
    struct rig rig;

    start(&rig, LISTENER_AUTO, false);
    rig.listeners[1].kind = LISTENER_MQTT;
    for (uint8_t flags = 0; flags < 16; flags++) {
        char connect[] = CONNECT_A;
        connect[0] |= (char)flags;
        ck_assert_int_eq(hello_look((uint8_t *)connect, sizeof connect), HELLO_MQTT);
        ck_assert_int_eq(hello_look((uint8_t *)connect, 1), flags == 6 ? HELLO_MORE : HELLO_MQTT);
        for (size_t i = 0; i < 2; i++) {
            int fd = rig_connect(rig_port(&rig, i));
            uint64_t accepted = net_stats(rig.net).accepted;
            rig_send(&rig, fd, connect, sizeof connect - 1);
            if (flags == 0)
                rig_hear(&rig, fd, CONNACK);
            else
                rig_expect_closed(&rig, fd);
            ck_assert_uint_eq(net_stats(rig.net).accepted, accepted + 1);
            close(fd);
        }
    }
    ck_assert_int_eq(hello_look(hello, 2), HELLO_MORE);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/door", a_proxy_says_where_clients_come_from,
          a_proxy_header_may_come_byte_by_byte_and_nothing_else_may_come,
          who_says_nothing_at_the_door_is_turned_away_in_time,
          one_port_speaks_mqtt_http_and_both_through_tls,
          a_connect_with_any_flags_is_for_mqtt_to_judge,
          a_hello_that_is_cut_or_lies_about_its_lengths_is_not_believed)
