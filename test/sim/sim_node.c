/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers: their start and end, their steps, what their clients do. */
#include "sim_state.h"

#include "base/hash.h"
#include "topic/topic.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICKS_IN_PLACE_MAX = 50, VIEWS_EVERY = 64 };

uint64_t sim_node_now_ms(const struct sim *sim, uint32_t index)
{
    return SIM_EPOCH_MS + sim->nodes.at[index].skew_ms + sim->now_us / 1000;
}

/* ---- start and end ---- */

static struct mesh *make_mesh(struct sim *sim, struct sim_node *node, uint32_t index)
{
    struct str urls[1024];
    char text[1024][20];
    static const uint32_t pieces[] = { 0, 1, 2, 5 }; /* with some seeds much is done in parts */
    struct mesh_config config = {
        .id = node->id,
        .inc = node->persisted_inc,
        .boot = hash_mix(sim->seed ^ ((uint64_t)index << 32 | node->life)),
        .random_seed = hash_mix(sim->seed + index * 7919u + node->life),
        .name = str_from_c(node->name),
        .mesh_name = STR("sim"),
        .seeds = urls,
        .seed_count = node->seeds.len,
        .stub_only = node->stub,
        .ping_ms = sim->nodes.len > SIM_WATCHED_MAX ? 1000 : 250,
        .handshake_ms = 3000,
        .interest_piece = pieces[hash_mix(sim->seed) % 4],
        .dial_backoff_ms = 100,
        .dial_backoff_max_ms = 1000,
        .links_max = 2048, /* a star of a thousand */
        .link_queue_bytes_max = SIM_QUEUE_MAX,
    };

    assert(node->seeds.len <= 1024);
    for (size_t i = 0; i < node->seeds.len; i++) {
        const struct sim_edge *edge = &sim->edges.at[node->seeds.at[i].edge];
        uint32_t peer = edge->ends[node->seeds.at[i].end ^ 1];
        snprintf(text[i], sizeof text[i], "sim://%s", sim->nodes.at[peer].name);
        urls[i] = str_from_c(text[i]);
    }
    mesh_config_defaults(&config);
    if (sim->brokers)
        return sim->brokers->start(sim->brokers->context, index, &config);
    return sim_need(mesh_new(&config, sim_node_now_ms(sim, index)));
}

void sim_node_start(struct sim *sim, uint32_t index, bool disk)
{
    struct sim_node *node = &sim->nodes.at[index];

    assert(!node->mesh);
    node->life++;
    node->host_up = true;
    node->persisted_inc = disk ? node->persisted_inc + 1 : 1;
    node->wake_us = UINT64_MAX;
    node->flush_due = false;
    node->mesh = make_mesh(sim, node, index);
    sim_check_step(sim, index); /* the set that a life begins with is one, too */
    /* Sessions are recovered before the first link. MESH.md 3.5. */
    vec_each (&node->wants, want) {
        want->wanted = want->wanted && want->persistent && disk;
        if (want->wanted && !sim->brokers)
            sim_node_want(sim, index, want->filter, want->qos, true, true);
    }
    struct mesh_event tick = { .kind = MESH_TICK };
    sim_node_step(sim, index, &tick);
}

void sim_node_stop(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes.at[index];

    if (sim->brokers)
        sim->brokers->stop(sim->brokers->context, index);
    else
        mesh_free(node->mesh);
    node->mesh = NULL;
}

/* ---- steps ---- */

static void add_to_hash(struct sim *sim, uint64_t value)
{
    sim->hash = hash_mix(sim->hash ^ value);
}

static struct str out_text(const struct mesh_out *out, size_t at, size_t len)
{
    return (struct str){ (const char *)out->bytes.data + at, len };
}

