/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/hash.h"
#include "mqtt/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct str seed_urls[WORLD_NODES];

static void append(char *text, const char *format, struct str a, struct str b)
{
    size_t len = strlen(text);

    snprintf(text + len, WORLD_TEXT - len, format, STR_ARG(a), STR_ARG(b));
}

static void enqueue(struct world *world, int to, link_id link, bool down, const void *bytes,
                    size_t len)
{
    struct world_packet *packet = malloc(sizeof *packet + len);

    *packet = (struct world_packet){
        .due_ms = world->now_ms + 1, .to = to, .link = link, .down = down, .len = len
    };
    if (len)
        memcpy(packet->bytes, bytes, len);
    *world->last = packet;
    world->last = &packet->next;
}

/* The link that a broker knows by this number, and which side it is. */
static struct world_link *find_link(struct world *world, int node, link_id id, int *ret_side)
{
    for (int i = 0; i < world->link_count; i++) {
        for (int side = 0; side < 2; side++) {
            if (world->links[i].up && world->links[i].node[side] == node &&
                world->links[i].id[side] == id) {
                *ret_side = side;
                return &world->links[i];
            }
        }
    }
    return NULL;
}

static void on_action(struct world *world, int node, const struct mesh_out *out,
                      const struct mesh_action *action)
{
    struct world_node *self = &world->nodes[node];
    int side;
    struct world_link *link;

    switch (action->kind) {
    case MESH_SEND:
        link = find_link(world, node, action->link, &side);
        self->sent++;
        self->bytes += action->len;
        if (link && !link->cut)
            enqueue(world, link->node[!side], link->id[!side], false, out->bytes.data + action->at,
                    action->len);
        break;
    case MESH_CLOSE:
        link = find_link(world, node, action->link, &side);
        if (link) {
            enqueue(world, link->node[!side], link->id[!side], true, NULL, 0);
            enqueue(world, node, action->link, true, NULL, 0);
        }
        break;
    case MESH_DELIVER:
        append(self->inbox, "%.*s=%.*s ", message_topic(action->message),
               str_slice(message_payload(action->message), 0, 64));
        message_unref(self->last);
        self->last = message_ref(action->message);
        break;
    case MESH_PERSIST: self->persisted = action->inc; break;
    case MESH_DIAL: break; /* nobody answers */
    }
}

void world_event(struct world *world, int node, struct mesh_event event)
{
    struct mesh_out out = { 0 };

    event.now_ms = world->now_ms;
    event.now_us = world->now_ms * 1000;
    if (world->around)
        world->around(true);
    mesh_step(world->nodes[node].mesh, &event, &out);
    if (world->around)
        world->around(false);
    world->failed |= out.failed;
    for (size_t i = 0; i < out.facts.len; i++) {
        const struct mesh_fact *fact = &out.facts.at[i];
        char name[128];
        snprintf(name, sizeof name, "%s %.*s", mesh_fact_name(fact->kind), (int)fact->name_len,
                 (const char *)out.bytes.data + fact->name_at);
        append(world->nodes[node].facts, "%.*s: %.*s\n", str_from_c(name),
               (struct str){ (const char *)out.bytes.data + fact->text_at, fact->text_len });
    }
    for (size_t i = 0; i < out.actions.len; i++)
        on_action(world, node, &out, &out.actions.at[i]);
    mesh_out_finish(&out);
}

struct world *world_new(int count, void (*configure)(int node, struct mesh_config *config))
{
    static const char *const names[WORLD_NODES] = { "a", "b", "c", "d", "e", "f" };
    struct world *world = calloc(1, sizeof *world);

    world->count = count;
    world->last = &world->first;
    world->now_ms = 1000;
    for (int i = 0; i < count; i++) {
        struct mesh_config *config = &world->nodes[i].config;
        seed_urls[i] = STR("ws://nowhere/mesh");
        *config = (struct mesh_config){ .inc = 1,
                                        .boot = 100 + (uint64_t)i,
                                        .random_seed = 7 + (uint64_t)i,
                                        .name = str_from_c(names[i]),
                                        .mesh_name = STR("test"),
                                        .seeds = seed_urls,
                                        .seed_count = (size_t)count,
                                        .ping_ms = 250 };
        memset(config->id.bytes, 0x11 * (i + 1), NODE_ID_LEN);
        if (configure)
            configure(i, config);
        world->nodes[i].mesh = mesh_new(config, world->now_ms);
        world->nodes[i].next_link = 1;
    }
    return world;
}

void world_free(struct world *world)
{
    for (int i = 0; i < world->count; i++) {
        mesh_free(world->nodes[i].mesh);
        message_unref(world->nodes[i].last);
    }
    while (world->first) {
        struct world_packet *packet = world->first;
        world->first = packet->next;
        free(packet);
    }
    free(world);
}

static void end_up(struct world *world, int link, int side)
{
    struct world_link *at = &world->links[link];
    struct mesh_event event = { .kind = MESH_LINK_UP,
                                .link = at->id[side],
                                .seed = side ? MESH_ACCEPTED : (uint32_t)at->node[1] };

    world_event(world, at->node[side], event);
}

int world_join(struct world *world, int a, int b)
{
    int link = world->link_count++;
    struct world_link *at = &world->links[link];

    *at = (struct world_link){ .up = true, .node = { a, b } };
    at->id[0] = world->nodes[a].next_link++;
    at->id[1] = world->nodes[b].next_link++;
    end_up(world, link, 0);
    end_up(world, link, 1);
    return link;
}

