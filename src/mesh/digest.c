/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/digest.h"

#include "base/err.h"
#include "mesh/identity.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"
#include "mesh/tlv.h"
#include "mqtt/wire.h"

#include <stdlib.h>
#include <string.h>

enum { FORM_ALL, FORM_REACHABLE, FORM_LINES };
enum { LINES_LAST = 1, LINES_PERIODIC = 2, LINE_STALE = 1 };
enum { LINES_BYTES = 16000, REFUSED_MS = 60000 };

/* What a line says of one broker. */
struct line {
    struct node_id id;
    uint32_t inc;
    uint64_t boot;
    uint32_t tseq, iinc;
    uint64_t iver, ihash;
    bool stale; /* not reachable from there for long */
};

static void sum(const struct mesh *mesh, bool all, uint64_t ret_sums[DIGEST_BUCKETS])
{
    memset(ret_sums, 0, DIGEST_BUCKETS * sizeof ret_sums[0]);
    vec_each (&mesh->lsdb.order, at) {
        const struct lsdb_node *node = *at;
        if ((node->tseq || node->iver) && (all || node->reachable || node->index == NODE_SELF))
            ret_sums[node->bucket] += node->line_hash;
    }
}

void digest_send(struct mesh *mesh, struct link *link, bool all)
{
    uint64_t sums[DIGEST_BUCKETS];
    struct buf *body = mesh_scratch(mesh);

    sum(mesh, all, sums);
    buf_append_u8(body, all ? FORM_ALL : FORM_REACHABLE);
    for (int i = 0; i < DIGEST_BUCKETS; i++)
        wire_put_u64(body, sums[i]);
    link_put(mesh, link, CLASS_CONTROL, FRAME_DIGEST, buf_str(body));
}

uint64_t digest_run(struct mesh *mesh, struct link *link)
{
    if (mesh->now_ms >= link->digest_ms) {
        digest_send(mesh, link, false);
        link->digest_ms = mesh->now_ms + mesh->config.digest_ms;
    }
    return link->digest_ms;
}

/* In step with the peer? */
static void check_synced(struct mesh *mesh, struct link *link)
{
    if (link->state == LINK_EXCHANGE && link->answered && link->wants.len == 0)
        link_handle(mesh, link, LINK_EVENT_SYNCED);
}

static void put_line(struct buf *body, const struct lsdb_node *node, bool stale)
{
    buf_append(body, node->id.bytes, NODE_ID_LEN);
    wire_put_u32(body, node->inc);
    wire_put_u64(body, node->boot);
    wire_put_u32(body, node->tseq);
    wire_put_u32(body, node->iinc);
    wire_put_leb(body, node->set_bad ? 0 : node->iver);
    wire_put_u64(body, node->set && !node->set_bad ? iset_hash(node->set) : 0);
    buf_append_u8(body, stale ? LINE_STALE : 0);
}

/* One frame of lines, from *at on. */
static void put_lines(struct mesh *mesh, struct link *link, uint64_t mask, uint8_t flags,
                      size_t *at)
{
    struct buf lines = { 0 };
    struct buf *body = mesh_scratch(mesh);
    uint64_t count = 0;

    for (; *at < mesh->lsdb.order.len && lines.len < LINES_BYTES; (*at)++) {
        const struct lsdb_node *node = mesh->lsdb.order.at[*at];
        if (!(mask >> node->bucket & 1) || !(node->tseq || node->iver))
            continue;
        put_line(&lines, node, lsdb_node_is_stale(node, mesh->now_ms, mesh->config.stale_ms));
        count++;
    }
    buf_append_u8(body, FORM_LINES);
    buf_append_u8(body, flags | (*at == mesh->lsdb.order.len ? LINES_LAST : 0));
    wire_put_u64(body, mask);
    wire_put_leb(body, count);
    buf_append_str(body, buf_str(&lines));
    if (!lines.failed && !body->failed)
        link_put(mesh, link, CLASS_CONTROL, FRAME_DIGEST, buf_str(body));
    buf_finish(&lines);
}

/* Send lines of all buckets whose sums are not the peer's. A full digest is always answered:
 * its sender waits to hear what it lacks. */
