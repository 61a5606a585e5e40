/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "rig.h"

#include "net/carrier.h"
#include "net/turn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A rig that dials this URL. */
static void start_dialler(struct rig *rig, struct str *url, const char *text)
{
    rig_init(rig);
    *url = str_from_c(text);
    rig->config.seeds = rig->node_config.mesh.seeds = url;
    rig->config.seed_count = rig->node_config.mesh.seed_count = 1;
    rig->node_config.mesh.id.bytes[0] = 1;
    rig->node_config.join_wait_ms = 60000;
    rig_start(rig);
}

START_TEST(two_brokers_link_and_a_publish_crosses_both_ways)
{
    struct rig hub, edge;
    struct str url;
    char text[64];

    rig_init(&hub);
    rig_start(&hub);
    snprintf(text, sizeof text, "ws://localhost:%d/mesh", rig_port(&hub, 1));
    start_dialler(&edge, &url, text);
    edge.other = &hub;
    rig_until(&edge, net_stats(edge.net).links == 1 && net_stats(hub.net).links == 1);
    rig_until(&edge, net_ready(edge.net));
    int a = rig_connect(rig_port(&edge, 0)), b = rig_connect(rig_port(&hub, 0));

    rig_say(&edge, a, CONNECT_A SUBSCRIBE_T);
    rig_hear(&edge, a, CONNACK SUBACK_T);
    rig_say(&edge, b, CONNECT_B PUBLISH_T);
    rig_hear(&edge, b, CONNACK);
    rig_hear(&edge, a, PUBLISH_T);
    rig_say(&edge, b, SUBSCRIBE_T);
    rig_hear(&edge, b, SUBACK_T);
    rig_say(&edge, a, PUBLISH_T);
    rig_hear(&edge, a, PUBLISH_T);
    rig_hear(&edge, b, PUBLISH_T);
    close(a);
    close(b);
    rig_stop(&edge);
    rig_until(&hub, net_stats(hub.net).links == 0);
    rig_stop(&hub);
}
END_TEST

/* Is this among the words about why the first link is down? */
static bool says(struct rig *rig, const char *words)
{
    struct mesh_link_view view = { 0 };
    size_t cursor = 0;
    char got[256];

    mesh_next_link(node_mesh(rig->node), &cursor, &view);
    snprintf(got, sizeof got, "%.*s", STR_ARG(view.reason));
    return strstr(got, words) != NULL;
}

/* Dial and compare the words. */
static void expect_reason(const char *url_text, const char *words)
{
    struct rig rig;
    struct str url;

    start_dialler(&rig, &url, url_text);
    rig_until(&rig, says(&rig, words));
    rig_stop(&rig);
}

/* A port where nobody listens. */
static int closed_port(void)
{
    struct rig rig;

    rig_init(&rig);
    rig_start(&rig);
    int port = rig_port(&rig, 1);
    rig_stop(&rig);
    return port;
}

START_TEST(a_link_that_cannot_be_opened_says_why)
{
    char url[64], words[128];
    int port = closed_port();

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/mesh", port);
    snprintf(words, sizeof words, "connection refused by 127.0.0.1:%d", port);
    expect_reason(url, words);
    expect_reason("http://127.0.0.1:1/", "not a broker's URL: http://127.0.0.1:1/");
    expect_reason("ws://127.0.0.1:x/", "not a broker's URL: ws://127.0.0.1:x/");
    expect_reason("ws://no-such-host.invalid/mesh", "name not found: no-such-host.invalid");
}
END_TEST

/* Run a hub along and dial it in some way that does not work. */
static void expect_reason_at_hub(size_t listener, const char *scheme, const char *path,
                                 struct str mesh_name, const char *words)
{
    struct rig hub, edge;
    struct str url;
    char text[64];

