/* SPDX-License-Identifier: Apache-2.0 */
/* When paths are computed, and what follows from them: who is reachable, who is lost, and
 * who has been lost for so long that it is forgotten. */
#include "mesh/interest_sync.h"
#include "mesh/state.h"

enum { SPF_FIRST_MS = 5, SPF_GAP_FIRST_MS = 20, SPF_GAP_MAX_MS = 500 };

void spf_ask(struct mesh *mesh)
{
    mesh_pace_ask(mesh, &mesh->spf_pace, SPF_FIRST_MS);
}

/* The paths are new: who came, who went. */
static void compare(struct mesh *mesh)
{
    char hex[12];

    mesh->reachable = 0;
    vec_each (&mesh->lsdb.order, at) {
        struct lsdb_node *node = *at;
        bool reachable = node->index != NODE_SELF && node->dist != UINT32_MAX;
        mesh->reachable += reachable;
        if (reachable == node->reachable)
            continue;
        if (lsdb_node_is_stale(node, mesh->now_ms, mesh->config.stale_ms)) {
            /* It is back as it was: who has forgotten it does not know. */
            flood_tell(mesh, NULL, node, RECORD_TOPOLOGY, 0, 0);
            flood_tell(mesh, NULL, node, RECORD_INTEREST, 0, 0);
        }
        node->reachable = reachable;
        node->lost_ms = mesh->now_ms;
        if (!reachable)
            mesh_stale_wake(mesh, mesh->now_ms + mesh->config.stale_ms);
        mesh_fact(mesh, reachable ? MESH_FACT_NODE_REACHABLE : MESH_FACT_NODE_LOST, 0,
                  mesh_node_name(node, hex), "%s", "");
    }
}

uint64_t spf_run(struct mesh *mesh)
{
    if (mesh->spf_pace.due_ms > mesh->now_ms)
        return mesh->spf_pace.due_ms;
    mesh_pace_done(mesh, &mesh->spf_pace, SPF_GAP_FIRST_MS, SPF_GAP_MAX_MS);
    mesh->stats.spf_runs++;
    if (spf_compute(&mesh->spf, &mesh->lsdb) != 0)
        spf_ask(mesh);
    compare(mesh);
    forward_rerouted(mesh);
    return mesh->spf_pace.due_ms;
}

/* A link to it is there: it is not forgotten. */
static bool linked(const struct mesh *mesh, const struct lsdb_node *node)
{
    link_each(mesh, link)
    {
        if (link->hello_in && node_id_equal(&link->peer, &node->id))
            return true;
    }
    return false;
}

/* False as long as its interest is being forgotten. */
static bool forget(struct mesh *mesh, struct lsdb_node *node)
{
    if (!interest_forget(mesh, node))
        return false;
    delta_journal_forget(&mesh->journal, node);
    flood_forget(mesh, node);
    frag_forget(&mesh->frags, node->index);
    lsdb_remove(&mesh->lsdb, node);
    return true;
}

uint64_t stale_run(struct mesh *mesh)
{
    uint64_t next_ms = mesh->now_ms + mesh->config.stale_ms; /* for those not yet known */

    if (mesh->now_ms < mesh->stale_due_ms && mesh->stale_due_ms != UINT64_MAX)
        return mesh->stale_due_ms;
    for (size_t i = 0; i < mesh->lsdb.order.len;) {
        struct lsdb_node *node = mesh->lsdb.order.at[i];
        uint64_t due_ms = node->lost_ms + mesh->config.stale_ms;
        if (node->set_expires_ms <= mesh->now_ms)
            interest_expire(mesh, node);
        if (node->set_expires_ms < next_ms)
            next_ms = node->set_expires_ms;
        if (node->index == NODE_SELF || node->reachable) {
            i++;
        } else if (mesh->now_ms < due_ms || linked(mesh, node)) {
            if (mesh->now_ms < due_ms && due_ms < next_ms)
                next_ms = due_ms;
            i++;
        } else if (!forget(mesh, node)) {
            next_ms = mesh->now_ms + 1;
            i++;
        }
    }
    mesh->stale_due_ms = next_ms;
    return next_ms;
}
