/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of shared subscriptions: who gets a message, and who gets it instead. A message
 * goes to the next member in turn that can take it at once, else to one whose client must
 * first answer earlier ones, and only if none is connected to one that is away. What a
 * member leaves unanswered at QoS 1, and what it was never sent, goes to another that is
 * connected; QoS 2 that was sent stays its own. [MQTT5 4.8.2] */
#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"

/* ---- members ---- */

/* Let the index say what the members want together, if that has changed. */
static int refresh(struct core *core, struct share *share, struct sub_entry before)
{
    struct sub_entry after = share_entry(share);
    bool existed;

    if (share->filter != FILTER_NONE && before.qos == after.qos &&
        before.persistent == after.persistent)
        return ERR_OK;
    return filter_put(core, share_filter(share), &after, &share->filter, &existed);
}

/* Undo a join that failed half-way. */
static void undo(struct core *core, struct share *share, const struct sub_entry *entry,
                 const struct sub_entry *old)
{
    bool existed;

    if (old)
        share_put(&core->shares, share, old, &existed); /* in place: never fails */
    else
        share_remove(&core->shares, share, entry->session);
    if (share->members.len == 0)
        shares_remove(&core->shares, share);
}

int sharing_join(struct core *core, struct session *session, struct str text, struct str filter,
                 const struct sub_entry *entry, bool *ret_existed)
{
    struct share *share = shares_find(&core->shares, text);

    if (!share && !(share = shares_add(&core->shares, text, filter)))
        return ERR_NOMEM;
    const struct sub_entry *there = share_member(share, session->id);
    struct sub_entry old = there ? *there : (struct sub_entry){ 0 };
    struct sub_entry before = share_entry(share);
    int err = share_put(&core->shares, share, entry, ret_existed);
    if (!err)
        err = refresh(core, share, before);
    if (err) {
        undo(core, share, entry, there ? &old : NULL);
        return err;
    }
    if (!*ret_existed)
        session->filters[session->filter_count++] = SHARE_MARK | share->number;
    return ERR_OK;
}

void sharing_leave(struct core *core, struct session *session, struct share *share)
{
    struct sub_entry before = share_entry(share);

    share_remove(&core->shares, share, session->id);
    if (session->outbox)
        outbox_forget_share(session->outbox, share->number + 1);
    if (share->members.len > 0) {
        if (refresh(core, share, before))
            core_failed(core);
        return;
    }
    filter_remove(core, share->filter, before.session);
    shares_remove(&core->shares, share);
}

void sharing_change(struct core *core, struct share *share, const struct sub_entry *entry)
{
    struct sub_entry before = share_entry(share);
    bool existed;

    if (share_put(&core->shares, share, entry, &existed) || refresh(core, share, before))
        core_failed(core);
}

/* ---- messages ---- */

/* How the message goes to a member. The subscription identifier is not in it yet. */
static struct copy copy_for(const struct share *share, const struct sub_entry *member,
                            const struct message *message)
{
    return (struct copy){ .qos = member->qos < message->qos ? member->qos : message->qos,
                          .retain = member->retain_as_published && message->retain,
                          .share = share->number + 1 };
}

/* The member that is to have the message: from the cursor on, the first that can take it
 * soonest, as far as at_least. NULL when there is none. except: not this session. */
static const struct sub_entry *pick(struct core *core, struct share *share,
                                    const struct message *message, enum readiness at_least,
                                    const struct session *except)
{
    const size_t count = share->members.len;
    enum readiness best = READY_NEVER;
    size_t chosen = 0;

    for (size_t i = 0; i < count && best < READY_NOW; i++) {
        size_t at = (share->cursor + i) % count;
        const struct sub_entry *member = &share->members.at[at];
        const struct session *session = core->routes.at[member->session].session;
        if (session == except)
            continue;
        struct copy copy = copy_for(share, member, message);
        enum readiness ready = deliver_readiness(core, session, message, &copy);
        if (ready > best) {
            best = ready;
            chosen = at;
        }
    }
    if (best == READY_NEVER || best < at_least)
        return NULL;
    share->cursor = (uint32_t)((chosen + 1) % count);
    return &share->members.at[chosen];
}

static void give(struct core *core, const struct share *share, const struct sub_entry *member,
                 struct message *message)
{
    struct copy copy = copy_for(share, member, message);

    copy.sub_ids_at = (uint32_t)core->out->sub_ids.len;
    if (member->sub_id) {
        uint32_t *slot = vec_push(&core->out->sub_ids);
        if (slot) {
            *slot = member->sub_id;
            copy.sub_id_count = 1;
        } else {
            core_failed(core);
        }
    }
    deliver_to(core, core->routes.at[member->session].session, message, &copy);
}

void sharing_deliver(struct core *core, struct share *share, struct message *message)
{
    const struct sub_entry *member = pick(core, share, message, READY_LATER, NULL);

    if (member) {
        give(core, share, member, message);
        return;
    }
    /* No room anywhere: it is the loss of the one whose turn it was. */
    member = &share->members.at[share->cursor % share->members.len];
    struct session *session = core->routes.at[member->session].session;
    if (session->conn || copy_for(share, member, message).qos > 0)
        session_dropped(core, session);
}

/* May another member have the message? [MQTT-4.8.2-4] [MQTT-4.8.2-5] */
static bool may_move(const struct outbox_entry *entry)
{
    return entry->share &&
           (entry->state == OUTBOX_WAITING || (entry->state == OUTBOX_SENT && entry->qos < 2));
}

static void withdraw(struct core *core, struct session *session, uint64_t seq)
{
    struct outbox *box = session->outbox;
    const struct outbox_entry *entry = outbox_at(box, seq);

    if (entry->state == OUTBOX_WAITING) {
        core->stats.queued--;
        core->stats.queued_bytes -= message_size(entry->message);
    }
    record_done(core, session, seq, entry->token);
    outbox_withdraw(box, seq);
}

void sharing_hand_over(struct core *core, struct session *session, bool ending)
{
    struct outbox *box = session->outbox;

    if (!box)
        return;
    for (uint64_t seq = box->head; seq < box->tail && box->shared; seq++) {
        const struct outbox_entry *entry = outbox_at(box, seq);
        if (!may_move(entry))
            continue;
        struct share *share = shares_at(&core->shares, entry->share - 1);
        const struct sub_entry *member =
            pick(core, share, entry->message, ending ? READY_LATER : READY_SOON, session);
        if (!member)
            continue;
        give(core, share, member, entry->message);
        withdraw(core, session, seq);
    }
}
