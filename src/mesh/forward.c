/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/forward.h"

#include "base/err.h"
#include "base/hash.h"
#include "mesh/deliver.h"
#include "mesh/state.h"

#include <stdlib.h>
#include <string.h>

/* A frame in limbo, as it would stand in a bundle behind its length. */
struct waiting {
    struct list node;
    uint64_t due_ms;
    link_id from;   /* where it came from; 0: from here */
    bool for_paths; /* waits for new paths */
    size_t len;
    uint8_t bytes[];
};

void forward_init(struct forward *forward)
{
    *forward = (struct forward){ 0 };
    list_init(&forward->limbo);
}

void forward_finish(struct forward *forward)
{
    struct list *node;

    while (forward->limbo.next && (node = list_pop_front(&forward->limbo)))
        free(list_entry(node, struct waiting, node));
    vec_finish(&forward->hops);
    vec_finish(&forward->parked);
}

/* The link that leads to a node: of equally short ways the one that the flow falls on, the
 * same for all nodes behind the same neighbours. 0: none now. MESH.md 3.6. */
static link_id route(const struct mesh *mesh, const struct lsdb_node *node, uint8_t flow)
{
    link_id best = 0;
    uint64_t best_key = 0;

    if (node->hop_count == 1)
        return lsdb_at(&mesh->lsdb, node->next_hops[0])->link;
    for (int i = 0; i < node->hop_count; i++) {
        const struct lsdb_node *hop = lsdb_at(&mesh->lsdb, node->next_hops[i]);
        uint64_t key = hash_mix(hop->ecmp_key ^ flow);
        if (hop->link && (!best || key > best_key)) {
            best = hop->link;
            best_key = key;
        }
    }
    return best;
}

/* Are paths being computed that may well lead to this node? */
static bool may_come(const struct mesh *mesh, const struct lsdb_node *node)
{
    enum { JUST_MS = 1000 };

    return mesh->spf_pace.due_ms != UINT64_MAX && node->tseq &&
           (node->reachable || mesh->now_ms - node->lost_ms < JUST_MS);
}

/* ---- sending ---- */

/* One frame onto one link. */
static void put(struct mesh *mesh, const struct frame *frame, const struct frame_tail *tail,
                const struct hop *hops, size_t count)
{
    struct link *link = link_at(mesh, hops[0].link);
    size_t inner = frame_head_len(frame, hops, count) + tail->len;
    size_t len = wire_varint_len((uint32_t)inner) + inner;
    uint8_t *at = link_queue_add(&link->queue, &mesh->pool, CLASS_DATA, len, mesh->now_ms);

    if (!at)
        return;
    at += wire_store_varint(at, (uint32_t)inner);
    at = frame_put_head(at, frame, hops, count);
    frame_put_tail(at, tail);
    /* A piece that is dropped costs a whole message. */
    if (frame->flags & FRAME_QOS || frame->type == FRAME_FRAG)
        link_queue_keep(&link->queue, CLASS_DATA);
}

/* In order of link, then sid. */
static int compare_hops(const void *a, const void *b)
{
    const struct hop *x = a, *y = b;

    if (x->link != y->link)
        return x->link < y->link ? -1 : 1;
    return (x->sid > y->sid) - (x->sid < y->sid);
}

/* The frame to all of hops, which are in order: one copy to each link. */
static void emit(struct mesh *mesh, const struct frame *frame, const struct frame_tail *tail)
{
    struct hop *hops = mesh->forward.hops.at;
    size_t len = mesh->forward.hops.len;

    for (size_t from = 0, to; from < len; from = to) {
        for (to = from + 1;
             to < len && hops[to].link == hops[from].link && to - from < FRAME_DESTS_MAX;)
            to++;
        if (mesh->lsdb.sid_conflicts)
            frame_order_hops(&hops[from], to - from);
        put(mesh, frame, tail, &hops[from], to - from);
    }
}

/* Let only those hops stay on whose links all pieces find room together: a message goes in
 * whole or not at all. */
static void reserve_pieces(struct mesh *mesh, const struct frame *frame, size_t whole,
                           uint64_t pieces)
{
    struct forward *forward = &mesh->forward;
    struct hop *hops = forward->hops.at;
    size_t kept = 0;

    for (size_t from = 0, to; from < forward->hops.len; from = to) {
        size_t frames = 0;
        for (to = from; to < forward->hops.len && hops[to].link == hops[from].link; to++)
            frames += (to - from) % FRAME_DESTS_MAX == 0;
        /* At most: the lists of sids of several frames are no longer than that of one. */
        size_t heads = frame_head_len(frame, &hops[from], to - from) +
                       frames * (FRAG_HEAD_MAX + FRAME_HEAD_MAX);
        struct link *link = link_at(mesh, hops[from].link);
        if (whole > FRAG_BYTES_MAX ||
            !link_queue_reserve(&link->queue, &mesh->pool,
                                frames * whole + (size_t)pieces * heads)) {
            mesh->pool.dropped_full++;
            continue;
        }
        for (size_t i = from; i < to; i++)
            hops[kept++] = hops[i];
    }
    forward->hops.len = kept;
}

