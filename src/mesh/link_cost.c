/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/link_cost.h"

#include "mesh/state.h"

enum {
    COST_MIN = 10,
    COST_MAX = 65535,
    COST_FIRST_MS = 2000,
    COST_OFF_MS = 10000,
    COST_EVERY_MS = 30000,
    FLAP_WINDOW_MS = 600000,
    FLAP_WAIT_MS = 50,
    FLAP_WAIT_MAX_MS = 10000,
};

uint32_t link_cost(const struct link *link)
{
    uint64_t cost = COST_MIN + link->rtt_min_us / 100;

    return cost > COST_MAX ? COST_MAX : (uint32_t)cost;
}

uint64_t link_damping(struct mesh *mesh, struct link *link)
{
    struct lsdb_node *node = lsdb_find(&mesh->lsdb, &link->peer);
    uint64_t wait_ms = FLAP_WAIT_MAX_MS;

    if (!node)
        return 0;
    if (node->flaps == 0 || mesh->now_ms - node->flap_since_ms > FLAP_WINDOW_MS) {
        node->flaps = 0;
        node->flap_since_ms = mesh->now_ms;
    }
    if (node->flaps < 8)
        wait_ms = node->flaps ? (uint64_t)FLAP_WAIT_MS << node->flaps : 0;
    node->flaps++;
    return wait_ms < FLAP_WAIT_MAX_MS ? wait_ms : FLAP_WAIT_MAX_MS;
}

uint64_t link_cost_run(struct mesh *mesh, struct link *link)
{
    uint32_t cost = link_cost(link);
    /* Less is not worth that all brokers compute paths anew. */
    bool off = cost >= link->cost * 2 || cost * 2 <= link->cost;

    if (!link->advertised) {
        if (mesh->now_ms < link->advertise_ms)
            return link->advertise_ms;
        link->advertised = true;
    } else if (!off) {
        link->cost_off_ms = 0;
        link->cost_settled =
            link->cost_settled || mesh->now_ms >= link->advertise_ms + COST_FIRST_MS;
        return UINT64_MAX;
    } else {
        if (!link->cost_off_ms)
            link->cost_off_ms = mesh->now_ms;
        uint64_t due_ms = link->cost_off_ms + COST_OFF_MS;
        if (due_ms < link->cost_set_ms + COST_EVERY_MS)
            due_ms = link->cost_set_ms + COST_EVERY_MS;
        if (!link->cost_settled)
            due_ms = link->advertise_ms + COST_FIRST_MS;
        if (mesh->now_ms < due_ms)
            return due_ms;
        link->cost_settled = true;
    }
    link->cost = cost;
    link->cost_off_ms = 0;
    link->cost_set_ms = mesh->now_ms;
    topology_ask(mesh);
    spf_ask(mesh);
    return UINT64_MAX;
}
