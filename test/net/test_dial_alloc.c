/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "alloc_fault.h"

#include <stdio.h>

enum { FAULTS = 25 };

START_TEST(a_dial_that_finds_no_memory_is_made_again)
{
    struct rig hub, edge;
    char text[64];

    rig_init(&hub);
    rig_start(&hub);
    snprintf(text, sizeof text, "ws://127.0.0.1:%d/mesh", rig_port(&hub, 1));
    struct str url = str_from_c(text);
    for (int n = 0; n < FAULTS; n++) {
        rig_init(&edge);
        edge.config.seeds = edge.node_config.mesh.seeds = &url;
        edge.config.seed_count = edge.node_config.mesh.seed_count = 1;
        edge.node_config.mesh.id.bytes[0] = 1;
        edge.node_config.mesh.inc = (uint32_t)n + 1;
        edge.node_config.mesh.dial_backoff_ms = 10;
        edge.config.link_timeout_ms = 100;
        rig_start(&edge);
        edge.other = &hub;
        alloc_fault_after(n);
        rig_until(&edge, net_stats(edge.net).links == 1);
        alloc_fault_after(-1);
        rig_stop(&edge);
        rig_until(&hub, net_stats(hub.net).links == 0);
    }
    rig_stop(&hub);
}
END_TEST

UNIT_MAIN("net/dial_alloc", a_dial_that_finds_no_memory_is_made_again)