/* The pieces of a large tail, each as a frame of its own. */
static void emit_pieces(struct mesh *mesh, struct frame frame, const struct frame_tail *whole)
{
    uint64_t count = (whole->len + FRAME_TAIL_MAX - 1) / FRAME_TAIL_MAX;
    uint64_t piece = frag_len(whole->len, count), id = ++mesh->forward.frag_id;
    uint8_t head[FRAG_HEAD_MAX], *flat;

    reserve_pieces(mesh, &frame, whole->len, count);
    if (mesh->forward.hops.len == 0)
        return;
    flat = malloc(whole->len);
    if (!flat) {
        mesh->pool.dropped_full++;
        return;
    }
    frame_put_tail(flat, whole);
    frame.type = FRAME_FRAG;
    for (uint64_t i = 0; i < count; i++) {
        size_t from = (size_t)(i * piece), left = whole->len - from;
        struct frame_tail tail = { 0 };
        tail.pieces[0] =
            (struct str){ (const char *)head, frag_put_head(head, id, i, count, whole->len) };
        tail.pieces[1] = (struct str){ (const char *)flat + from, left < piece ? left : piece };
        tail.len = tail.pieces[0].len + tail.pieces[1].len;
        emit(mesh, &frame, &tail);
    }
    free(flat);
}

/* ---- limbo ---- */

/* Let the frame wait for the parked hops. */
static void park(struct mesh *mesh, const struct frame *frame, const struct frame_tail *tail,
                 link_id from, bool for_paths)
{
    struct forward *forward = &mesh->forward;
    size_t count = forward->parked.len;
    uint64_t due_ms = mesh->now_ms + LIMBO_MS;

    frame_order_hops(forward->parked.at, count); /* whichever links they wait for */
    size_t len = frame_head_len(frame, forward->parked.at, count) + tail->len;
    struct waiting *waiting = NULL;
    if (forward->limbo_bytes + len <= LIMBO_BYTES_MAX && count <= FRAME_DESTS_MAX &&
        len < MESH_BUNDLE_MAX)
        waiting = malloc(sizeof *waiting + len);
    if (!waiting) {
        *(for_paths ? &mesh->stats.dropped_unreachable : &mesh->stats.dropped_uturn) += count;
        return;
    }
    if (for_paths && mesh->spf_pace.due_ms > due_ms)
        due_ms = mesh->spf_pace.due_ms;
    *waiting =
        (struct waiting){ .due_ms = due_ms, .from = from, .for_paths = for_paths, .len = len };
    uint8_t *at = frame_put_head(waiting->bytes, frame, forward->parked.at, count);
    frame_put_tail(at, tail);
    list_push_back(&forward->limbo, &waiting->node);
    forward->limbo_bytes += len;
    mesh_wake(mesh, due_ms);
}

/* ---- the way in ---- */

/* Sort a reachable destination into the hops or, while new paths are on their way, into
 * the parked. */
static bool aim(struct mesh *mesh, const struct lsdb_node *node, link_id link, bool wait)
{
    struct hop *hop =
        link && !wait ? vec_push(&mesh->forward.hops) : vec_push(&mesh->forward.parked);

    if (!hop)
        return false;
    *hop = (struct hop){ .link = link, .sid = node->sid, .node = node };
    return true;
}

static void send_or_park(struct mesh *mesh, const struct frame *frame,
                         const struct frame_tail *tail, bool large)
{
    struct forward *forward = &mesh->forward;

    if (forward->hops.len > 1)
        qsort(forward->hops.at, forward->hops.len, sizeof forward->hops.at[0], compare_hops);
    if (forward->hops.len) {
        if (large)
            emit_pieces(mesh, *frame, tail);
        else
            emit(mesh, frame, tail);
    }
    if (large)
        mesh->stats.dropped_unreachable += forward->parked.len; /* too large to wait */
    else if (forward->parked.len)
        park(mesh, frame, tail, 0, true);
}

