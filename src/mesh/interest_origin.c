/* SPDX-License-Identifier: Apache-2.0 */
/* The own interest: local wishes, gathered for a few milliseconds, become a new version of
 * the own set. */
#include "base/err.h"
#include "mesh/interest_codec.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"
#include "topic/topic.h"

void interest_changed(struct mesh *mesh, const struct interest *interest, bool wanted)
{
    if (interest->filter.len > INTEREST_FILTER_MAX) {
        mesh_fact(mesh, MESH_FACT_REFUSED, 0, mesh->config.name,
                  "a filter of %zu bytes is too long to tell others", interest->filter.len);
        return;
    }
    if (topic_filter_check(interest->filter) != ERR_OK || !str_is_mqtt_utf8(interest->filter)) {
        mesh_fact(mesh, MESH_FACT_REFUSED, 0, mesh->config.name, "%s",
                  "a filter that is not valid: others would refuse it");
        return;
    }
    if (wanted && local_interest_count(mesh->local) >= mesh->config.filters_max &&
        !local_interest_has(mesh->local, interest->filter)) {
        mesh_fact(mesh, MESH_FACT_REFUSED, 0, mesh->config.name, "%s",
                  "too many filters: others are not told of one more");
        return;
    }
    if (!wanted)
        local_interest_unset(mesh->local, interest->filter, mesh->now_ms);
    else if (local_interest_set(mesh->local, interest) != ERR_OK)
        mesh->out->failed = true;
    mesh_wake(mesh, mesh->now_ms);
}

/* Write the entries of all changes. */
static void put_changes(const struct interest_changes *changes, struct buf *adds,
                        struct buf *removals, struct interest_head *head)
{
    struct str added = STR(""), removed = STR("");

    vec_each (&changes->adds, add) {
        interest_put(adds, added, add);
        added = add->filter;
    }
    vec_each (&changes->removals, removal) {
        interest_put_removal(removals, removed, removal->filter);
        removed = removal->filter;
    }
    head->adds = changes->adds.len;
    head->removals = changes->removals.len;
}

/* One new version of the own set, which has the changes already. */
static void next_version(struct mesh *mesh, const struct interest_changes *changes)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    struct buf adds = { 0 }, removals = { 0 }, body = { 0 };
    struct interest_head head = { .id = self->id, .inc = mesh->config.inc, .iver = self->iver + 1 };

    if (!interest_is_base(self->iver))
        head.prev = self->iver; /* else it follows on nothing */
    put_changes(changes, &adds, &removals, &head);
    head.hash = interest_hash(self);
    idelta_put_head(&body, &head);
    buf_append_str(&body, buf_str(&adds));
    buf_append_str(&body, buf_str(&removals));
    self->iver = head.iver;
    if (adds.failed || removals.failed || body.failed)
        delta_journal_forget(&mesh->journal, self); /* who is told asks for a snapshot */
    else
        delta_journal_add(&mesh->journal, self, head.prev, head.iver, buf_str(&body), mesh->now_ms);
    lsdb_touch(self);
    flood_tell(mesh, NULL, self, RECORD_INTEREST, head.inc, head.prev);
    buf_finish(&adds);
    buf_finish(&removals);
    buf_finish(&body);
}

/* A piece at a time: when more is left, the next turn goes on. */
uint64_t interest_run(struct mesh *mesh)
{
    struct interest_changes changes = { 0 };
    uint64_t due_ms = local_interest_deadline(mesh->local);
    uint64_t soonest_ms = mesh->delta_ms + (mesh->telling ? 1 : mesh->config.interest_batch_ms);

    if (due_ms == UINT64_MAX || mesh->gathering)
        return UINT64_MAX;
    if (due_ms < soonest_ms)
        due_ms = soonest_ms;
    if (mesh->now_ms < due_ms)
        return due_ms;
    if (local_interest_take(mesh->local, mesh->now_ms, &changes) != ERR_OK)
        mesh->out->failed = true;
    if (interest_changes_count(&changes))
        next_version(mesh, &changes);
    due_ms = local_interest_deadline(mesh->local);
    mesh->telling = due_ms == 0 && !mesh->out->failed;
    if (interest_changes_count(&changes) || due_ms == 0)
        mesh->delta_ms = mesh->now_ms;
    interest_changes_finish(&changes);
    return due_ms > mesh->now_ms ? due_ms : mesh->now_ms + 1;
}

bool interest_is_behind(const struct mesh *mesh)
{
    return mesh->gathering || mesh->telling || local_interest_is_behind(mesh->local);
}

void interest_reborn(struct mesh *mesh)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);

    delta_journal_forget(&mesh->journal, self);
    self->iinc = mesh->config.inc;
    self->iver++;
    lsdb_touch(self);
    flood_tell(mesh, NULL, self, RECORD_INTEREST, 0, 0);
}