static void answer_sums(struct mesh *mesh, struct link *link, const uint64_t sums[DIGEST_BUCKETS],
                        bool all)
{
    uint64_t own[DIGEST_BUCKETS], mask = 0;

    sum(mesh, all, own);
    for (int i = 0; i < DIGEST_BUCKETS; i++) {
        if (sums[i] != own[i])
            mask |= (uint64_t)1 << i;
    }
    if (mask == 0 && !all)
        return;
    size_t at = mask ? 0 : mesh->lsdb.order.len;
    do
        put_lines(mesh, link, mask, all ? 0 : LINES_PERIODIC, &at);
    while (at < mesh->lsdb.order.len && !link->closing);
}

uint64_t digest_answer_run(struct mesh *mesh, struct link *link)
{
    if (!link->sums)
        return UINT64_MAX;
    if (interest_is_behind(mesh) && mesh->now_ms < link->answer_ms)
        return link->answer_ms;
    answer_sums(mesh, link, link->sums, true);
    free(link->sums);
    link->sums = NULL;
    return UINT64_MAX;
}

/* A broker that has much to tell answers a neighbour who joins when it has told it, so that he
 * knows what is wanted here before his clients come. MESH.md 3.5 */
static int on_sums(struct mesh *mesh, struct link *link, struct wire_reader *r, bool all)
{
    uint64_t sums[DIGEST_BUCKETS];

    for (int i = 0; i < DIGEST_BUCKETS; i++)
        sums[i] = wire_get_u64(r);
    int err = wire_finish(r);
    if (err)
        return err;
    if (all && interest_is_behind(mesh) && !link->sums)
        link->sums = malloc(sizeof sums);
    if (!all || !link->sums) {
        answer_sums(mesh, link, sums, all);
        return ERR_OK;
    }
    memcpy(link->sums, sums, sizeof sums);
    link->answer_ms = mesh->now_ms + mesh->config.handshake_ms / 2;
    mesh_wake(mesh, mesh->now_ms);
    return ERR_OK;
}

/* Ask for a record and remember that it is wanted. */
static void want(struct mesh *mesh, struct link *link, const struct line *line,
                 enum record_kind kind, const struct lsdb_node *node)
{
    if (link->state == LINK_EXCHANGE) {
        struct link_want *slot = vec_push(&link->wants);
        if (slot)
            *slot = (struct link_want){
                .id = line->id,
                .kind = (uint8_t)kind,
                .inc = kind == RECORD_TOPOLOGY ? line->inc : line->iinc,
                .boot = line->boot,
                .version = kind == RECORD_TOPOLOGY ? line->tseq : line->iver,
            };
    } else {
        char hex[12];
        mesh->stats.repairs++;
        if (node)
            mesh_fact(mesh, MESH_FACT_REPAIRED, link->id, mesh_node_name(node, hex), "%s",
                      kind == RECORD_TOPOLOGY ? "topology" : "interest");
    }
    bool grows = node && node->iinc == line->iinc && !node->set_bad && node->iver < line->iver;
    if (kind == RECORD_TOPOLOGY)
        dreq_send(mesh, link, &line->id, kind, node ? node->inc : 0, node ? node->tseq : 0);
    else
        dreq_send(mesh, link, &line->id, kind, grows ? node->iinc : 0, grows ? node->iver : 0);
}

/* The peer has less of the node than is here: tell it, unless it will ask anyway. */
static void push_newer(struct mesh *mesh, struct link *link, const struct line *line,
                       struct lsdb_node *node, int topology, int interest)
{
    if (topology < 0)
        flood_tell_link(mesh, link, node, RECORD_TOPOLOGY, 0, 0, mesh->now_ms);
    if (interest < 0)
        flood_tell_link(mesh, link, node, RECORD_INTEREST, line->iinc, line->iver, mesh->now_ms);
}

