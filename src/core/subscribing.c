/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions as index, session, store and mesh must know them together. */
#include "base/err.h"
#include "core/broker.h"

/* Tell the mesh if what clients here want of a filter is not what it was. Filters that
 * begin with $ are this broker's own affair. */
static void announce(struct core *core, struct str filter, struct sub_interest before,
                     struct sub_interest after)
{
    bool same =
        (before.count == 0) == (after.count == 0) &&
        (after.count == 0 || (before.qos == after.qos && before.persistent == after.persistent));

    if (same || filter.ptr[0] == '$')
        return;
    effects_interest(core->out, filter,
                     (struct core_interest){ .wanted = after.count > 0,
                                             .persistent = after.count > 0 && after.persistent,
                                             .qos = after.count > 0 ? after.qos : 0 });
}

static uint8_t wire_options(const struct sub_entry *entry)
{
    return (uint8_t)(entry->qos | entry->no_local << 2 | entry->retain_as_published << 3 |
                     entry->retain_handling << 4);
}

int subscription_put(struct core *core, struct session *session, struct str filter,
                     struct sub_entry entry, bool *ret_existed)
{
    struct sub_interest before = { 0 }, after;
    filter_id id = sub_index_find(core->index, filter);

    if (id != FILTER_NONE)
        before = sub_index_interest(core->index, id);
    entry.session = session->id;
    entry.persistent = session->persistent;
    int err = session_filter_reserve(session);
    if (!err)
        err = sub_index_add(core->index, filter, &entry, &id, ret_existed, &after);
    if (err)
        return err;
    if (!*ret_existed)
        session->filters[session->filter_count++] = id;
    announce(core, filter, before, after);
    if (session->persistent)
        core_store(core, (struct durable_op){ .kind = DURABLE_SUB_PUT,
                                              .session = session->number,
                                              .text = filter,
                                              .options = wire_options(&entry),
                                              .qos = entry.qos,
                                              .sub_id = entry.sub_id });
    return ERR_OK;
}

bool subscription_remove(struct core *core, struct session *session, struct str filter)
{
    struct sub_interest before, after;
    filter_id id = sub_index_find(core->index, filter);

    if (id == FILTER_NONE)
        return false;
    before = sub_index_interest(core->index, id);
    if (!sub_index_remove(core->index, id, session->id, &after))
        return false;
    session_filter_remove(session, id);
    announce(core, filter, before, after);
    if (session->persistent)
        core_store(core, (struct durable_op){
                             .kind = DURABLE_SUB_DEL, .session = session->number, .text = filter });
    return true;
}

/* The filter's text, kept while the index changes. */
static struct str keep_filter(struct core *core, filter_id id)
{
    buf_clear(&core->scratch);
    buf_append_str(&core->scratch, sub_index_filter(core->index, id));
    if (core->scratch.failed)
        core_failed(core);
    return buf_str(&core->scratch);
}

void subscription_remove_all(struct core *core, struct session *session)
{
    struct sub_interest before, after;

    for (uint32_t i = 0; i < session->filter_count; i++) {
        filter_id id = session->filters[i];
        struct str filter = keep_filter(core, id);
        before = sub_index_interest(core->index, id);
        if (sub_index_remove(core->index, id, session->id, &after) && filter.len)
            announce(core, filter, before, after);
    }
    session->filter_count = 0;
}

void subscription_weaken_all(struct core *core, struct session *session)
{
    struct sub_interest before, after;
    bool existed;

    for (uint32_t i = 0; i < session->filter_count; i++) {
        filter_id id = session->filters[i];
        struct sub_entry entry = *sub_index_entry(core->index, id, session->id);
        struct str filter = keep_filter(core, id);
        entry.persistent = 0;
        before = sub_index_interest(core->index, id);
        if (sub_index_add(core->index, filter, &entry, &id, &existed, &after))
            core_failed(core);
        else
            announce(core, filter, before, after);
    }
}
