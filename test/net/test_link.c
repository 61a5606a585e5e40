/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "net/turn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

UNIT_MAIN("net/link", two_brokers_link_and_a_publish_crosses_both_ways,
          a_link_that_cannot_be_opened_says_why, a_link_that_is_not_wanted_says_why,
          a_link_that_gets_no_answer_times_out,
          stopping_in_the_middle_of_a_dial_leaves_nothing_behind,
          a_graceful_stop_ends_the_link_on_both_sides)