/* >0 when the line's interest is newer than what is here, or the same version differs. */
static int compare_interest(const struct lsdb_node *node, const struct line *line)
{
    uint64_t ihash = interest_hash(node);

    if (interest_is_base(line->iver) && interest_is_base(node->iver) && interest_is_none(node))
        return 0; /* nothing wanted, whichever the life */
    if (line->iinc != node->iinc)
        return line->iinc > node->iinc ? 1 : -1;
    if (node->set_bad)
        return line->iver > 0;
    if (line->iver != node->iver)
        return line->iver > node->iver ? 1 : -1;
    return (line->ihash > ihash) - (line->ihash < ihash);
}

static void on_line(struct mesh *mesh, struct link *link, const struct line *line, bool periodic)
{
    struct lsdb_node *node = lsdb_find(&mesh->lsdb, &line->id);

    if (node && node->index == NODE_SELF) {
        if (line->tseq)
            identity_seen(mesh, line->inc, line->boot, line->tseq);
        /* A later incarnation's is a twin's, who is dealt with by its record; but with our
         * record beside it it is a forgotten life's. */
        bool ours = line->inc == node->inc && line->boot == node->boot;
        if ((ours || line->iinc == node->iinc) && compare_interest(node, line) > 0)
            identity_interest_seen(mesh, line->iinc);
        if (periodic && line->inc <= node->inc)
            push_newer(mesh, link, line, node,
                       lsdb_compare(node, line->inc, line->boot, line->tseq),
                       compare_interest(node, line));
        return;
    }
    if (!node && line->stale)
        return; /* somebody's memory of a broker that is gone */
    if (!node && mesh->lsdb.order.len >= mesh->lsdb.nodes_max) {
        digest_crowded(mesh, &line->id);
        return;
    }
    int topology = node ? lsdb_compare(node, line->inc, line->boot, line->tseq) : 1;
    int interest = node ? compare_interest(node, line) : !interest_is_base(line->iver);
    if (topology > 0 && line->tseq)
        want(mesh, link, line, RECORD_TOPOLOGY, node);
    if (interest > 0 && (!node || mesh->now_ms >= node->refused_ms))
        want(mesh, link, line, RECORD_INTEREST, node);
    if (node && periodic)
        push_newer(mesh, link, line, node, topology, interest);
}

static void get_line(struct wire_reader *r, struct line *ret_line)
{
    *ret_line = (struct line){ 0 };
    node_id_get(r, &ret_line->id);
    ret_line->inc = wire_get_u32(r);
    ret_line->boot = wire_get_u64(r);
    ret_line->tseq = wire_get_u32(r);
    ret_line->iinc = wire_get_u32(r);
    ret_line->iver = wire_get_leb(r);
    ret_line->ihash = wire_get_u64(r);
    ret_line->stale = wire_get_u8(r) & LINE_STALE;
}

static int on_lines(struct mesh *mesh, struct link *link, struct wire_reader *r)
{
    uint8_t flags = wire_get_u8(r);
    struct line line;

    wire_get_u64(r); /* the buckets */
    for (uint64_t left = wire_get_leb(r); left && !r->err && !link->closing; left--) {
        get_line(r, &line);
        if (!r->err)
            on_line(mesh, link, &line, flags & LINES_PERIODIC);
    }
    tlv_check(r);
    int err = link->closing ? ERR_OK : wire_finish(r);
    if (err)
        return err;
    if (flags & LINES_LAST && !(flags & LINES_PERIODIC)) {
        link->answered = true;
        check_synced(mesh, link);
    }
    return ERR_OK;
}

int digest_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    uint8_t form = wire_get_u8(&r);

    if (r.err)
        return r.err;
    if (form == FORM_LINES)
        return on_lines(mesh, link, &r);
    return form <= FORM_REACHABLE ? on_sums(mesh, link, &r, form == FORM_ALL) : ERR_OK;
}

void dreq_send(struct mesh *mesh, struct link *link, const struct node_id *id,
               enum record_kind kind, uint32_t inc, uint64_t version)
{
    struct buf *body = mesh_scratch(mesh);

    buf_append(body, id->bytes, NODE_ID_LEN);
    buf_append_u8(body, (uint8_t)kind);
    wire_put_u32(body, inc);
    wire_put_leb(body, version);
    link_put(mesh, link, CLASS_CONTROL, FRAME_DREQ, buf_str(body));
}