    rig_init(&hub);
    hub.config.mesh_name = mesh_name;
    rig_start(&hub);
    snprintf(text, sizeof text, "%s://127.0.0.1:%d%s", scheme, rig_port(&hub, listener), path);
    start_dialler(&edge, &url, text);
    edge.other = &hub;
    rig_until(&edge, says(&edge, words));
    rig_stop(&edge);
    rig_stop(&hub);
}

START_TEST(a_link_that_is_not_wanted_says_why)
{
    expect_reason_at_hub(1, "ws", "/elsewhere", STR("test"), "HTTP 404: not a mesh endpoint");
    expect_reason_at_hub(1, "ws", "/mesh", STR("other"),
                         "refused by peer: belongs to another mesh");
    expect_reason_at_hub(0, "ws", "/mesh", STR("test"),
                         "closed the connection before it was a link");
    expect_reason_at_hub(1, "wss", "/mesh", STR("test"), "TLS: handshake failed");
}
END_TEST

/* Bind and listen, but never accept. */
static int silent_listener(int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    bind(fd, (struct sockaddr *)&address, sizeof address);
    listen(fd, 8);
    getsockname(fd, (struct sockaddr *)&address, &len);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

START_TEST(a_link_that_gets_no_answer_times_out)
{
    struct rig rig;
    struct str url;
    char text[64];
    int port, fd = silent_listener(&port);

    snprintf(text, sizeof text, "ws://127.0.0.1:%d/mesh", port);
    rig_init(&rig);
    url = str_from_c(text);
    rig.config.link_timeout_ms = 300;
    rig.config.seeds = rig.node_config.mesh.seeds = &url;
    rig.config.seed_count = rig.node_config.mesh.seed_count = 1;
    rig_start(&rig);
    rig_until(&rig, says(&rig, "timed out"));
    rig_until(&rig, rig.net->stats.links == 0);
    rig_stop(&rig);
    close(fd);
}
END_TEST

START_TEST(stopping_in_the_middle_of_a_dial_leaves_nothing_behind)
{
    struct rig rig;
    struct str url;
    char text[64];
    int port, fd = silent_listener(&port);

    snprintf(text, sizeof text, "ws://localhost:%d/mesh", port);
    start_dialler(&rig, &url, text);
    rig_stop(&rig);
    start_dialler(&rig, &url, text);
    for (int i = 0; i < 20; i++)
        rig_turn(&rig);
    rig_stop(&rig);
    close(fd);
}
END_TEST

START_TEST(a_graceful_stop_ends_the_link_on_both_sides)
{
    struct rig hub, edge;
    struct str url;
    char text[64];

    rig_init(&hub);
    rig_start(&hub);
    snprintf(text, sizeof text, "ws://127.0.0.1:%d/mesh", rig_port(&hub, 1));
    start_dialler(&edge, &url, text);
    edge.other = &hub;
    rig_until(&edge, net_stats(edge.net).links == 1 && net_stats(hub.net).links == 1);
    net_stop(edge.net);
    net_run(edge.net);
    rig_until(&hub, net_stats(hub.net).links == 0);
    rig_stop(&edge);
    rig_stop(&hub);
}
END_TEST

/* ---- a peer of our own making ---- */

struct peer {
    int listener, fd, port;
};

/* Accept, and upgrade to a WebSocket, with these bytes right behind the answer; its last
 * bytes may come later. [RFC6455 4.2.2] */
static void peer_accept(struct peer *peer, struct rig *rig, struct str early, size_t late)
{
    char head[2048], text[128], accept_key[64];
    uint8_t digest[SHA_DIGEST_LENGTH];
    size_t len = 0;

    rig_until(rig, (peer->fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    while (len < sizeof head - 1 && (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0))
        rig_receive(rig, peer->fd, head + len++, 1);
    head[len] = '\0';
    char *key = strcasestr(head, "Sec-WebSocket-Key: ");

    ck_assert_ptr_nonnull(key);
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    SHA1((uint8_t *)text, strlen(text), digest);
    EVP_EncodeBlock((uint8_t *)accept_key, digest, sizeof digest);
    snprintf(head, sizeof head,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
             accept_key);
    len = strlen(head);
    memcpy(head + len, early.ptr, early.len);
    len += early.len;
    rig_send(rig, peer->fd, head, len - late);
    for (int i = 0; i < 5 && late > 0; i++)
        rig_turn(rig);
    rig_send(rig, peer->fd, head + len - late, late);
}

/* Receive one masked frame of less than 64 KiB; its opcode. */
static int peer_receive(struct peer *peer, struct rig *rig, uint8_t *bytes, size_t *ret_len)
{
    uint8_t head[2], extended[2], mask[4];

    rig_receive(rig, peer->fd, head, 2);
    ck_assert(head[1] & 0x80);
    *ret_len = head[1] & 0x7F;
    if (*ret_len == 126) {
        rig_receive(rig, peer->fd, extended, 2);
        *ret_len = (size_t)extended[0] << 8 | extended[1];
    }
    rig_receive(rig, peer->fd, mask, 4);
    rig_receive(rig, peer->fd, bytes, *ret_len);
    for (size_t i = 0; i < *ret_len; i++)
        bytes[i] ^= mask[i % 4];
    return head[0] & 0x0F;
}

/* A rig dials the peer, which has not accepted yet. */
static void peer_dialled(struct peer *peer, struct rig *rig, struct str *url, char *text)
{
    peer->listener = silent_listener(&peer->port);
    fcntl(peer->listener, F_SETFL, O_NONBLOCK);
    sprintf(text, "ws://127.0.0.1:%d/mesh", peer->port);
    start_dialler(rig, url, text);
}

/* A rig dials the peer, which answers up to the CONNECT it got. */
static void peer_start(struct peer *peer, struct rig *rig, struct str *url, char *text)
{
    uint8_t bytes[1024];
    size_t len;

    peer_dialled(peer, rig, url, text);
    peer_accept(peer, rig, STR(""), 0);
    ck_assert_int_eq(peer_receive(peer, rig, bytes, &len), 2);
    ck_assert_uint_eq(bytes[0], 0x10);
    ck_assert_mem_eq(bytes + 2, "\0\4MQTT\5\2", 8);
}

static void peer_stop(struct peer *peer, struct rig *rig)
{
    rig_stop(rig);
    close(peer->fd);
    close(peer->listener);
}

/* [RFC6455 4.1] */
START_TEST(a_dialled_peer_may_send_frames_right_behind_its_answer)
{
    static const size_t late[] = { 0, 1, 4, 5, 6, 20 };
    uint8_t bytes[1024];
    char text[64];
    size_t len;

    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        struct peer peer;
        struct rig rig;
        struct str url;
        peer_dialled(&peer, &rig, &url, text);
        peer_accept(&peer, &rig,
                    STR("\x89\x03"
                        "abc"),
                    late[i]);
        ck_assert_int_eq(peer_receive(&peer, &rig, bytes, &len), 2); /* CONNECT */
        ck_assert_int_eq(peer_receive(&peer, &rig, bytes, &len), 10);
        ck_assert_uint_eq(len, 3);
        ck_assert_mem_eq(bytes, "abc", 3);
        peer_stop(&peer, &rig);
    }
}
END_TEST

START_TEST(a_dialled_peer_that_does_not_answer_as_a_websocket_is_left)
{
    static char large[12000];
    static const struct {
        const char *answer, *words;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP 200: not a mesh endpoint" },
        { "HTTP/1.0 503 \r\n\r\n", "HTTP 503: not a mesh endpoint" },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
          "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
          "HTTP 101: not a mesh endpoint" }, /* to another key */
        { "HTTP/1.1 101\r\n\r\n", "HTTP 101: not a mesh endpoint" },
        { "HTTP/1.1 10 x\r\n\r\n", "closed the connection before it was a link" },
        { "\x20\x02\x01\x05", "closed the connection before it was a link" },
        { large, "closed the connection before it was a link" },
    };
    char text[64];

    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer peer;
        struct rig rig;
        struct str url;
        peer_dialled(&peer, &rig, &url, text);
        rig_until(&rig, (peer.fd = accept4(peer.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
        rig_send(&rig, peer.fd, cases[i].answer, strlen(cases[i].answer));
        rig_until(&rig, says(&rig, cases[i].words));
        peer_stop(&peer, &rig);
    }
}
END_TEST

START_TEST(a_dialled_peer_may_split_its_packets_and_ping_in_between)
{
    static const char frames[] = "\x82\x02\x20\x03" /* the start of a CONNACK */
                                 "\x89\x03"
                                 "abc" /* a Ping */
                                 "\x02\x01\x00"
                                 "\x80\x02\x00\x00"; /* its end, in two parts */
    struct peer peer;
    struct rig rig;
    struct str url;
    uint8_t bytes[1024];
    char text[64];
    size_t len;

    peer_start(&peer, &rig, &url, text);
    for (size_t i = 0; i < sizeof frames - 1; i++) {
        rig_send(&rig, peer.fd, frames + i, 1);
        rig_turn(&rig);
    }
    ck_assert_int_eq(peer_receive(&peer, &rig, bytes, &len), 10);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    ck_assert_int_eq(peer_receive(&peer, &rig, bytes, &len), 2);
    ck_assert_uint_eq(bytes[0], 0x82); /* SUBSCRIBE */
    rig_say(&rig, peer.fd, "\x82\x06\x90\x04\x00\x01\x00\x00");
    rig_until(&rig, net_stats(rig.net).links == 1);
    rig_say(&rig, peer.fd, "\x88\x02\x03\xe8");
    rig_until(&rig, says(&rig, "connection closed by peer"));
    peer_stop(&peer, &rig);
}
END_TEST

START_TEST(a_dialled_peer_that_breaks_the_rules_is_left)
{
    static const struct {
        const char *frame;
        size_t len;
        const char *words;
    } cases[] = {
        { "\x81\x02hi", 4, "a frame that is not allowed" },       /* text */
        { "\x82\x81mask?", 7, "a frame that is not allowed" },    /* masked */
        { "\x89\x7e\x01\x00", 4, "a frame that is not allowed" }, /* a long Ping */
        { "\x82\x03\x20\x01\x00", 5, "not MQTT" },                /* CONNACK cut short */
        { "\x82\x02\xd0\x01", 4, "timed out" },                   /* never whole */
        { "\x82\x02\xc0\x00\x82\x06\x90\x04\x00\x01\x00\x00", 12, "an unexpected SUBACK" },
        { "\x82\x05\x20\x03\x00\x87\x00", 7, "refused by peer: not authorized" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer peer;
        struct rig rig;
        struct str url;
        char text[64];
        peer_start(&peer, &rig, &url, text);
        rig.net->config.link_timeout_ms = 100;
        list_each (&rig.net->all_carriers, node)
            list_entry(node, struct carrier, all)->due_ms = net_now_ms(rig.net) + 500;
        rig_send(&rig, peer.fd, cases[i].frame, cases[i].len);
        rig_until(&rig, says(&rig, cases[i].words));
        peer_stop(&peer, &rig);
    }
}
END_TEST

UNIT_MAIN("net/link", two_brokers_link_and_a_publish_crosses_both_ways,
          a_link_that_cannot_be_opened_says_why, a_link_that_is_not_wanted_says_why,
          a_link_that_gets_no_answer_times_out,
          stopping_in_the_middle_of_a_dial_leaves_nothing_behind,
          a_dialled_peer_may_send_frames_right_behind_its_answer,
          a_dialled_peer_that_does_not_answer_as_a_websocket_is_left,
          a_dialled_peer_may_split_its_packets_and_ping_in_between,
          a_dialled_peer_that_breaks_the_rules_is_left, a_graceful_stop_ends_the_link_on_both_sides)
