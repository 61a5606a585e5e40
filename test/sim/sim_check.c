/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of MESH.md 4, as far as milestone M1 has what they speak of. */
#include "sim_state.h"

#include "base/hash.h"
#include "topic/topic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Control, replies, snapshots, data, bulk. */
enum { LINK_CLASSES = 5, STILL_MS = 3000, ATTEMPTS = 5 };

bool sim_wants(const struct sim_node *node, const char *topic, bool ever)
{
    vec_each (&node->wants, want) {
        if ((ever || (node->mesh && want->wanted)) &&
            topic_filter_matches(str_from_c(want->filter), str_from_c(topic)))
            return true;
    }
    return false;
}

static bool usable(const struct sim *sim, const struct sim_edge *edge)
{
    return !edge->cut && !edge->mute[0] && !edge->mute[1] && sim->nodes.at[edge->ends[0]].mesh &&
           sim->nodes.at[edge->ends[1]].mesh;
}

uint8_t *sim_reachable(const struct sim *sim, uint32_t from)
{
    uint8_t *seen = sim_need(calloc(sim->nodes.len, 1));
    uint32_t *stack = sim_need(calloc(sim->nodes.len, sizeof *stack));
    size_t depth = 0;

    seen[from] = 1;
    stack[depth++] = from;
    while (depth) {
        uint32_t at = stack[--depth];
        if (at != from && sim->nodes.at[at].stub)
            continue;
        vec_each (&sim->nodes.at[at].edges, number) {
            const struct sim_edge *edge = &sim->edges.at[*number];
            uint32_t other = edge->ends[edge->ends[0] == at];
            if (seen[other] || !usable(sim, edge))
                continue;
            seen[other] = 1;
            stack[depth++] = other;
        }
    }
    free(stack);
    return seen;
}

bool sim_is_alone(const struct sim *sim, uint32_t node)
{
    uint8_t *seen = sim_reachable(sim, node);
    size_t count = 0;

    for (uint32_t i = 0; i < sim->nodes.len; i++)
        count += seen[i];
    free(seen);
    return count == 1;
}

/* ---- at every step ---- */

/* I7: what others hold must be something that the owner once said. */
static bool ever_said(const struct sim_node *owner, uint64_t iver, uint64_t ihash)
{
    for (size_t i = owner->versions.len; i-- > 0;) {
        if (owner->versions.at[i].iver == iver && owner->versions.at[i].ihash == ihash)
            return true;
    }
    return false;
}

static bool self_view(const struct sim_node *node, struct mesh_node_view *ret_view)
{
    size_t cursor = 0;

    while (mesh_next_node(node->mesh, &cursor, ret_view)) {
        if (ret_view->self)
            return true;
    }
    return false;
}

void sim_check_step(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes.at[index];
    struct mesh_stats stats = mesh_stats(node->mesh);
    struct mesh_node_view self;

    /* I15. */
    if (stats.queue_bytes > (uint64_t)LINK_CLASSES * SIM_QUEUE_MAX * (node->links.len + 1))
        sim_fail(sim, "%s queues %" PRIu64 " bytes", node->name, stats.queue_bytes);
    if (sim->nodes.len > SIM_WATCHED_MAX)
        return;
    if (!self_view(node, &self)) {
        sim_fail(sim, "%s does not know itself", node->name);
    } else if (!ever_said(node, self.iver, self.ihash)) {
        struct sim_version *version = sim_need(vec_push(&node->versions));
        *version = (struct sim_version){ self.iver, self.ihash };
    }
}

static struct sim_node *node_by_id(struct sim *sim, const struct node_id *id)
{
    uint32_t index = id->bytes[15] | (uint32_t)id->bytes[14] << 8;

    if (index < sim->nodes.len && memcmp(&sim->nodes.at[index].id, id, sizeof *id) == 0)
        return &sim->nodes.at[index];
    return NULL;
}

void sim_check_views(struct sim *sim, uint32_t index)
{
    const struct sim_node *node = &sim->nodes.at[index];
    struct mesh_node_view view;
    size_t cursor = 0;

    while (mesh_next_node(node->mesh, &cursor, &view)) {
        const struct sim_node *owner = node_by_id(sim, &view.id);
        if (!owner)
            sim_fail(sim, "%s knows a broker that does not exist: %.*s", node->name,
                     STR_ARG(view.name));
        else if (sim->nodes.len <= SIM_WATCHED_MAX && view.iver &&
                 !ever_said(owner, view.iver, view.ihash))
            sim_fail(sim, "I7: %s holds version %" PRIu64 " of %s's interest, which it never said",
                     node->name, view.iver, owner->name);
    }
}

