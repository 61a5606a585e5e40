/* SPDX-License-Identifier: Apache-2.0 */
/* The event queue, and the connections over edges. */
#include "sim_state.h"

#include <stdlib.h>
#include <string.h>

enum { DIAL_TIMEOUT_US = 3000000, RESET_US = 1000 };

/* ---- the queue ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

void sim_push(struct sim *sim, struct sim_event event)
{
    sim_need(vec_push(&sim->queue));
    struct sim_event *heap = sim->queue.at;
    size_t i = sim->queue.len - 1;

    event.number = sim->number++;
    while (i && before(&event, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = event;
}

bool sim_pop(struct sim *sim, uint64_t until_us, struct sim_event *ret_event)
{
    struct sim_event *heap = sim->queue.at;

    if (sim->queue.len == 0 || heap[0].time_us > until_us)
        return false;
    *ret_event = heap[0];
    struct sim_event last = heap[--sim->queue.len];
    size_t i = 0, len = sim->queue.len;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= len)
            break;
        if (child + 1 < len && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    if (len)
        heap[i] = last;
    return true;
}

/* ---- ways ---- */

static struct sim_edge *edge_of(struct sim *sim, const struct sim_conn *conn)
{
    return &sim->edges.at[conn->edge];
}

/* Is the way from a side of the connection to the other silent? */
static bool muted_from(struct sim *sim, const struct sim_conn *conn, unsigned side)
{
    return edge_of(sim, conn)->mute[conn->end ^ side];
}

static uint64_t delay_us(struct sim *sim, const struct sim_conn *conn)
{
    const struct sim_edge *edge = edge_of(sim, conn);

    return edge->delay_us + rand_below(&sim->rand, edge->jitter_us + 1);
}

/* When something sent now arrives at a side: never before what was sent earlier. */
static uint64_t arrival_us(struct sim *sim, struct sim_conn *conn, unsigned side, uint64_t leave_us)
{
    uint64_t at = leave_us + delay_us(sim, conn);
    struct sim_side *to = &conn->side[side];

    if (at < to->arrival_us)
        at = to->arrival_us;
    to->arrival_us = at;
    return at;
}

static void push_conn(struct sim *sim, uint64_t time_us, enum sim_event_kind kind,
                      struct sim_conn *conn, unsigned side, const char *reason)
{
    sim_push(sim, (struct sim_event){ .time_us = time_us,
                                      .kind = kind,
                                      .conn = conn,
                                      .side = (uint8_t)side,
                                      .reason = reason });
}

/* ---- what a mesh does ---- */

void sim_net_dial(struct sim *sim, uint32_t node, uint32_t seed)
{
    struct sim_node *from = &sim->nodes.at[node];

    if (seed >= from->seeds.len || from->seeds.at[seed].dialing) {
        sim_fail(sim, "%s dials seed %u, which it must not", from->name, seed);
        return;
    }
    struct sim_conn *conn = sim_need(calloc(1, sizeof *conn));
    *(struct sim_conn **)sim_need(vec_push(&sim->conns)) = conn;
    from->seeds.at[seed].dialing = true;
    conn->seed = seed;
    conn->edge = from->seeds.at[seed].edge;
    conn->end = from->seeds.at[seed].end;
    conn->side[0].node = node;
    conn->side[1].node = edge_of(sim, conn)->ends[conn->end ^ 1];
    sim_push(sim, (struct sim_event){ .time_us = sim->now_us + delay_us(sim, conn),
                                      .kind = SIM_ACCEPT,
                                      .conn = conn,
                                      .node = node,
                                      .life = from->life });
}

static struct sim_conn *conn_of(struct sim *sim, uint32_t node, link_id link, unsigned *ret_side)
{
    struct sim_node *owner = &sim->nodes.at[node];
    struct sim_conn *conn = link < owner->links.len ? owner->links.at[link] : NULL;

    if (!conn) {
        sim_fail(sim, "%s uses link %u, which it does not have", owner->name, link);
        return NULL;
    }
    *ret_side = conn->side[0].node == node && conn->side[0].link == link ? 0 : 1;
    return conn;
}

/* Whoever runs whole brokers hears where their bundles are. */
static void tell(struct sim *sim, uint32_t node, enum sim_way way, const uint8_t *bytes, size_t len)
{
    if (sim->brokers)
        sim->brokers->bundle(sim->brokers->context, node, way,
                             (struct str){ (const char *)bytes, len });
}

