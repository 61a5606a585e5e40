/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/interest_sync.h"

#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/identity.h"
#include "mesh/install.h"
#include "mesh/interest_codec.h"
#include "mesh/snapshot.h"
#include "mesh/state.h"

#include <stdlib.h>

/* Sets that are no larger are sent whole instead of announced. */
enum { SMALL_SET = 64, ASK_EVERY_MS = 1000, OLD_SET_MS = 10000 };

/* ---- sending ---- */

static void send_notice(struct mesh *mesh, struct link *link, const struct lsdb_node *node)
{
    struct buf *body = mesh_scratch(mesh);
    struct interest_head head = { .id = node->id,
                                  .inc = node->iinc,
                                  .prev = node->iver,
                                  .iver = node->iver,
                                  .flags = IDELTA_NOTICE,
                                  .hash = interest_hash(node) };

    idelta_put_head(body, &head);
    link_put(mesh, link, CLASS_CONTROL, FRAME_IDELTA, buf_str(body));
}

void interest_send(struct mesh *mesh, struct link *link, struct lsdb_node *node, uint32_t from_inc,
                   uint64_t from)
{
    size_t bytes;

    if (node->set_bad)
        return;
    struct delta *delta = from_inc == node->iinc ? delta_journal_from(node, from, &bytes) : NULL;
    if (!delta)
        delta = delta_journal_from(node, 0, &bytes); /* from nothing, if that is remembered */
    if (delta && bytes <= INTEREST_BODY_MAX) {
        for (; delta && !link->closing; delta = delta_journal_next(node, delta))
            link_put(mesh, link, CLASS_CONTROL, FRAME_IDELTA,
                     (struct str){ (const char *)delta->body, delta->len });
    } else if (!node->set || iset_count(node->set) <= SMALL_SET) {
        snapshot_send(mesh, link, node);
    } else {
        send_notice(mesh, link, node);
    }
}

void interest_answer(struct mesh *mesh, struct link *link, struct lsdb_node *node, uint32_t inc,
                     uint64_t version)
{
    size_t bytes;

    if (node->set_bad || inc > node->iinc || (inc == node->iinc && version > node->iver))
        return;
    /* What waits already may begin too late for this neighbour. */
    flood_cancel(link, node, RECORD_INTEREST);
    uint64_t from = inc == node->iinc ? version : 0;
    struct delta *delta = delta_journal_from(node, from, &bytes);
    bool changes = inc != 0 && delta && bytes <= INTEREST_BODY_MAX;
    if (!changes && snapshots_serve(&link->flood.snapshots, node, inc, version))
        return; /* it is on its way */
    flood_tell_link(mesh, link, node, changes ? RECORD_INTEREST : RECORD_SNAPSHOT, node->iinc, from,
                    mesh->now_ms);
}

/* ---- changing a set ---- */

void interest_replace(struct mesh *mesh, struct lsdb_node *node, struct iset *set, uint32_t inc,
                      uint64_t iver)
{
    struct iset *old = node->set;

    if (set && iset_count(set) == 0) {
        iset_free(set);
        set = NULL;
    }
    node->set = set;
    node->iinc = inc;
    node->iver = iver;
    node->set_bad = false;
    delta_journal_forget(&mesh->journal, node);
    install_retire(mesh, node, old, false);
    interest_watch(mesh, node);
    lsdb_touch(node);
}

/* What is known of it is nothing, as of this version. */
static void install_nothing(struct mesh *mesh, struct lsdb_node *node, uint32_t inc, uint64_t iver)
{
    snapshot_drop(mesh, node);
    interest_replace(mesh, node, NULL, inc, iver);
}