void sim_check_deliver(struct sim *sim, uint32_t index, const struct message *message)
{
    struct sim_node *node = &sim->nodes.at[index];
    struct str payload = message_payload(message), topic = message_topic(message);
    uint64_t number = UINT64_MAX;

    if (payload.len == sizeof number)
        memcpy(&number, payload.ptr, sizeof number);
    sim->delivered++;
    sim_say(sim, node, "deliver %.*s", STR_ARG(topic));
    if (number >= sim->messages.len) {
        sim_fail(sim, "%s delivers a message that nobody published", node->name);
        return;
    }
    struct sim_message *shadow = &sim->messages.at[number];
    if (!str_equal(topic, str_from_c(shadow->topic)))
        sim_fail(sim, "%s delivers message %" PRIu64 " under a wrong topic", node->name, number);
    if (index == shadow->origin)
        sim_fail(sim, "%s delivers message %" PRIu64 " to itself", node->name, number);
    if (shadow->got[index]++)
        sim_fail(sim, "I1: %s delivers message %" PRIu64 " (%s) twice", node->name, number,
                 shadow->topic);
    if (!sim_wants(node, shadow->topic, true))
        sim_fail(sim, "I2: %s delivers %s, which it never wanted", node->name, shadow->topic);
}

/* ---- when all has settled ---- */

uint64_t sim_databases(const struct sim *sim)
{
    uint64_t sum = 0;

    vec_each (&sim->nodes, node) {
        struct mesh_node_view own;
        if (node->mesh && self_view(node, &own))
            sum += hash_mix(own.tseq * 31u + own.iver + own.inc * 7919u) ^ own.ihash;
    }
    return sum;
}

/* What the others must know of a broker's wishes: those that no other one covers. */
static size_t count_told(const struct sim_node *node)
{
    size_t told = 0;

    vec_each (&node->wants, narrow) {
        bool covered = !narrow->wanted;
        vec_each (&node->wants, wide) {
            covered |= wide != narrow && wide->wanted && wide->qos >= narrow->qos &&
                       wide->persistent >= narrow->persistent &&
                       topic_filter_covers(str_from_c(wide->filter), str_from_c(narrow->filter));
        }
        told += !covered;
    }
    return told;
}

/* I7: after quiet, what is advertised is what is wanted. */
static void check_own_interest(struct sim *sim, struct sim_node *node)
{
    struct str filter;
    size_t cursor = 0, told = 0;
    uint8_t qos;

    while (mesh_next_filter(node->mesh, &node->id, &cursor, &filter, &qos)) {
        bool wanted = false;
        vec_each (&node->wants, want)
            wanted |=
                want->wanted && want->qos == qos && str_equal(str_from_c(want->filter), filter);
        if (!wanted)
            sim_fail(sim, "I7: %s advertises %.*s at QoS %u, which it does not want", node->name,
                     STR_ARG(filter), qos);
        told++;
    }
    if (told != count_told(node))
        sim_fail(sim, "I7: %s advertises %zu filters instead of %zu", node->name, told,
                 count_told(node));
}

/* I6: one broker's view of another against that one's own. */
static void check_view(struct sim *sim, const struct sim_node *node,
                       const struct mesh_node_view *view, const struct sim_node *owner,
                       bool reachable)
{
    if (view->reachable != reachable && !view->self)
        sim_fail(sim, "%s believes %s %sreachable", node->name, owner->name,
                 view->reachable ? "" : "un");
    const struct mesh_node_view own = owner->own;
    if (!reachable)
        return;
    if (view->inc != own.inc || view->boot != own.boot || view->tseq != own.tseq)
        sim_fail(sim, "I6: %s holds record %u.%u of %s, which is at %u.%u", node->name, view->inc,
                 view->tseq, owner->name, own.inc, own.tseq);
    if (view->iver != own.iver || view->ihash != own.ihash || view->filters != own.filters)
        sim_fail(sim, "I6: %s holds interest %" PRIu64 " of %s, which is at %" PRIu64, node->name,
                 view->iver, owner->name, own.iver);
}

static void check_views(struct sim *sim, uint32_t index)
{
    const struct sim_node *node = &sim->nodes.at[index];
    uint8_t *reachable = sim_reachable(sim, index);
    struct mesh_node_view view;
    size_t cursor = 0, seen = 0, expected = 0;

    while (mesh_next_node(node->mesh, &cursor, &view)) {
        const struct sim_node *owner = node_by_id(sim, &view.id);
        if (!owner)
            continue;
        size_t other = (size_t)(owner - sim->nodes.at);
        check_view(sim, node, &view, owner, reachable[other]);
        seen += reachable[other];
    }
    for (size_t i = 0; i < sim->nodes.len; i++)
        expected += reachable[i];
    if (seen != expected)
        sim_fail(sim, "%s knows %zu of %zu brokers", node->name, seen, expected);
    free(reachable);
}

