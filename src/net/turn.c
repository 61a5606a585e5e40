/* SPDX-License-Identifier: Apache-2.0 */
#include "net/turn.h"

#include "base/os.h"
#include "net/carrier.h"
#include "net/carry.h"
#include "net/door.h"
#include "net/listener.h"
#include "net/meter.h"
#include "net/question.h"
#include "net/secure.h"
#include "net/stream.h"
#include "net/web.h"

enum {
    ROUNDS_MAX = 16, /* of flushing and what follows from it, before the loop runs on */
    COARSE_MS = 100, /* how exactly closings and handshakes meet their deadlines */
    CROWD = 500,     /* connections that leave within a while */
    GIVE_BACK_MS = 1000,
    DIRTY_CROWD = 64,  /* connections to write to */
    READS_ON_US = 500, /* they wait no longer for others to be read */
    STOP_MS = 4000,    /* the end takes no longer, however long a closing may */
};

void turn_time(struct net *net)
{
    net->now_us = os_monotonic_us();
    net->now_ms = net->clock_base_ms + net->now_us / 1000;
}

/* Tell the core what became of its effects; was there anything? */
static bool tell_core(struct net *net)
{
    struct core_event event = { .now_ms = net->now_ms };
    bool any = net->lost_conns.len > 0 || net->congestions.len > 0;

    event.kind = CORE_CLOSED;
    vec_each (&net->lost_conns, id) {
        event.conn = *id;
        node_on_client(net->node, &event, &net->out);
        if (net->config.left)
            net->config.left(net->config.context, *id);
        *vec_push(&net->free_conns) = *id; /* cannot fail: reserved when the number was made */
    }
    vec_clear(&net->lost_conns);
    vec_each (&net->congestions, change) {
        event.kind = change->on ? CORE_CONGESTED : CORE_DRAINED;
        event.conn = change->id;
        struct stream *stream = net->streams.at[change->id];
        if (!stream)
            continue;
        if (change->on)
            stream->told_bytes = stream->out.bytes;
        node_on_client(net->node, &event, &net->out);
    }
    vec_clear(&net->congestions);
    if (net->token > net->token_told) {
        any = true;
        event.kind = CORE_DURABLE;
        event.token = net->token_told = net->token;
        node_on_client(net->node, &event, &net->out);
    }
    return any;
}

static bool has_effects(const struct node_out *out)
{
    return out->core.sends.len || out->core.stores.len || out->core.loads.len ||
           out->core.facts.len || out->core.asks.len || out->mesh.actions.len ||
           out->mesh.facts.len;
}

void net_settle(struct net *net)
{
    bool more;

    if (net->settling)
        return;
    net->settling = true;
    do {
        if (has_effects(&net->out))
            carry_out(net);
        node_out_clear(&net->out);
        more = tell_core(net);
        more |= question_tell_core(net);
        more |= carrier_tell_mesh(net);
    } while (more || has_effects(&net->out));
    net->settling = false;
}

/* Let clients in once the node has joined. MESH.md 3.5 */
static void open_gate(struct net *net)
{
    if (net->gate_open || !node_joined(net->node, net->now_ms))
        return;
    net->gate_open = true;
    stream_admit_all(net);
    if (net->config.ready)
        net->config.ready(net->config.context);
}

void turn_shutdown(struct net *net)
{
    if (net->phase != NET_RUNNING)
        return;
    turn_time(net);
    net->phase = NET_STOPPING;
    net->stop_due_ms =
        net->now_ms + (net->config.close_wait_ms < STOP_MS ? net->config.close_wait_ms : STOP_MS);
    listener_close_all(net);
    door_close_all(net);
    node_shutdown(net->node, net->now_ms, net->now_us, &net->out);
    net_settle(net);
}

/* Is everybody gone, or may they be left behind? */
static void check_stopped(struct net *net)
{
    bool gone = net->stats.connections == 0 && net->web->sessions == 0 &&
                list_empty(&net->closing) && list_empty(&net->all_carriers);

    if (net->phase != NET_STOPPING || (!gone && net->now_ms < net->stop_due_ms))
        return;
    net->phase = NET_STOPPED;
    uv_stop(&net->loop);
}

