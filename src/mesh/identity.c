/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/identity.h"

#include "mesh/interest_sync.h"
#include "mesh/state.h"

enum { FIGHTS_MAX = 3, FIGHTS_WINDOW_MS = 60000, QUARANTINE_MS = 300000 };

static void enter_quarantine(struct mesh *mesh)
{
    if (mesh->identity.quarantine_ms)
        return;
    mesh->identity.quarantine_ms = mesh->now_ms + QUARANTINE_MS;
    mesh_wake(mesh, mesh->identity.quarantine_ms);
    mesh_fact(mesh, MESH_FACT_DUPLICATE_ID, 0, mesh->config.name, "%s",
              "another broker has the same id: this one leaves the mesh for five minutes");
    link_each(mesh, link) link_close(mesh, link, "duplicate id: in quarantine");
}

/* Move to an incarnation past the one that was seen. */
static void move_past(struct mesh *mesh, uint32_t inc)
{
    struct mesh_action *action;

    if (inc == UINT32_MAX) {
        enter_quarantine(mesh); /* nothing is newer than this */
        return;
    }
    mesh->config.inc = inc + 1;
    action = mesh_act(mesh, MESH_PERSIST);
    if (action)
        action->inc = mesh->config.inc;
    interest_reborn(mesh);
    topology_ask(mesh);
}

/* Somebody else says things under this id: one more of such fights. False when it was one
 * too many, and this broker the one to leave. Against itself (a copy of its memory has the
 * same boot number) nobody can be told apart: both leave. */
static bool fight(struct mesh *mesh, uint64_t boot)
{
    struct identity *identity = &mesh->identity;

    if (mesh->now_ms - identity->fights_since_ms > FIGHTS_WINDOW_MS) {
        identity->fights = 0;
        identity->fights_since_ms = mesh->now_ms;
    }
    if (++identity->fights <= FIGHTS_MAX || mesh->config.boot > boot)
        return true;
    enter_quarantine(mesh);
    return false;
}

bool identity_seen(struct mesh *mesh, uint32_t inc, uint64_t boot, uint64_t version)
{
    struct identity *identity = &mesh->identity;
    bool own = inc == mesh->config.inc && boot == mesh->config.boot;

    if (inc < mesh->config.inc)
        return true;
    if (own && version <= identity->tseq)
        return version < identity->tseq;
    if (!fight(mesh, boot))
        return false;
    if (!own)
        mesh_fact(mesh, MESH_FACT_DUPLICATE_ID, 0, mesh->config.name,
                  "incarnation %u was seen: moving past it", (unsigned)inc);
    move_past(mesh, inc);
    return false;
}

void identity_interest_seen(struct mesh *mesh, uint32_t inc)
{
    if (inc >= mesh->config.inc && fight(mesh, mesh->config.boot))
        move_past(mesh, inc);
}

void identity_met(struct mesh *mesh, struct link *link, uint32_t inc, uint64_t boot)
{
    if (mesh->config.boot < boot) {
        enter_quarantine(mesh);
        return;
    }
    mesh_fact(mesh, MESH_FACT_DUPLICATE_ID, link->id, mesh->config.name, "%s",
              "another broker has the same id: its link is refused");
    if (inc >= mesh->config.inc)
        move_past(mesh, inc);
    link_close(mesh, link, "duplicate id");
}

void identity_check_sid(struct mesh *mesh)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);

    if (!self->sid_lost)
        return;
    uint8_t first = mesh->identity.salt;
    do
        mesh->identity.salt++;
    while (lsdb_by_sid(&mesh->lsdb, node_sid(&self->id, mesh->identity.salt)) &&
           mesh->identity.salt != first);
    topology_ask(mesh);
}

uint64_t identity_run(struct mesh *mesh)
{
    if (!mesh->identity.quarantine_ms)
        return UINT64_MAX;
    if (mesh->now_ms < mesh->identity.quarantine_ms)
        return mesh->identity.quarantine_ms;
    mesh->identity.quarantine_ms = 0;
    mesh->identity.fights = 0;
    seed_wake(mesh);
    return UINT64_MAX;
}