static void carry_out(struct sim *sim, uint32_t index, const struct mesh_action *action,
                      const struct mesh_out *out)
{
    struct sim_node *node = &sim->nodes.at[index];
    const uint8_t *bytes = out->bytes.data + action->at;

    add_to_hash(sim, (uint64_t)action->kind << 48 | (uint64_t)action->link << 24 | action->seed);
    add_to_hash(sim, hash_fast(action->inc, bytes, action->len));
    switch (action->kind) {
    case MESH_SEND: sim_net_send(sim, index, action->link, bytes, action->len); break;
    case MESH_DIAL: sim_net_dial(sim, index, action->seed); break;
    case MESH_CLOSE: sim_net_close(sim, index, action->link); break;
    case MESH_DELIVER:
        if (sim->brokers)
            sim->brokers->deliver(sim->brokers->context, index, action->message);
        else
            sim_check_deliver(sim, index, action->message);
        break;
    case MESH_PERSIST: node->persisted_inc = action->inc; break;
    }
}

static void tell_facts(struct sim *sim, const struct sim_node *node, const struct mesh_out *out)
{
    vec_each (&out->facts, fact) {
        struct str name = out_text(out, fact->name_at, fact->name_len);
        struct str text = out_text(out, fact->text_at, fact->text_len);
        sim_say(sim, node, "%s %.*s%s%.*s", mesh_fact_name(fact->kind), STR_ARG(name),
                text.len ? ": " : "", STR_ARG(text));
    }
}

/* When to let a broker know of the time. */
static uint64_t deadline(const struct sim *sim, uint32_t index)
{
    return sim->brokers ? sim->brokers->deadline(sim->brokers->context, index)
                        : mesh_deadline(sim->nodes.at[index].mesh);
}

/* Arrange for the next tick, and for the end of this turn. */
static void arrange(struct sim *sim, uint32_t index, bool flushed)
{
    struct sim_node *node = &sim->nodes.at[index];
    uint64_t base_ms = SIM_EPOCH_MS + node->skew_ms, due_ms = deadline(sim, index);

    if (!flushed && !node->flush_due) {
        node->flush_due = true;
        sim_push(sim, (struct sim_event){ .time_us = sim->now_us,
                                          .kind = SIM_FLUSH,
                                          .node = index,
                                          .life = node->life });
    }
    if (due_ms == UINT64_MAX)
        return;
    uint64_t due_us = due_ms > base_ms ? (due_ms - base_ms) * 1000 : 0;
    if (due_us < sim->now_us)
        due_us = sim->now_us;
    if (due_us >= node->wake_us)
        return;
    node->wake_us = due_us;
    sim_push(sim, (struct sim_event){
                      .time_us = due_us, .kind = SIM_TICK, .node = index, .life = node->life });
}

void sim_node_step(struct sim *sim, uint32_t index, struct mesh_event *event)
{
    event->now_ms = sim_node_now_ms(sim, index);
    event->now_us = sim->now_us;
    add_to_hash(sim, sim->now_us << 12 ^ (uint64_t)index << 4 ^ (uint64_t)event->kind);
    if (sim->brokers) {
        sim->brokers->step(sim->brokers->context, index, event);
        return;
    }
    mesh_out_clear(&sim->out);
    mesh_step(sim->nodes.at[index].mesh, event, &sim->out);
    sim_node_carry(sim, index, &sim->out, event->kind == MESH_FLUSH);
}

void sim_node_carry(struct sim *sim, uint32_t index, struct mesh_out *out, bool flushed)
{
    const struct sim_node *node = &sim->nodes.at[index];

    sim->steps++;
    if (out->failed)
        sim_fail(sim, "%s ran out of memory", node->name);
    tell_facts(sim, node, out);
    vec_each (&out->actions, action)
        carry_out(sim, index, action, out);
    arrange(sim, index, flushed);
    sim_check_step(sim, index);
    if (sim->steps % (VIEWS_EVERY + sim->nodes.len * sim->nodes.len / 64) == 0)
        sim_check_views(sim, index);
}

/* Time has passed; a deadline that does not move with it would burn the processor. */
static void tick(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes.at[index];

    node->wake_us = UINT64_MAX;
    if (deadline(sim, index) > sim_node_now_ms(sim, index)) {
        node->ticks_in_place = 0; /* another step has moved it */
        arrange(sim, index, true);
        return;
    }
    struct mesh_event event = { .kind = MESH_TICK };
    sim_node_step(sim, index, &event);
    if (node->wake_us > sim->now_us)
        node->ticks_in_place = 0;
    else if (++node->ticks_in_place > TICKS_IN_PLACE_MAX)
        sim_fail(sim, "%s has a deadline that does not move", node->name);
}

