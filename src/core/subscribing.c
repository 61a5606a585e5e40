/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions as index, session, store and mesh must know them together. */
#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"
#include "topic/topic.h"

/* Tell $SYS and the mesh if what clients here want of a filter is not what it was. Filters that
 * begin with $ are this broker's own affair. */
static void announce(struct core *core, struct str filter, struct sub_interest before,
                     struct sub_interest after)
{
    bool same =
        (before.count == 0) == (after.count == 0) &&
        (after.count == 0 || (before.qos == after.qos && before.persistent == after.persistent));

    if ((before.count == 0) != (after.count == 0))
        sys_listen(core, filter, after.count > 0);
    if (same || filter.ptr[0] == '$')
        return;
    effects_interest(core->out, filter,
                     (struct core_interest){ .wanted = after.count > 0,
                                             .persistent = after.count > 0 && after.persistent,
                                             .qos = after.count > 0 ? after.qos : 0 });
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

int filter_put(struct core *core, struct str filter, const struct sub_entry *entry,
               filter_id *ret_id, bool *ret_existed)
{
    struct sub_interest before = { 0 }, after;
    filter_id id = sub_index_find(core->index, filter);

    if (id != FILTER_NONE)
        before = sub_index_interest(core->index, id);
    int err = sub_index_add(core->index, filter, entry, ret_id, ret_existed, &after);
    if (!err)
        announce(core, filter, before, after);
    return err;
}

bool filter_remove(struct core *core, filter_id id, session_id session)
{
    struct sub_interest before = sub_index_interest(core->index, id), after;
    struct str filter = keep_filter(core, id);

    if (!sub_index_remove(core->index, id, session, &after))
        return false;
    if (filter.len)
        announce(core, filter, before, after);
    return true;
}

int subscription_put(struct core *core, struct session *session, struct str text,
                     struct sub_entry entry, bool *ret_existed)
{
    struct topic_share share;
    filter_id id;

    entry.session = session->id;
    entry.persistent = session->persistent;
    int err = topic_share_parse(text, &share);
    if (!err)
        err = session_filter_reserve(session);
    if (!err && share.group.len)
        err = sharing_join(core, session, text, share.filter, &entry, ret_existed);
    else if (!err)
        err = filter_put(core, text, &entry, &id, ret_existed);
    if (err)
        return err;
    if (!share.group.len && !*ret_existed)
        session->filters[session->filter_count++] = id;
    record_sub(core, session, text, &entry);
    return ERR_OK;
}

bool subscription_find(const struct core *core, const struct session *session, struct str text)
{
    const struct share *share = shares_find(&core->shares, text);

    if (share)
        return share_member(share, session->id) != NULL;
    filter_id id = sub_index_find(core->index, text);
    return id != FILTER_NONE && sub_index_entry(core->index, id, session->id);
}

bool subscription_remove(struct core *core, struct session *session, struct str text)
{
    struct share *share = shares_find(&core->shares, text);

    if (share) {
        if (!share_member(share, session->id))
            return false;
        session_filter_remove(session, SHARE_MARK | share->number);
        sharing_leave(core, session, share);
    } else {
        filter_id id = sub_index_find(core->index, text);
        if (id == FILTER_NONE || !filter_remove(core, id, session->id))
            return false;
        session_filter_remove(session, id);
    }
    record_unsub(core, session, text);
    return true;
}

void subscription_remove_all(struct core *core, struct session *session)
{
    for (uint32_t i = 0; i < session->filter_count; i++) {
        filter_id id = session->filters[i];
        if (id & SHARE_MARK)
            sharing_leave(core, session, shares_at(&core->shares, id & ~SHARE_MARK));
        else
            filter_remove(core, id, session->id);
    }
    session->filter_count = 0;
}

static void weaken(struct core *core, const struct session *session, filter_id id)
{
    struct sub_entry entry = *sub_index_entry(core->index, id, session->id);
    bool existed;

    entry.persistent = 0;
    if (filter_put(core, keep_filter(core, id), &entry, &id, &existed))
        core_failed(core);
}

static void weaken_share(struct core *core, const struct session *session, struct share *share)
{
    struct sub_entry entry = *share_member(share, session->id);

    entry.persistent = 0;
    sharing_change(core, share, &entry);
}

void subscription_weaken_all(struct core *core, struct session *session)
{
    for (uint32_t i = 0; i < session->filter_count; i++) {
        filter_id id = session->filters[i];
        if (id & SHARE_MARK)
            weaken_share(core, session, shares_at(&core->shares, id & ~SHARE_MARK));
        else
            weaken(core, session, id);
    }
}
