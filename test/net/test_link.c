/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "net/turn.h"

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

UNIT_MAIN("net/link", two_brokers_link_and_a_publish_crosses_both_ways)