void forward_publish(struct mesh *mesh, struct message *message)
{
    struct forward *forward = &mesh->forward;
    struct str topic = message_topic(message);
    uint64_t hash = message->topic_hash ? message->topic_hash
                                        : hash_fast(mesh->config.random_seed, topic.ptr, topic.len);
    size_t count;
    const struct interest_node *wanted = interest_index_match(mesh->index, topic, hash, &count);

    if (!wanted || count == 0 || count == SIZE_MAX)
        return;
    if (message->expires_ms != MESSAGE_NEVER && message->expires_ms < mesh->now_ms)
        return;
    uint8_t flow = (uint8_t)hash_mix(hash ^ message->publisher << 32);
    vec_clear(&forward->hops);
    vec_clear(&forward->parked);
    for (size_t i = 0; i < count; i++) {
        const struct lsdb_node *node = lsdb_at(&mesh->lsdb, wanted[i].node);
        link_id link = node->reachable ? route(mesh, node, flow) : 0;
        if (link || may_come(mesh, node))
            aim(mesh, node, link, false);
    }
    if (forward->hops.len + forward->parked.len == 0)
        return;
    mesh->stats.published++;
    struct frame frame = {
        .type = FRAME_DATA,
        .flags = (uint8_t)(message->qos << FRAME_QOS_SHIFT | (message->retain ? FRAME_RETAIN : 0)),
        .ttl = FRAME_TTL,
        .flow = flow,
        .origin = lsdb_self(&mesh->lsdb)->sid,
    };
    struct frame_tail tail;
    frame_tail_of(message, mesh->now_ms, &tail);
    send_or_park(mesh, &frame, &tail, tail.len > FRAME_TAIL_MAX);
}

/* ---- on the way ---- */

static struct lsdb_node *node_of(const struct mesh *mesh, const struct frame_dest *dest)
{
    struct node_id id;

    if (!dest->id)
        return lsdb_by_sid(&mesh->lsdb, dest->sid);
    memcpy(id.bytes, dest->id, NODE_ID_LEN);
    return lsdb_find(&mesh->lsdb, &id);
}

/* Send a frame on that came from a link (0: from here), to each of its destinations.
 * again: it waited in limbo already. */
static void pass_on(struct mesh *mesh, struct link *link, link_id from, const struct frame *frame,
                    struct frame_dests *dests, bool again)
{
    struct forward *forward = &mesh->forward;
    bool local = false, turned = false;
    struct frame_dest dest;

    vec_clear(&forward->hops);
    vec_clear(&forward->parked);
    while (frame_next_dest(dests, &dest)) {
        const struct lsdb_node *node = node_of(mesh, &dest);
        if (node && node->index == NODE_SELF) {
            local = true;
            continue;
        }
        link_id hop = node && node->reachable ? route(mesh, node, frame->flow) : 0;
        bool uturn = hop && hop == from;
        if (hop && !uturn) {
            aim(mesh, node, hop, false);
        } else if (!again && node && (uturn || may_come(mesh, node))) {
            turned = turned || uturn;
            aim(mesh, node, hop, true);
        } else {
            (*(uturn ? &mesh->stats.dropped_uturn : &mesh->stats.dropped_unreachable))++;
        }
    }
    struct frame_tail tail = { .pieces = { frame->tail }, .len = frame->tail.len };
    if (forward->hops.len) {
        mesh->stats.frames_forwarded++;
        if (forward->hops.len > 1)
            qsort(forward->hops.at, forward->hops.len, sizeof forward->hops.at[0], compare_hops);
        emit(mesh, frame, &tail);
    }
    if (forward->parked.len)
        park(mesh, frame, &tail, from, !turned);
    if (local)
        mesh_deliver(mesh, link, frame);
}

int forward_on_frame(struct mesh *mesh, struct link *link, uint8_t type, struct str body)
{
    struct frame frame;
    struct frame_dests dests;
    int err = frame_decode(type, body, &frame, &dests);

    if (err)
        return err;
    if (frame.tail.len > FRAME_TAIL_MAX + FRAG_HEAD_MAX)
        return ERR_MALFORMED; /* it should have come in pieces */
    if (frame.ttl == 0) {
        mesh->stats.dropped_ttl++;
        return ERR_OK;
    }
    frame.ttl--;
    pass_on(mesh, link, link->id, &frame, &dests, false);
    return ERR_OK;
}

/* ---- out of limbo ---- */

static void release(struct mesh *mesh, struct waiting *waiting)
{
    struct frame frame;
    struct frame_dests dests;
    struct str body = { (const char *)waiting->bytes + 1, waiting->len - 1 };

    list_remove(&waiting->node);
    mesh->forward.limbo_bytes -= waiting->len;
    if (frame_decode(waiting->bytes[0], body, &frame, &dests) == ERR_OK)
        pass_on(mesh, NULL, waiting->from, &frame, &dests, true);
    free(waiting);
}

void forward_rerouted(struct mesh *mesh)
{
    list_each_safe (&mesh->forward.limbo, node, after) {
        struct waiting *waiting = list_entry(node, struct waiting, node);
        if (waiting->for_paths)
            release(mesh, waiting);
    }
}

uint64_t forward_run(struct mesh *mesh)
{
    uint64_t next_ms = UINT64_MAX;

    list_each_safe (&mesh->forward.limbo, node, after) {
        struct waiting *waiting = list_entry(node, struct waiting, node);
        if (waiting->due_ms <= mesh->now_ms)
            release(mesh, waiting);
        else if (waiting->due_ms < next_ms)
            next_ms = waiting->due_ms;
    }
    return next_ms;
}
