/* SPDX-License-Identifier: Apache-2.0 */
/* The own interest: local wishes, gathered for a few milliseconds, become a new version of
 * the own set. */
#include "base/err.h"
#include "mesh/interest_codec.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"
#include "topic/topic.h"

enum { DELTA_ENTRIES_MAX = 4000 };

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

/* Apply one change to the own set; false when it changed nothing. */
static bool apply(struct mesh *mesh, struct lsdb_node *self, const struct interest_change *change)
{
    if (!change->wanted)
        return self->set && iset_remove(self->set, change->interest.filter);
    if (!self->set)
        self->set = iset_new();
    if (self->set && iset_put(self->set, &change->interest) == ERR_OK)
        return true;
    mesh->out->failed = true;
    local_interest_untold(mesh->local, change->interest.filter);
    return false;
}

/* Write entries of changes [*at, ...) into adds and removals, as many as one frame holds,
 * and apply them. */
static void gather(struct mesh *mesh, size_t *at, struct buf *adds, struct buf *removals,
                   struct interest_head *head)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    struct str added = STR(""), removed = STR("");

    for (; *at < mesh->changes.len; (*at)++) {
        const struct interest_change *change = &mesh->changes.at[*at];
        size_t len = adds->len + removals->len;
        if (head->adds + head->removals >= DELTA_ENTRIES_MAX ||
            (len && len + change->interest.filter.len > INTEREST_BODY_MAX - 256))
            return;
        if (!apply(mesh, self, change))
            continue;
        if (change->wanted) {
            interest_put(adds, added, &change->interest);
            added = change->interest.filter;
            head->adds++;
        } else {
            interest_put_removal(removals, removed, change->interest.filter);
            removed = change->interest.filter;
            head->removals++;
        }
    }
}

/* One new version of the own set, from what changes hold at *at and after. */
static void next_version(struct mesh *mesh, size_t *at)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    struct buf adds = { 0 }, removals = { 0 }, body = { 0 };
    struct interest_head head = { .id = self->id, .inc = mesh->config.inc, .iver = self->iver + 1 };

    if (!interest_is_base(self->iver))
        head.prev = self->iver; /* else it follows on nothing */
    gather(mesh, at, &adds, &removals, &head);
    if (head.adds + head.removals > 0) {
        head.hash = interest_hash(self);
        idelta_put_head(&body, &head);
        buf_append_str(&body, buf_str(&adds));
        buf_append_str(&body, buf_str(&removals));
        self->iver = head.iver;
        if (adds.failed || removals.failed || body.failed)
            delta_journal_forget(&mesh->journal, self); /* who is told asks for a snapshot */
        else
            delta_journal_add(&mesh->journal, self, head.prev, head.iver, buf_str(&body),
                              mesh->now_ms);
        lsdb_touch(self);
        flood_tell(mesh, NULL, self, RECORD_INTEREST, head.inc, head.prev);
    }
    buf_finish(&adds);
    buf_finish(&removals);
    buf_finish(&body);
}

uint64_t interest_run(struct mesh *mesh)
{
    uint64_t due_ms = local_interest_deadline(mesh->local);
    uint64_t soonest_ms = mesh->delta_ms + mesh->config.interest_batch_ms;

    if (due_ms == UINT64_MAX)
        return due_ms;
    if (due_ms < soonest_ms)
        due_ms = soonest_ms;
    if (mesh->now_ms < due_ms)
        return due_ms;
    if (local_interest_take(mesh->local, mesh->now_ms, &mesh->changes) != ERR_OK) {
        mesh->out->failed = true;
        return mesh->now_ms + mesh->config.interest_batch_ms;
    }
    for (size_t at = 0; at < mesh->changes.len;)
        next_version(mesh, &at);
    if (mesh->changes.len)
        mesh->delta_ms = mesh->now_ms;
    vec_clear(&mesh->changes);
    if (mesh->changes.cap > 64)
        vec_finish(&mesh->changes);
    due_ms = local_interest_deadline(mesh->local);
    return due_ms > mesh->now_ms ? due_ms : mesh->now_ms + 1;
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