void sim_node_handle(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes.at[event->node];

    if (!node->mesh || node->life != event->life)
        return;
    if (event->kind == SIM_GONE) {
        sim_net_forget(sim, event->node, true);
        sim_node_stop(sim, event->node);
    } else if (event->kind == SIM_FLUSH) {
        struct mesh_event flush = { .kind = MESH_FLUSH };
        node->flush_due = false;
        sim_node_step(sim, event->node, &flush);
    } else if (event->kind == SIM_WORK) {
        sim->brokers->work(sim->brokers->context, event->node);
    } else if (node->wake_us == event->time_us) {
        tick(sim, event->node);
    }
}

/* ---- what clients do ---- */

static struct sim_want *find_want(struct sim *sim, struct sim_node *node, const char *filter)
{
    vec_each (&node->wants, want) {
        if (strcmp(want->filter, filter) == 0)
            return want;
    }
    struct sim_want *want = sim_need(vec_push(&node->wants));
    if (snprintf(want->filter, sizeof want->filter, "%s", filter) >= (int)sizeof want->filter)
        sim_fail(sim, "the filter %s is too long for the simulator", filter);
    return want;
}

void sim_node_note(struct sim *sim, uint32_t index, const char *filter, unsigned qos,
                   bool persistent)
{
    struct sim_want *want = find_want(sim, &sim->nodes.at[index], filter);

    want->persistent = persistent || (want->wanted && want->persistent);
    want->qos = (uint8_t)(want->wanted && want->qos > qos ? want->qos : qos);
    want->wanted = true;
}

void sim_node_want(struct sim *sim, uint32_t index, const char *filter, unsigned qos,
                   bool persistent, bool wanted)
{
    struct sim_node *node = &sim->nodes.at[index];
    struct sim_want *want = find_want(sim, node, filter);
    struct mesh_event event = { .kind = MESH_INTEREST };

    want->wanted = wanted;
    if (wanted) {
        want->qos = (uint8_t)qos;
        want->persistent = persistent;
    }
    event.interest.filter = str_from_c(want->filter);
    event.interest.qos = want->qos;
    event.interest.persistent = want->persistent;
    event.interest.wanted = wanted;
    sim_node_step(sim, index, &event);
}

/* Who must get a message that is published now, when all is still. */
static void expect_message(struct sim *sim, uint32_t index, struct sim_message *message)
{
    uint8_t *reachable = sim_reachable(sim, index);

    for (uint32_t i = 0; i < sim->nodes.len; i++)
        message->want[i] =
            i != index && reachable[i] && sim_wants(&sim->nodes.at[i], message->topic, false);
    free(reachable);
}

void sim_node_publish(struct sim *sim, uint32_t index, const char *topic)
{
    struct sim_node *node = &sim->nodes.at[index];
    uint64_t number = sim->messages.len;
    struct sim_message *shadow = sim_need(vec_push(&sim->messages));
    struct str text = str_from_c(topic);
    struct mesh_event event = { .kind = MESH_PUBLISH };

    snprintf(shadow->topic, sizeof shadow->topic, "%s", topic);
    shadow->origin = index;
    shadow->exact = sim->still;
    shadow->got = sim_need(calloc(sim->nodes.len, 1));
    shadow->want = sim_need(calloc(sim->nodes.len, 1));
    if (shadow->exact)
        expect_message(sim, index, shadow);
    if (!mesh_has_interest(node->mesh))
        return;
    struct str payload = { (const char *)&number, sizeof number };
    struct message *message = sim_need(message_new(text, STR(""), payload));
    message->topic_hash = hash_fast(sim->seed, text.ptr, text.len);
    message->expires_ms = MESSAGE_NEVER;
    message->qos = rand_below(&sim->rand, 3) & 3;
    event.message = message;
    sim_node_step(sim, index, &event);
    message_unref(message);
}