int dreq_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    struct node_id id = { { 0 } };

    node_id_get(&r, &id);
    uint8_t kind = wire_get_u8(&r);
    uint32_t inc = wire_get_u32(&r);
    uint64_t version = wire_get_leb(&r);
    tlv_check(&r);
    int err = wire_finish(&r);
    if (err)
        return err;
    struct lsdb_node *node = lsdb_find(&mesh->lsdb, &id);
    if (!node)
        return ERR_OK;
    if (kind == RECORD_TOPOLOGY)
        flood_tell_link(mesh, link, node, RECORD_TOPOLOGY, 0, 0, mesh->now_ms);
    else if (kind == RECORD_INTEREST)
        interest_answer(mesh, link, node, inc, version);
    return ERR_OK;
}

/* Is what was wanted here now, or something newer? */
static bool satisfied(const struct link_want *wanted, const struct lsdb_node *node)
{
    if (wanted->kind == RECORD_TOPOLOGY)
        return lsdb_compare(node, wanted->inc, wanted->boot, (uint32_t)wanted->version) <= 0;
    return node->iinc > wanted->inc ||
           (node->iinc == wanted->inc && !node->set_bad && node->iver >= wanted->version);
}

bool digest_waits(const struct link *link, const struct lsdb_node *node)
{
    vec_each (&link->wants, wanted) {
        if (wanted->kind == RECORD_INTEREST && node_id_equal(&wanted->id, &node->id))
            return true;
    }
    return false;
}

void digest_ask_again(struct mesh *mesh, const struct lsdb_node *node)
{
    link_each(mesh, link)
    {
        if (link->state == LINK_EXCHANGE && digest_waits(link, node))
            dreq_send(mesh, link, &node->id, RECORD_INTEREST, 0, 0);
    }
}

/* No link waits for these records of a broker any more. */
static void stop_wanting(struct mesh *mesh, const struct node_id *id, bool topology)
{
    link_each(mesh, link)
    {
        if (link->state != LINK_EXCHANGE)
            continue;
        for (size_t i = 0; i < link->wants.len;) {
            const struct link_want *wanted = &link->wants.at[i];
            if (node_id_equal(&wanted->id, id) && (topology || wanted->kind == RECORD_INTEREST))
                vec_swap_remove(&link->wants, i);
            else
                i++;
        }
        check_synced(mesh, link);
    }
}

void digest_crowded(struct mesh *mesh, const struct node_id *id)
{
    struct lsdb_node stranger = { .id = *id };
    char hex[12];

    mesh->stats.refused++;
    if (!mesh->crowded_ms || mesh->now_ms >= mesh->crowded_ms + REFUSED_MS) {
        mesh->crowded_ms = mesh->now_ms;
        mesh_fact(mesh, MESH_FACT_REFUSED, 0, mesh_node_name(&stranger, hex),
                  "more than %u brokers: this one is not taken in",
                  (unsigned)mesh->config.nodes_max);
    }
    stop_wanting(mesh, id, true);
}

void digest_oversized(struct mesh *mesh, struct lsdb_node *node)
{
    char hex[12];

    mesh->stats.refused++;
    if (mesh->now_ms >= node->refused_ms)
        mesh_fact(mesh, MESH_FACT_REFUSED, 0, mesh_node_name(node, hex),
                  "more than %u filters: its interest is not taken in",
                  (unsigned)mesh->config.filters_max);
    node->refused_ms = mesh->now_ms + REFUSED_MS;
    stop_wanting(mesh, &node->id, false);
}

void digest_got(struct mesh *mesh, const struct lsdb_node *node, enum record_kind kind)
{
    link_each(mesh, link)
    {
        if (link->state != LINK_EXCHANGE)
            continue; /* a draining link keeps its deadline */
        for (size_t i = 0; i < link->wants.len;) {
            const struct link_want *wanted = &link->wants.at[i];
            if (wanted->kind == kind && node_id_equal(&wanted->id, &node->id) &&
                satisfied(wanted, node)) {
                vec_swap_remove(&link->wants, i);
                link->deadline_ms = mesh->now_ms + mesh->config.handshake_ms; /* progress */
            } else {
                i++;
            }
        }
        check_synced(mesh, link);
    }
}