void interest_watch(struct mesh *mesh, struct lsdb_node *node)
{
    /* Beyond the record: its own is on its way, or it was a life that nobody remembers. */
    bool beyond = node->tseq && node->set && node->iinc > node->inc;

    if (!interest_is_former(node) && !beyond) {
        node->set_expires_ms = UINT64_MAX;
    } else if (!node->set) {
        node->iinc = node->inc;
        node->iver = interest_base(node->boot);
        node->set_bad = false;
        delta_journal_forget(&mesh->journal, node);
        lsdb_touch(node);
        digest_got(mesh, node, RECORD_INTEREST);
    } else if (node->set_expires_ms == UINT64_MAX) {
        node->set_expires_ms = mesh->now_ms + OLD_SET_MS;
        mesh_stale_wake(mesh, node->set_expires_ms);
    }
}

void interest_expire(struct mesh *mesh, struct lsdb_node *node)
{
    install_nothing(mesh, node, node->inc, interest_base(node->boot));
    digest_got(mesh, node, RECORD_INTEREST);
}

bool interest_forget(struct mesh *mesh, struct lsdb_node *node)
{
    if (node->set || node->snapshot || node->iver)
        install_nothing(mesh, node, 0, 0);
    return install_idle(node);
}

void interest_advanced(struct mesh *mesh, struct link *link, struct lsdb_node *node,
                       uint32_t from_inc, uint64_t from)
{
    node->asked_ms = 0;
    if (link)
        flood_cancel(link, node, RECORD_INTEREST);
    digest_got(mesh, node, RECORD_INTEREST);
    flood_tell(mesh, link, node, RECORD_INTEREST, from_inc, from);
}

void interest_catch_up(struct mesh *mesh, struct link *link, const struct lsdb_node *node)
{
    struct link *knows = link_at(mesh, node->seen_link);
    bool more = node->seen_inc == node->iinc && node->seen_iver > node->iver;

    /* Whoever brought what is here need not have more. */
    if (knows && (knows->state == LINK_EXCHANGE || knows->state == LINK_FULL))
        link = knows;
    if (more && link && !link->closing)
        dreq_send(mesh, link, &node->id, RECORD_INTEREST, node->set_bad ? 0 : node->iinc,
                  node->set_bad ? 0 : node->iver);
}

/* ---- receiving changes ---- */

/* Ask this neighbour, unless somebody was asked a moment ago. */
static void ask(struct mesh *mesh, struct link *link, struct lsdb_node *node, uint32_t inc)
{
    if (mesh->now_ms < node->refused_ms ||
        (node->asked_ms && mesh->now_ms < node->asked_ms + ASK_EVERY_MS))
        return;
    node->asked_ms = mesh->now_ms ? mesh->now_ms : 1;
    bool have = inc == node->iinc && !node->set_bad;
    dreq_send(mesh, link, &node->id, RECORD_INTEREST, have ? inc : 0, have ? node->iver : 0);
}

/* Apply the entries of a checked delta to the node's set and the index; false when memory
 * or the limit of filters is met. */
static bool apply(struct mesh *mesh, struct lsdb_node *node, struct interest_head *head)
{
    struct wire_reader *r = &head->entries;
    struct interest interest;
    struct str filter;

    if (!node->set && head->adds)
        node->set = iset_new();
    if (head->adds && (!node->set || iset_count(node->set) + head->adds > mesh->config.filters_max))
        return false;
    buf_clear(&mesh->text_buf);
    for (uint64_t left = head->adds; left; left--) {
        if (!interest_get(r, &mesh->text_buf, &interest) ||
            iset_put(node->set, &interest) != ERR_OK ||
            interest_index_put(mesh->index, node->index, &interest) != ERR_OK)
            return false;
    }
    buf_clear(&mesh->text_buf);
    for (uint64_t left = head->removals; left; left--) {
        if (!interest_get_removal(r, &mesh->text_buf, &filter))
            return false;
        if (node->set && iset_remove(node->set, filter))
            interest_index_remove(mesh->index, node->index, filter);
    }
    if (node->set && iset_count(node->set) == 0) {
        iset_free(node->set);
        node->set = NULL;
    }
    return true;
}