/* When a crowd has left, what it took goes back to the system, once, when it is all free. */
static void give_back(struct net *net)
{
    uint32_t peers = 0;

    for (size_t i = 0; net->listeners && i < net->config.listener_count; i++)
        peers += net->listeners[i].connections;
    if (peers > net->peers_peak)
        net->peers_peak = peers;
    if (net->give_back_due_ms && net->give_back_due_ms <= net->now_ms) {
        os_give_back_memory();
        net->give_back_due_ms = 0;
        net->peers_peak = peers;
    } else if (!net->give_back_due_ms && net->peers_peak - peers >= CROWD &&
               peers <= net->peers_peak / 2) {
        net->give_back_due_ms = net->now_ms + GIVE_BACK_MS;
    }
}

static void earlier(uint64_t *due, uint64_t at)
{
    if (at < *due)
        *due = at;
}

void turn_schedule(struct net *net)
{
    uint64_t due = node_deadline(net->node);

    if (!list_empty(&net->closing) || !list_empty(&net->throttled) || carrier_any_waiting(net))
        earlier(&due, net->now_ms + COARSE_MS);
    if (net->unfinished || !list_empty(&net->unread) || !list_empty(&net->held) ||
        !list_empty(&net->dirty) || !list_empty(&net->dirty_carriers) ||
        taps_any_early(&net->web->taps))
        due = net->now_ms;
    if (net->phase == NET_STOPPING)
        earlier(&due, net->stop_due_ms);
    if (net->give_back_due_ms)
        earlier(&due, net->give_back_due_ms);
    if (due == net->timer_due_ms || (due > net->timer_due_ms && net->timer_due_ms > net->now_ms))
        return; /* the timer looks again by itself when it fires early */
    net->timer_due_ms = due;
    if (due == UINT64_MAX) {
        uv_timer_stop(&net->timer);
        return;
    }
    uv_update_time(&net->loop);
    uv_timer_start(&net->timer, turn_timer, due > net->now_ms ? due - net->now_ms : 0, 0);
}

/* When a crowd is to be written to, which takes a while, it is worth a look whether there is
 * more for it to read: a write for two messages costs what a write for one does. */
static bool reads_on(struct net *net)
{
    uint64_t came = net->stats.bytes_in - net->bytes_read;
    size_t crowd = 0;

    list_each (&net->dirty, node) {
        if (++crowd == DIRTY_CROWD)
            break;
    }
    net->bytes_read = net->stats.bytes_in;
    if (crowd < DIRTY_CROWD || came == 0) {
        net->reads_on_us = 0;
        return false;
    }
    if (!net->reads_on_us)
        net->reads_on_us = net->now_us;
    if (net->now_us - net->reads_on_us < READS_ON_US)
        return true;
    net->reads_on_us = 0;
    return false;
}

void turn_end(uv_prepare_t *prepare)
{
    struct net *net = prepare->data;

    turn_time(net);
    if (reads_on(net)) {
        turn_schedule(net);
        return;
    }
    net->unfinished = true;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        node_flush(net->node, net->now_ms, net->now_us, &net->out);
        net_settle(net);
        if (net->config.turn)
            net->config.turn(net->config.context, net->now_ms);
        net->unfinished = !list_empty(&net->dirty) || !list_empty(&net->dirty_carriers);
        if (!net->unfinished)
            break;
        stream_flush_all(net);
        carrier_flush_all(net);
        net_settle(net);
    }
    open_gate(net);
    check_stopped(net);
    give_back(net);
    turn_schedule(net);
}

void turn_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;

    net->timer_due_ms = UINT64_MAX;
    turn_time(net);
    if (node_deadline(net->node) <= net->now_ms) {
        core_set_wire_bytes(node_core(net->node), net->stats.bytes_in, net->stats.bytes_out);
        node_tick(net->node, net->now_ms, net->now_us, &net->out);
    }
    meter_release(net);
    stream_take_kept(net);
    secure_read_on(net);
    taps_read_on(&net->web->taps);
    stream_expire(net);
    carrier_expire(net);
    net_settle(net);
}