static void end_down(struct world *world, int node, link_id id)
{
    int side;
    struct world_link *link = find_link(world, node, id, &side);

    if (!link)
        return;
    link->id[side] = 0;
    if (!link->id[!side])
        link->up = false;
    struct mesh_event event = { .kind = MESH_LINK_DOWN,
                                .link = id,
                                .text = STR("connection closed") };
    world_event(world, node, event);
}

void world_cut(struct world *world, int link)
{
    struct world_link *at = &world->links[link];
    link_id ids[2] = { at->id[0], at->id[1] };

    end_down(world, at->node[0], ids[0]);
    end_down(world, at->node[1], ids[1]);
}

static void arrive(struct world *world, struct world_packet *packet)
{
    int side;
    struct mesh_event event = { .kind = MESH_LINK_RX,
                                .link = packet->link,
                                .bytes = { (const char *)packet->bytes, packet->len } };

    if (packet->down)
        end_down(world, packet->to, packet->link);
    else if (find_link(world, packet->to, packet->link, &side))
        world_event(world, packet->to, event);
}

static void turn(struct world *world, int node)
{
    struct mesh_event event = { .kind = MESH_TICK };

    for (int i = 0; i < world->link_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct mesh_event writable = { .kind = MESH_LINK_WRITABLE,
                                           .link = world->links[i].id[side],
                                           .room = 1 << 18 };
            if (world->links[i].node[side] == node && world->links[i].id[side])
                world_event(world, node, writable);
        }
    }
    if (mesh_deadline(world->nodes[node].mesh) <= world->now_ms)
        world_event(world, node, event);
    event.kind = MESH_FLUSH;
    world_event(world, node, event);
}

void world_run(struct world *world, uint64_t ms)
{
    for (uint64_t end = world->now_ms + ms; world->now_ms < end; world->now_ms++) {
        while (world->first && world->first->due_ms <= world->now_ms) {
            struct world_packet *packet = world->first;
            world->first = packet->next;
            if (!world->first)
                world->last = &world->first;
            arrive(world, packet);
            free(packet);
        }
        for (int i = 0; i < world->count; i++)
            turn(world, i);
    }
}

static void interest(struct world *world, int node, const char *filter, bool wanted)
{
    struct mesh_event event = { .kind = MESH_INTEREST,
                                .interest = {
                                    .filter = str_from_c(filter), .qos = 1, .wanted = wanted } };

    world_event(world, node, event);
}

void world_subscribe(struct world *world, int node, const char *filter)
{
    interest(world, node, filter, true);
}

void world_unsubscribe(struct world *world, int node, const char *filter)
{
    interest(world, node, filter, false);
}

void world_publish_message(struct world *world, int node, struct message *message)
{
    struct mesh_event event = { .kind = MESH_PUBLISH, .message = message };

    world_event(world, node, event);
    message_unref(message);
}

void world_publish(struct world *world, int node, const char *topic, const char *payload)
{
    struct message *message =
        message_new(str_from_c(topic), (struct str){ NULL, 0 }, str_from_c(payload));

    message->expires_ms = MESSAGE_NEVER;
    message->topic_hash = hash_fast(1, topic, strlen(topic));
    world_publish_message(world, node, message);
}

void world_restart(struct world *world, int node, uint32_t inc, uint64_t boot)
{
    struct world_node *self = &world->nodes[node];

    for (int i = 0; i < world->link_count; i++) {
        if (world->links[i].up &&
            (world->links[i].node[0] == node || world->links[i].node[1] == node))
            world_cut(world, i);
    }
    mesh_free(self->mesh);
    self->config.inc = inc;
    self->config.boot = boot;
    self->mesh = mesh_new(&self->config, world->now_ms);
}

void world_inject(struct world *world, int link, int side, const void *bytes, size_t len)
{
    struct mesh_event event = { .kind = MESH_LINK_RX,
                                .link = world->links[link].id[side],
                                .bytes = { bytes, len } };

    world_event(world, world->links[link].node[side], event);
}

bool world_view(struct world *world, int b, int a, struct mesh_node_view *ret_view)
{
    for (size_t cursor = 0; mesh_next_node(world->nodes[b].mesh, &cursor, ret_view);) {
        if (memcmp(&ret_view->id, &world->nodes[a].config.id, sizeof ret_view->id) == 0)
            return true;
    }
    return false;
}

bool world_agrees(struct world *world)
{
    for (int a = 0; a < world->count; a++) {
        struct mesh_node_view own, seen;
        const char *wrong = mesh_audit(world->nodes[a].mesh);
        if (wrong || !world_view(world, a, a, &own)) {
            fprintf(stderr, "audit of %d: %s\n", a, wrong ? wrong : "does not know itself");
            return false;
        }
        for (int b = 0; b < world->count; b++) {
            if (!world_view(world, b, a, &seen) || !seen.reachable || seen.inc != own.inc ||
                seen.tseq != own.tseq || seen.iver != own.iver || seen.ihash != own.ihash ||
                seen.filters != own.filters) {
                fprintf(stderr, "%d does not see %d as it is:\n%s", b, a, world->nodes[b].facts);
                return false;
            }
        }
    }
    return true;
}

enum link_state world_link_state(struct world *world, int link, int side)
{
    const struct world_link *at = &world->links[link];
    struct mesh_link_view view;

    for (size_t cursor = 0; mesh_next_link(world->nodes[at->node[side]].mesh, &cursor, &view);) {
        if (view.link == at->id[side] && view.link)
            return view.state;
    }
    return LINK_DOWN;
}
