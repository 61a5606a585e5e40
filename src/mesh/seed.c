/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/seed.h"

#include "base/err.h"
#include "mesh/state.h"

#include <stdio.h>

int seeds_init(struct mesh *mesh)
{
    for (size_t i = 0; i < mesh->config.seed_count; i++) {
        struct seed *seed = vec_push(&mesh->seeds.list);
        if (!seed)
            return ERR_NOMEM;
        seed->next_ms = mesh->now_ms;
        seed->backoff_ms = mesh->config.dial_backoff_ms;
        snprintf(seed->reason, sizeof seed->reason, "no answer yet");
    }
    return ERR_OK;
}

void seed_up(struct mesh *mesh, uint32_t seed, link_id link)
{
    mesh->seeds.list.at[seed].link = link;
    mesh->seeds.list.at[seed].dialing = false;
}

void seed_met(struct mesh *mesh, uint32_t seed, const struct node_id *peer)
{
    mesh->seeds.list.at[seed].peer = *peer;
    mesh->seeds.list.at[seed].known = true;
    mesh->seeds.list.at[seed].self = false;
}

void seed_is_self(struct mesh *mesh, uint32_t seed)
{
    mesh->seeds.list.at[seed].self = true;
}

/* Wait, half to one and a half of the pause, and double it. */
static void back_off(struct mesh *mesh, struct seed *seed)
{
    uint64_t pause_ms = seed->self ? mesh->config.dial_backoff_max_ms : seed->backoff_ms;

    seed->next_ms = mesh->now_ms + pause_ms / 2 + rand_below(&mesh->rand, pause_ms + 1);
    seed->backoff_ms *= 2;
    if (seed->backoff_ms > mesh->config.dial_backoff_max_ms)
        seed->backoff_ms = mesh->config.dial_backoff_max_ms;
    mesh_wake(mesh, seed->next_ms);
}

void seed_lost(struct mesh *mesh, uint32_t index, struct str why, bool lasted)
{
    struct seed *seed = &mesh->seeds.list.at[index];

    seed->link = 0;
    seed->dialing = false;
    if (lasted)
        seed->backoff_ms = mesh->config.dial_backoff_ms;
    snprintf(seed->reason, sizeof seed->reason, "%.*s", STR_ARG(why));
    back_off(mesh, seed);
}

void seed_failed(struct mesh *mesh, uint32_t index, struct str why)
{
    struct seed *seed = &mesh->seeds.list.at[index];
    char before[SEED_REASON_MAX];

    if (!seed->dialing)
        return;
    snprintf(before, sizeof before, "%s", seed->reason);
    seed_lost(mesh, index, why, false);
    if (!str_equal(str_from_c(before), str_from_c(seed->reason)))
        mesh_fact(mesh, MESH_FACT_LINK_DOWN, 0, mesh->config.seeds[index], "%s", seed->reason);
}

void seed_wake(struct mesh *mesh)
{
    vec_each (&mesh->seeds.list, seed)
        mesh_wake(mesh, seed->link ? UINT64_MAX : seed->next_ms);
}

/* Is there a link to the seed's broker already, whoever dialled? */
static bool served(const struct mesh *mesh, const struct seed *seed)
{
    if (!seed->known)
        return false;
    link_each(mesh, link)
    {
        if (link->hello_in && !link->closing && node_id_equal(&link->peer, &seed->peer))
            return true;
    }
    return false;
}

uint64_t seeds_run(struct mesh *mesh)
{
    uint64_t next_ms = UINT64_MAX;

    if (mesh->stopped || mesh->identity.quarantine_ms)
        return UINT64_MAX;
    for (size_t i = 0; i < mesh->seeds.list.len; i++) {
        struct seed *seed = &mesh->seeds.list.at[i];
        if (seed->link || seed->dialing || served(mesh, seed))
            continue;
        if (mesh->now_ms < seed->next_ms) {
            next_ms = seed->next_ms < next_ms ? seed->next_ms : next_ms;
            continue;
        }
        struct mesh_action *action = mesh_act(mesh, MESH_DIAL);
        if (!action)
            return mesh->now_ms;
        action->seed = (uint32_t)i;
        seed->dialing = true;
    }
    return next_ms;
}