/* The set is not what its origin says: it serves until a snapshot comes. */
static void mark_bad(struct mesh *mesh, struct link *link, struct lsdb_node *node)
{
    char hex[12];

    node->set_bad = true;
    mesh->stats.repairs++;
    delta_journal_forget(&mesh->journal, node);
    lsdb_touch(node);
    mesh_fact(mesh, MESH_FACT_REPAIRED, link ? link->id : 0, mesh_node_name(node, hex), "%s",
              "interest does not have the hash that its origin says");
    node->asked_ms = 0;
    if (link)
        ask(mesh, link, node, node->iinc);
}

/* A delta that follows what is here. */
static void follow(struct mesh *mesh, struct link *link, struct lsdb_node *node,
                   struct interest_head *head, struct str body)
{
    uint32_t from_inc = node->iinc;
    uint64_t from = node->iver;

    if (head->prev == 0 && (head->inc != node->iinc || node->set_bad || node->iver))
        install_nothing(mesh, node, head->inc, 0);
    bool applied = apply(mesh, node, head);
    uint64_t hash = interest_hash(node);
    node->iinc = head->inc;
    node->iver = head->iver;
    interest_watch(mesh, node);
    if (!applied || hash != head->hash) {
        mark_bad(mesh, link, node);
        return;
    }
    delta_journal_add(&mesh->journal, node, head->prev, head->iver, body, mesh->now_ms);
    lsdb_touch(node);
    interest_advanced(mesh, link, node, from_inc == head->inc ? from_inc : head->inc,
                      from_inc == head->inc ? from : 0);
}

void interest_follow(struct mesh *mesh, struct link *link, struct lsdb_node *node, struct str body)
{
    struct interest_head head;

    if (idelta_decode(body, &mesh->text_buf, &head) == ERR_OK && !node->set_bad &&
        head.inc == node->iinc && head.prev == node->iver)
        follow(mesh, link, node, &head, body);
}

struct lsdb_node *interest_subject(struct mesh *mesh, struct link *link,
                                   const struct interest_head *head)
{
    struct lsdb_node *node;

    mesh->stats.floods_in++;
    int err = lsdb_need(&mesh->lsdb, &head->id, &node);
    if (err == ERR_LIMIT)
        digest_crowded(mesh, &head->id);
    if (err)
        return NULL;
    if (node->index == NODE_SELF) {
        if (head->inc == node->iinc && head->iver > node->iver)
            identity_interest_seen(mesh, head->inc);
        return NULL;
    }
    if (head->inc > node->seen_inc) {
        node->seen_inc = head->inc;
        node->seen_iver = head->iver;
        node->seen_link = link->id;
    } else if (head->inc == node->seen_inc && head->iver > node->seen_iver) {
        node->seen_iver = head->iver;
        node->seen_link = link->id;
    }
    if (head->inc < node->iinc) {
        flood_tell_link(mesh, link, node, RECORD_INTEREST, head->inc, head->iver, mesh->now_ms);
        return NULL;
    }
    return node;
}

int idelta_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct interest_head head;
    int err = idelta_decode(body, &mesh->text_buf, &head);

    if (err)
        return err == ERR_NOMEM ? ERR_OK : err;
    struct lsdb_node *node = interest_subject(mesh, link, &head);
    if (!node)
        return ERR_OK;
    bool same_inc = head.inc == node->iinc;
    if (same_inc && !node->set_bad && head.iver <= node->iver) {
        if (head.iver == node->iver)
            flood_cancel(link, node, RECORD_INTEREST);
        return ERR_OK;
    }
    bool next = head.prev == 0 || (same_inc && !node->set_bad && head.prev == node->iver);
    bool notice = head.flags & IDELTA_NOTICE;
    /* A set that is complete is about to take the place of the one this follows on. */
    if (next && !notice && !(snapshot_is_adding(node) && node->snapshot->inc >= head.inc)) {
        follow(mesh, link, node, &head, body);
        interest_catch_up(mesh, link, node);
    } else if (!snapshot_takes(node, &head, notice ? STR("") : body)) {
        ask(mesh, link, node, head.inc);
    }
    return ERR_OK;
}