/* Every edge that works carries one full link, and nothing else is full. */
static void check_links(struct sim *sim, uint32_t index)
{
    const struct sim_node *node = &sim->nodes.at[index];
    struct mesh_link_view view;
    size_t cursor = 0, full = 0, expected = 0;

    while (mesh_next_link(node->mesh, &cursor, &view))
        full += view.state == LINK_FULL;
    vec_each (&node->edges, edge)
        expected += usable(sim, &sim->edges.at[*edge]);
    if (full != expected)
        sim_fail(sim, "%s has %zu full links instead of %zu", node->name, full, expected);
}

void sim_check_settled(struct sim *sim)
{
    vec_each (&sim->nodes, node) {
        if (node->mesh && !self_view(node, &node->own))
            sim_fail(sim, "%s does not know itself", node->name);
    }
    for (uint32_t i = 0; i < sim->nodes.len && !sim->failure[0]; i++) {
        struct sim_node *node = &sim->nodes.at[i];
        if (!node->mesh)
            continue;
        const char *audit = mesh_audit(node->mesh);
        if (audit)
            sim_fail(sim, "%s: audit: %s", node->name, audit);
        check_links(sim, i);
        if (!sim->brokers || !sim_is_alone(sim, i)) /* a whole broker talks to nobody for nobody */
            check_own_interest(sim, node);
        sim_check_views(sim, i);
        check_views(sim, i);
    }
    sim->still = !sim->failure[0];
}

/* ---- delivery ---- */

static struct mesh_stats sum_stats(const struct sim *sim)
{
    struct mesh_stats sum = { 0 };

    vec_each (&sim->nodes, node) {
        if (!node->mesh)
            continue;
        struct mesh_stats stats = mesh_stats(node->mesh);
        sum.dropped_ttl += stats.dropped_ttl;
        sum.dropped_uturn += stats.dropped_uturn;
        sum.dropped_unreachable += stats.dropped_unreachable;
        sum.dropped_queue += stats.dropped_queue;
        sum.dropped_age += stats.dropped_age;
    }
    return sum;
}

/* I8: with equal databases nothing goes astray. */
static void check_drops(struct sim *sim, const struct mesh_stats *before)
{
    struct mesh_stats after = sum_stats(sim);

    if (after.dropped_ttl != before->dropped_ttl || after.dropped_uturn != before->dropped_uturn ||
        after.dropped_unreachable != before->dropped_unreachable)
        sim_fail(sim,
                 "I8: %" PRIu64 " frames lived too long, %" PRIu64 " turned back, %" PRIu64
                 " knew no way",
                 after.dropped_ttl - before->dropped_ttl,
                 after.dropped_uturn - before->dropped_uturn,
                 after.dropped_unreachable - before->dropped_unreachable);
    if (after.dropped_queue != before->dropped_queue || after.dropped_age != before->dropped_age)
        sim_fail(sim, "%" PRIu64 " frames found no room, %" PRIu64 " grew old",
                 after.dropped_queue - before->dropped_queue,
                 after.dropped_age - before->dropped_age);
}

/* Publish from everywhere and see what comes of it. */
static void publish_everywhere(struct sim *sim)
{
    static const char *const topics[] = { "a", "b/a", "a/b/c", "c/b", "b/b/a/c", "b/c/c" };

    for (uint32_t i = 0; i < sim->nodes.len && !sim->failure[0]; i++) {
        for (size_t t = 0; sim->nodes.at[i].mesh && t < sizeof topics / sizeof *topics; t++)
            sim_node_publish(sim, i, topics[t]);
        sim_run(sim, sim->nodes.len > SIM_WATCHED_MAX ? 1 : 10);
    }
    sim_run(sim, STILL_MS);
}

static void check_arrivals(struct sim *sim, size_t first)
{
    for (size_t m = first; m < sim->messages.len && !sim->failure[0]; m++) {
        const struct sim_message *message = &sim->messages.at[m];
        for (uint32_t i = 0; message->exact && i < sim->nodes.len; i++) {
            if (message->got[i] != message->want[i])
                sim_fail(sim, "I8: message %zu (%s) from %s came to %s %u times instead of %u", m,
                         message->topic, sim->nodes.at[message->origin].name, sim->nodes.at[i].name,
                         message->got[i], message->want[i]);
        }
    }
}

void sim_check_delivery(struct sim *sim)
{
    /* A link whose measured cost has drifted may change paths meanwhile: try again then. */
    for (int attempt = 0; attempt < ATTEMPTS && !sim->failure[0]; attempt++) {
        struct mesh_stats before = sum_stats(sim);
        uint64_t databases = sim_databases(sim);
        size_t first = sim->messages.len;
        publish_everywhere(sim);
        if (sim->failure[0])
            return;
        check_drops(sim, &before);
        check_arrivals(sim, first);
        if (!sim->failure[0] || sim_databases(sim) == databases)
            return;
        sim->failure[0] = '\0';
        sim_rest(sim);
    }
    sim_fail(sim, "databases do not come to rest");
}