void sim_net_send(struct sim *sim, uint32_t node, link_id link, const uint8_t *bytes, size_t len)
{
    unsigned side;
    struct sim_conn *conn = conn_of(sim, node, link, &side);

    if (!conn)
        return;
    struct sim_side *from = &conn->side[side];
    if (len == 0 || len > MESH_BUNDLE_MAX || from->closing)
        sim_fail(sim, "%s sends %zu bytes on link %u%s", sim->nodes.at[node].name, len, link,
                 from->closing ? " after closing it" : "");
    from->granted -= len < from->granted ? len : from->granted;
    tell(sim, node, SIM_LEAVES, bytes, len);
    if (conn->severed) {
        tell(sim, conn->side[side ^ 1].node, SIM_LOST, bytes, len);
        return;
    }
    uint64_t rate = edge_of(sim, conn)->bytes_per_s, leave_us = sim->now_us;
    if (rate) {
        if (from->free_us < sim->now_us)
            from->free_us = sim->now_us;
        from->free_us += len * 1000000 / rate;
        leave_us = from->free_us;
        from->outstanding += len;
        sim_push(sim, (struct sim_event){ .time_us = leave_us,
                                          .kind = SIM_DRAIN,
                                          .conn = conn,
                                          .side = (uint8_t)side,
                                          .len = len });
    } else if (from->granted < SIM_WINDOW / 2) {
        push_conn(sim, sim->now_us, SIM_WRITABLE, conn, side, NULL);
    }
    uint8_t *copy = sim_need(malloc(len));
    memcpy(copy, bytes, len);
    sim_push(sim, (struct sim_event){ .time_us = arrival_us(sim, conn, side ^ 1, leave_us),
                                      .kind = SIM_RX,
                                      .conn = conn,
                                      .side = (uint8_t)(side ^ 1),
                                      .bytes = copy,
                                      .len = len });
}

void sim_net_close(struct sim *sim, uint32_t node, link_id link)
{
    unsigned side;
    struct sim_conn *conn = conn_of(sim, node, link, &side);

    if (!conn || conn->side[side].closing)
        return;
    conn->side[side].closing = true;
    push_conn(sim, sim->now_us, SIM_DOWN, conn, side, "closed here");
    if (conn->severed)
        return;
    uint64_t leave_us = sim->now_us;
    if (conn->side[side].free_us > leave_us)
        leave_us = conn->side[side].free_us;
    push_conn(sim, arrival_us(sim, conn, side ^ 1, leave_us), SIM_DOWN, conn, side ^ 1,
              "closed by peer");
}

/* ---- what happens to connections ---- */

/* A number for the link at this side. */
static void open_side(struct sim *sim, struct sim_conn *conn, unsigned side)
{
    struct sim_node *node = &sim->nodes.at[conn->side[side].node];
    link_id link = 1;

    while (node->links.len < 2)
        sim_need(vec_push(&node->links));
    while (link < node->links.len && node->links.at[link])
        link++;
    if (link == node->links.len)
        sim_need(vec_push(&node->links));
    node->links.at[link] = conn;
    conn->side[side].link = link;
    conn->side[side].granted = SIM_WINDOW;
}

static void link_up(struct sim *sim, struct sim_conn *conn, unsigned side)
{
    struct mesh_event up = { .kind = MESH_LINK_UP, .seed = side ? MESH_ACCEPTED : conn->seed };
    struct mesh_event writable = { .kind = MESH_LINK_WRITABLE, .room = SIM_WINDOW };

    open_side(sim, conn, side);
    up.link = writable.link = conn->side[side].link;
    sim_node_step(sim, conn->side[side].node, &up);
    if (conn->side[side].link)
        sim_node_step(sim, conn->side[side].node, &writable);
}

static void link_down(struct sim *sim, struct sim_conn *conn, unsigned side, const char *reason)
{
    struct sim_side *at = &conn->side[side];
    struct mesh_event down = { .kind = MESH_LINK_DOWN, .link = at->link };

    if (at->link == 0)
        return;
    down.text = str_from_c(reason);
    sim->nodes.at[at->node].links.at[at->link] = NULL;
    at->link = 0;
    sim_node_step(sim, at->node, &down);
}

static void dial_failed(struct sim *sim, const struct sim_event *event, uint64_t time_us,
                        const char *reason)
{
    sim_push(sim, (struct sim_event){ .time_us = time_us,
                                      .kind = SIM_DIAL_FAILED,
                                      .conn = event->conn,
                                      .node = event->node,
                                      .life = event->life,
                                      .reason = reason });
}

static void on_accept(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = event->conn;
    struct sim_node *from = &sim->nodes.at[conn->side[0].node];
    struct sim_node *to = &sim->nodes.at[conn->side[1].node];

    if (from->life != event->life || !from->mesh)
        return;
    if (muted_from(sim, conn, 0) || muted_from(sim, conn, 1) || !to->host_up) {
        dial_failed(sim, event, sim->now_us + DIAL_TIMEOUT_US, "timed out");
        return;
    }
    uint64_t answer_us = sim->now_us + delay_us(sim, conn);
    if (edge_of(sim, conn)->cut || !to->mesh) {
        dial_failed(sim, event, answer_us, "connection refused");
        return;
    }
    conn->side[0].arrival_us = answer_us;
    sim_push(sim, (struct sim_event){ .time_us = answer_us,
                                      .kind = SIM_UP,
                                      .conn = conn,
                                      .node = event->node,
                                      .life = event->life });
    link_up(sim, conn, 1);
}

