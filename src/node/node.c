/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { JOIN_WAIT_DEFAULT_MS = 2000 };

/* A message of QoS 2 that other brokers must not see before the store has come so far. */
struct held {
    struct message *message;
    uint64_t token;
};

struct node {
    struct core *core;
    struct mesh *mesh;
    struct {
        VEC(struct held);
    } held;                 /* in order, of rising tokens */
    uint64_t durable_token; /* the store has come so far */
    uint64_t now_us;        /* last heard, for mesh events that follow from core events */
    uint64_t join_due_ms;   /* clients wait no longer than this */
    bool joined;            /* a link was full, or join_due_ms has passed */
    bool telling;           /* the mesh is told what clients here want: somebody may hear it */
    bool catching_up;       /* it is being told what they wanted before that */
    uint32_t told_to;       /* filters of the core below this number are told */
    uint32_t piece;         /* so many in a turn: there may be a million */
    uint64_t told_ms;       /* when the last ones were */
};

void node_out_clear(struct node_out *out)
{
    core_out_clear(&out->core);
    mesh_out_clear(&out->mesh);
}

void node_out_finish(struct node_out *out)
{
    core_out_finish(&out->core);
    mesh_out_finish(&out->mesh);
}

struct node *node_new(const struct node_config *config, uint64_t now_ms)
{
    struct node *node = calloc(1, sizeof *node);

    if (!node)
        return NULL;
    node->core = core_new(&config->core, now_ms);
    node->mesh = mesh_new(&config->mesh, now_ms);
    if (!node->core || !node->mesh) {
        node_free(node);
        return NULL;
    }
    struct mesh_config mesh = config->mesh;
    mesh_config_defaults(&mesh);
    node->piece = mesh.interest_piece;
    node->telling = config->mesh.seed_count > 0;
    node->joined = !node->telling;
    node->join_due_ms = now_ms + (config->join_wait_ms ? config->join_wait_ms : JOIN_WAIT_DEFAULT_MS);
    return node;
}

void node_free(struct node *node)
{
    if (!node)
        return;
    vec_each (&node->held, held)
        message_unref(held->message);
    vec_finish(&node->held);
    core_free(node->core);
    mesh_free(node->mesh);
    free(node);
}

static void pass_interest(struct node *node, uint64_t now_ms, struct str filter,
                          const struct core_interest *interest, struct node_out *out)
{
    struct mesh_event event = {
        .kind = MESH_INTEREST,
        .now_ms = now_ms,
        .now_us = node->now_us,
        .interest = { .filter = filter,
                      .qos = interest->qos,
                      .persistent = interest->persistent,
                      .wanted = interest->wanted },
    };

    mesh_step(node->mesh, &event, &out->mesh);
}

/* Local clients' wishes go to the mesh, if it is told. */
static void pass_interests(struct node *node, uint64_t now_ms, struct node_out *out)
{
    vec_each (&out->core.interests, change) {
        struct str filter = { (const char *)out->core.bytes.data + change->at, change->len };
        if (node->telling)
            pass_interest(node, now_ms, filter, change, out);
    }
    vec_clear(&out->core.interests);
}

/* Tell the mesh a piece of what was wanted here before anybody could hear it. What changes
 * meanwhile it is told at once, so it does not matter what comes first. */
static void catch_up(struct node *node, uint64_t now_ms, struct node_out *out)
{
    struct mesh_event done = {
        .kind = MESH_TELLING, .now_ms = now_ms, .now_us = node->now_us, .more = false
    };
    struct core_interest interest;
    struct str filter;

    if (!node->catching_up || node->told_ms == now_ms)
        return;
    node->told_ms = now_ms;
    for (uint32_t i = 0; i < node->piece; i++) {
        if (!core_next_interest(node->core, &node->told_to, &filter, &interest)) {
            node->catching_up = false;
            mesh_step(node->mesh, &done, &out->mesh);
            return;
        }
        pass_interest(node, now_ms, filter, &interest, out);
    }
}

/* The first link: tell the mesh everything, and let it make a version of it before the peer
 * asks, so that one who joins knows what is wanted here before clients come to him. Until now
 * nobody could hear it, and a broker on its own need not remember it twice. */
static void begin_telling(struct node *node, const struct mesh_event *event, struct node_out *out)
{
    struct mesh_event begin = {
        .kind = MESH_TELLING, .now_ms = event->now_ms, .now_us = event->now_us, .more = true
    };
    struct mesh_event tick = { .kind = MESH_TICK, .now_ms = event->now_ms, .now_us = event->now_us };

    node->telling = node->catching_up = true;
    mesh_step(node->mesh, &begin, &out->mesh);
    catch_up(node, event->now_ms, out);
    mesh_step(node->mesh, &tick, &out->mesh);
}

static void pass_forward(struct node *node, uint64_t now_ms, struct message *message,
                         struct node_out *out)
{
    struct mesh_event event = {
        .kind = MESH_PUBLISH, .now_ms = now_ms, .now_us = node->now_us, .message = message
    };

    mesh_step(node->mesh, &event, &out->mesh);
}

/* The token of the last of these operations that somebody waits for, or 0. */
static uint64_t last_urgent(const struct core_out *out, size_t from)
{
    for (size_t i = out->stores.len; i > from; i--) {
        if (!out->stores.at[i - 1].lazy)
            return out->stores.at[i - 1].token;
    }
    return 0;
}

/* A message of QoS 2 waits until its publisher's packet identifier is durable, and behind
 * those that do: after a crash before that its publisher sends it again, and other brokers
 * would have it twice. False: it need not, or memory ran out. */
