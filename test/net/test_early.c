/* SPDX-License-Identifier: Apache-2.0 */
/* A client may not send frames before its upgrade was answered [RFC6455 4.1], but some do: what
 * comes right behind the request is taken as if it had come later, by every way in. */
#include "certs.h"
#include "peer.h"
#include "rig.h"

#include "net/turn.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define UPGRADE(path)                                                                              \
    "GET " path " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
#define ANSWER                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
/* Masked with zeros, which leaves the bytes as they are. */
#define FRAME_A  "\x82\x8f\x00\x00\x00\x00" CONNECT_A
#define FRAME_S  "\x82\x88\x00\x00\x00\x00" SUBSCRIBE_T
#define PROXY_1  "PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n"
#define ANSWERED ANSWER "\x82\x04" CONNACK "\x82\x05" SUBACK_T

static const char story[] = UPGRADE("/mqtt") FRAME_A FRAME_S;

enum { STORY = sizeof story - 1, HEAD = sizeof UPGRADE("/mqtt") - 1, STEP = 9 };

START_TEST(a_connect_in_the_segment_of_the_upgrade_is_answered)
{
    struct rig rig;

    rig_init(&rig);
    rig.listeners[0].kind = LISTENER_AUTO;
    rig_start(&rig);
    for (size_t i = 0; i < 2; i++) {
        int fd = rig_connect(rig_port(&rig, i));
        rig_send(&rig, fd, story, STORY);
        rig_hear(&rig, fd, ANSWERED);
        close(fd);
    }
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* Wherever the bytes are cut, and in as many pieces as there can be. */
START_TEST(the_request_and_what_follows_may_be_cut_anywhere)
{
    struct rig rig;

    rig_init(&rig);
    rig.listeners[0].kind = LISTENER_AUTO;
    rig_start(&rig);
    for (size_t cut = 1; cut < STORY; cut += cut + STEP < HEAD - 5 ? STEP : 1) {
        int fd = rig_connect(rig_port(&rig, cut % 2));
        rig_send(&rig, fd, story, cut);
        rig_turn(&rig);
        rig_turn(&rig);
        rig_send(&rig, fd, story + cut, STORY - cut);
        rig_hear(&rig, fd, ANSWERED);
        close(fd);
    }
    for (size_t i = 0; i < 2; i++) {
        int fd = rig_connect(rig_port(&rig, i));
        for (size_t at = 0; at < STORY; at++) {
            rig_send(&rig, fd, story + at, 1);
            rig_turn(&rig);
        }
        rig_hear(&rig, fd, ANSWERED);
        close(fd);
    }
    rig_stop(&rig);
}
END_TEST

/* [RFC6455 5.1] [MQTT-6.0.0-1] */
START_TEST(frames_that_are_not_allowed_close_behind_the_upgrade_too)
{
    static const struct {
        const char *frame;
        size_t len;
        const char *close;
    } cases[] = {
        { "\x82\x0f" CONNECT_A, 17, "\x88\x02\x03\xea" },     /* not masked */
        { "\x81\x82\0\0\0\0hi", 8, "\x88\x02\x03\xeb" },      /* text */
        { "\x83\x80\0\0\0\0", 6, "\x88\x02\x03\xea" },        /* an opcode that there is not */
        { "\x88\x82\0\0\0\0\x0f\xa0", 8, "\x88\x02\x0f\xa0" } /* Close */
    };
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char bytes[512] = UPGRADE("/mqtt");
        int fd = rig_connect(rig_port(&rig, 1));
        memcpy(bytes + HEAD, cases[i].frame, cases[i].len);
        rig_send(&rig, fd, bytes, HEAD + cases[i].len);
        rig_hear(&rig, fd, ANSWER);
        rig_expect(&rig, fd, cases[i].close, 4);
        rig_expect_closed(&rig, fd);
        close(fd);
    }
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(it_may_come_behind_a_proxy_header_and_over_a_unix_socket)
{
    char path[64];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct rig rig;

    snprintf(path, sizeof path, "/tmp/plexus-early-%d", (int)getpid());
    rig_init(&rig);
    rig.listeners[0] = (struct listener_config){ .path = path, .kind = LISTENER_WEB };
    rig.listeners[1].proxy_protocol = true;
    rig_start(&rig);
    int proxied = rig_connect(rig_port(&rig, 1)), local = socket(AF_UNIX, SOCK_STREAM, 0);

    rig_say(&rig, proxied, PROXY_1 UPGRADE("/mqtt") FRAME_A FRAME_S);
    rig_hear(&rig, proxied, ANSWERED);
    strcpy(address.sun_path, path);
    ck_assert_int_eq(connect(local, (struct sockaddr *)&address, sizeof address), 0);
    rig_send(&rig, local, story, STORY);
    rig_until(&rig, net_stats(rig.net).connections == 1); /* who is the same took over */
    char answer[sizeof ANSWERED];

    rig_until(&rig, recv(local, answer, sizeof answer, MSG_PEEK | MSG_DONTWAIT) >=
                        (ssize_t)sizeof ANSWERED - 1);
    ck_assert_mem_eq(answer, ANSWERED, sizeof ANSWERED - 1);
    close(proxied);
    close(local);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_connection_that_asked_for_pages_before_may_do_it_too)
{
    struct rig rig;
    char head[1024];

    rig_init(&rig);
    rig_start(&rig);
    int fd = rig_connect(rig_port(&rig, 1));

    rig_say(&rig, fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" UPGRADE("/mqtt") FRAME_A FRAME_S);
    rig_receive(&rig, fd, head, 13);
    ck_assert_mem_eq(head, "HTTP/1.1 404 ", 13);
    for (size_t len = 0; len < 10 || memcmp(head + len - 10, "not found\n", 10) != 0; len++)
        rig_receive(&rig, fd, head + len, 1);
    rig_hear(&rig, fd, ANSWERED);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* MESH.md 3.2 */
START_TEST(a_link_may_be_early_too)
{
    struct rig rig;
    uint8_t answer[6];

    rig_init(&rig);
    rig_start(&rig);
    int fd = rig_connect(rig_port(&rig, 1));

    rig_say(&rig, fd,
            UPGRADE("/mesh") "\x82\x90\0\0\0\0\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01"
                             "a");
    rig_hear(&rig, fd, ANSWER);
    rig_receive(&rig, fd, answer, sizeof answer); /* an ordinary client is refused there */
    ck_assert_uint_eq(answer[0], 0x82);
    ck_assert_uint_eq(answer[2], 0x20);
    ck_assert_uint_eq(answer[5], 0x85);
    rig_expect_closed(&rig, fd);
    close(fd);
    rig_stop(&rig);
}
END_TEST

/* In one record of TLS, in two, and in many. */
START_TEST(it_may_come_through_tls)
{
    static const size_t cuts[] = { STORY, HEAD, HEAD - 1, HEAD + 3, 5, 1 };
    char cert[CERTS_PATH_MAX], key[CERTS_PATH_MAX];
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
    rig.listeners[0].tls = rig.listeners[1].tls = &tls;
    rig_start(&rig);
    peer_init(&peer, NULL);
    for (size_t i = 0; i < 2 * sizeof cuts / sizeof cuts[0]; i++) {
        size_t piece = cuts[i / 2];
        ck_assert(peer_connect(&peer, &rig, rig_port(&rig, i % 2), NULL, "\x08http/1.1"));
        for (size_t at = 0; at < STORY; at += piece)
            peer_send(&peer, &rig, story + at, at + piece < STORY ? piece : STORY - at);
        peer_hear(&peer, &rig, ANSWERED);
    }
    peer_finish(&peer);
    rig_stop(&rig);
    certs_finish(&certs);
}
END_TEST

/* Nobody is let in before the broker has joined its mesh. */
START_TEST(what_came_early_waits_until_clients_are_let_in)
{
    struct str nowhere = STR("ws://127.0.0.1:1/mesh");
    struct rig rig;

    rig_init(&rig);
    rig.config.seeds = rig.node_config.mesh.seeds = &nowhere;
    rig.config.seed_count = rig.node_config.mesh.seed_count = 1;
    rig.node_config.join_wait_ms = 300;
    rig_start(&rig);
    int fd = rig_connect(rig_port(&rig, 1)), gone = rig_connect(rig_port(&rig, 1));

    rig_send(&rig, gone, story, STORY);
    rig_hear(&rig, gone, ANSWER);
    close(gone);
    rig_send(&rig, fd, story, STORY);
    rig_hear(&rig, fd, ANSWER);
    ck_assert(!net_ready(rig.net));
    rig_say(&rig, fd, "\x82\x82\0\0\0\0\xc0\x00"); /* PINGREQ, behind it */
    rig_hear(&rig, fd, "\x82\x04" CONNACK "\x82\x05" SUBACK_T "\x82\x02\xd0\x00");
    close(fd);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/early", a_connect_in_the_segment_of_the_upgrade_is_answered,
          the_request_and_what_follows_may_be_cut_anywhere,
          frames_that_are_not_allowed_close_behind_the_upgrade_too,
          it_may_come_behind_a_proxy_header_and_over_a_unix_socket,
          a_connection_that_asked_for_pages_before_may_do_it_too, a_link_may_be_early_too,
          it_may_come_through_tls, what_came_early_waits_until_clients_are_let_in)