static void on_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = event->conn;
    struct sim_node *from = &sim->nodes.at[conn->side[0].node];

    if (from->life != event->life || !from->mesh) {
        if (from->host_up)
            push_conn(sim, sim->now_us + RESET_US, SIM_DOWN, conn, 1, "connection reset");
        return;
    }
    if (conn->severed) {
        dial_failed(sim, event, sim->now_us, "connection reset");
        return;
    }
    from->seeds.at[conn->seed].dialing = false;
    link_up(sim, conn, 0);
}

static void on_dial_failed(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *from = &sim->nodes.at[event->node];
    struct mesh_event failed = { .kind = MESH_DIAL_FAILED, .seed = event->conn->seed };

    if (from->life != event->life || !from->mesh)
        return;
    failed.text = str_from_c(event->reason);
    from->seeds.at[event->conn->seed].dialing = false;
    sim_node_step(sim, event->node, &failed);
}

static void on_rx(struct sim *sim, const struct sim_event *event)
{
    struct sim_conn *conn = event->conn;
    const struct sim_side *at = &conn->side[event->side];
    struct mesh_event rx = { .kind = MESH_LINK_RX, .link = at->link };
    bool lost = conn->severed || at->link == 0 || at->closing;

    tell(sim, at->node, lost ? SIM_LOST : SIM_ARRIVES, event->bytes, event->len);
    if (conn->severed)
        return;
    if (at->link == 0) {
        /* The machine answers for a process that is gone. */
        if (sim->nodes.at[at->node].host_up)
            push_conn(sim, sim->now_us + delay_us(sim, conn), SIM_DOWN, conn, event->side ^ 1,
                      "connection reset");
        return;
    }
    if (at->closing)
        return;
    rx.bytes = (struct str){ (const char *)event->bytes, event->len };
    sim_node_step(sim, at->node, &rx);
}

static void on_room(struct sim *sim, const struct sim_event *event)
{
    struct sim_side *at = &event->conn->side[event->side];

    if (event->kind == SIM_DRAIN)
        at->outstanding -= event->len;
    if (at->link == 0 || at->closing || at->granted >= SIM_WINDOW / 2 ||
        at->outstanding >= SIM_WINDOW / 2)
        return;
    at->granted = SIM_WINDOW - at->outstanding;
    struct mesh_event writable = { .kind = MESH_LINK_WRITABLE,
                                   .link = at->link,
                                   .room = at->granted };
    sim_node_step(sim, at->node, &writable);
}

/* Does the event have to wait for a silent way? Closing here is known at once. */
static bool must_wait(struct sim *sim, const struct sim_event *event)
{
    if (event->kind == SIM_UP || event->kind == SIM_RX)
        return !event->conn->severed && muted_from(sim, event->conn, event->side ^ 1);
    if (event->kind == SIM_DOWN)
        return !event->conn->severed && !event->conn->side[event->side].closing &&
               muted_from(sim, event->conn, event->side ^ 1);
    return false;
}

void sim_net_handle(struct sim *sim, struct sim_event *event)
{
    if (must_wait(sim, event)) {
        *(struct sim_event *)sim_need(vec_push(&sim->held)) = *event;
        event->bytes = NULL;
        return;
    }
    if (event->kind == SIM_ACCEPT)
        on_accept(sim, event);
    else if (event->kind == SIM_UP)
        on_up(sim, event);
    else if (event->kind == SIM_DIAL_FAILED)
        on_dial_failed(sim, event);
    else if (event->kind == SIM_DOWN)
        link_down(sim, event->conn, event->side, event->reason);
    else if (event->kind == SIM_RX)
        on_rx(sim, event);
    else
        on_room(sim, event);
}

void sim_net_forget(struct sim *sim, uint32_t node, bool told)
{
    struct sim_node *owner = &sim->nodes.at[node];

    vec_each (&owner->seeds, seed)
        seed->dialing = false;
    for (link_id link = 1; link < owner->links.len; link++) {
        struct sim_conn *conn = owner->links.at[link];
        if (!conn)
            continue;
        unsigned side = conn->side[0].node == node && conn->side[0].link == link ? 0 : 1;
        conn->side[side].link = 0;
        owner->links.at[link] = NULL;
        if (told && !conn->severed)
            push_conn(sim, arrival_us(sim, conn, side ^ 1, sim->now_us), SIM_DOWN, conn, side ^ 1,
                      "connection reset");
    }
}

void sim_net_reset(struct sim *sim, uint32_t edge)
{
    vec_each (&sim->conns, at) {
        struct sim_conn *conn = *at;
        if (conn->edge != edge || conn->severed)
            continue;
        conn->severed = true;
        for (unsigned side = 0; side < 2; side++)
            push_conn(sim, sim->now_us + rand_below(&sim->rand, RESET_US), SIM_DOWN, conn, side,
                      "connection reset");
    }
}

void sim_net_release(struct sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->held.len; i++) {
        struct sim_event event = sim->held.at[i];
        if (must_wait(sim, &event)) {
            sim->held.at[kept++] = event;
            continue;
        }
        event.time_us = sim->now_us;
        event.conn->side[event.side].arrival_us = sim->now_us;
        sim_push(sim, event);
    }
    sim->held.len = kept;
}