static bool hold(struct node *node, struct message *message, uint64_t token)
{
    size_t len = node->held.len;

    if (message->qos < 2 || (token <= node->durable_token && len == 0))
        return false;
    if (len && token < node->held.at[len - 1].token)
        token = node->held.at[len - 1].token;
    struct held *held = vec_push(&node->held);
    if (held)
        *held = (struct held){ message, token };
    return held != NULL;
}

/* What was published here goes to the mesh, if anybody out there wants anything. token: of
 * what the step asked of the store and waits for, or 0. */
static void pass_forwards(struct node *node, uint64_t now_ms, uint64_t token, struct node_out *out)
{
    bool wanted = mesh_has_interest(node->mesh);

    vec_each (&out->core.forwards, message) {
        if (wanted && hold(node, *message, token))
            continue; /* the reference goes along */
        if (wanted)
            pass_forward(node, now_ms, *message, out);
        message_unref(*message);
    }
    vec_clear(&out->core.forwards);
}

/* Pass on what was held for tokens up to this one. */
static void release(struct node *node, uint64_t now_ms, uint64_t token, struct node_out *out)
{
    size_t count = 0;

    while (count < node->held.len && node->held.at[count].token <= token) {
        pass_forward(node, now_ms, node->held.at[count].message, out);
        message_unref(node->held.at[count++].message);
    }
    if (count == 0)
        return;
    node->held.len -= count;
    memmove(node->held.at, node->held.at + count, node->held.len * sizeof *node->held.at);
}

int node_restore(struct node *node, const struct durable_op *op, struct node_out *out)
{
    int err = core_restore(node->core, op, &out->core);

    if (out->core.interests.len)
        pass_interests(node, core_now_ms(node->core), out);
    return err;
}

/* One step of the core, and what the mesh must know of it. */
static void step_core(struct node *node, const struct core_event *event, struct node_out *out)
{
    size_t stores = out->core.stores.len;

    core_set_remote_interest(node->core, mesh_has_interest(node->mesh));
    core_step(node->core, event, &out->core);
    if (out->core.interests.len)
        pass_interests(node, event->now_ms, out);
    if (out->core.forwards.len)
        pass_forwards(node, event->now_ms, last_urgent(&out->core, stores), out);
}

/* One step of the mesh, and what it brought for local clients. The core never forwards a
 * message that came from the mesh, so this ends. */
static void step_mesh(struct node *node, const struct mesh_event *event, struct node_out *out)
{
    size_t before = out->mesh.actions.len;

    mesh_step(node->mesh, event, &out->mesh);
    for (size_t i = before; i < out->mesh.actions.len; i++) {
        const struct mesh_action *action = &out->mesh.actions.at[i];
        if (action->kind != MESH_DELIVER)
            continue;
        struct core_event remote = { .kind = CORE_REMOTE,
                                     .now_ms = event->now_ms,
                                     .message = action->message };
        step_core(node, &remote, out);
    }
    if (!node->joined) {
        for (size_t i = 0; i < out->mesh.facts.len && !node->joined; i++)
            node->joined = out->mesh.facts.at[i].kind == MESH_FACT_LINK_FULL;
    }
}

void node_on_client(struct node *node, const struct core_event *event, struct node_out *out)
{
    step_core(node, event, out);
    if (event->kind != CORE_DURABLE)
        return;
    if (event->token > node->durable_token)
        node->durable_token = event->token;
    release(node, event->now_ms, node->durable_token, out);
}

void node_on_link(struct node *node, const struct mesh_event *event, struct node_out *out)
{
    node->now_us = event->now_us;
    if (event->kind == MESH_LINK_UP && !node->telling)
        begin_telling(node, event, out);
    step_mesh(node, event, out);
}

void node_tick(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out)
{
    struct core_event core_tick = { .kind = CORE_TICK, .now_ms = now_ms };
    struct mesh_event mesh_tick = { .kind = MESH_TICK, .now_ms = now_ms, .now_us = now_us };

    node->now_us = now_us;
    node->joined = node_joined(node, now_ms);
    step_core(node, &core_tick, out);
    catch_up(node, now_ms, out);
    step_mesh(node, &mesh_tick, out);
}

void node_flush(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out)
{
    struct mesh_event event = { .kind = MESH_FLUSH, .now_ms = now_ms, .now_us = now_us };

    node->now_us = now_us;
    step_mesh(node, &event, out);
}

void node_shutdown(struct node *node, uint64_t now_ms, uint64_t now_us, struct node_out *out)
{
    struct core_event goodbye = { .kind = CORE_SHUTDOWN, .now_ms = now_ms };
    struct mesh_event bye = { .kind = MESH_SHUTDOWN, .now_ms = now_ms, .now_us = now_us };

    node->now_us = now_us;
    release(node, now_ms, UINT64_MAX, out); /* the store's end makes all of it durable */
    step_core(node, &goodbye, out);
    step_mesh(node, &bye, out);
}

uint64_t node_deadline(const struct node *node)
{
    uint64_t core = core_deadline(node->core), mesh = mesh_deadline(node->mesh);
    uint64_t first = core < mesh ? core : mesh;

    if (!node->joined && node->join_due_ms < first)
        first = node->join_due_ms;
    if (node->catching_up && node->told_ms + 1 < first)
        first = node->told_ms + 1;
    return first;
}

bool node_joined(const struct node *node, uint64_t now_ms)
{
    return node->joined || now_ms >= node->join_due_ms;
}

struct core *node_core(struct node *node)
{
    return node->core;
}

struct mesh *node_mesh(struct node *node)
{
    return node->mesh;
}
