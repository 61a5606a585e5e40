/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a fleet. */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>

static const char *name_of(const struct fleet *fleet, uint32_t node)
{
    return fleet->sim->nodes.at[node].name;
}

void fleet_check_identities(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct mesh_node_view view;
        size_t cursor = 0;
        while (fleet_is_up(fleet, i) &&
               mesh_next_node(node_mesh(fleet->brokers[i].node), &cursor, &view)) {
            uint32_t other = view.id.bytes[15];
            if (other >= fleet->count)
                continue; /* the network's own checks say so */
            if (view.inc < fleet->members[i].seen_incs[other] ||
                view.inc > fleet->members[other].inc)
                ledger_wrong(&fleet->ledger, "%s sees incarnation %u of %s after %u, of %u",
                             name_of(fleet, i), view.inc, name_of(fleet, other),
                             fleet->members[i].seen_incs[other], fleet->members[other].inc);
            fleet->members[i].seen_incs[other] = view.inc;
        }
    }
}

/* ---- when all has settled ---- */

/* Tell the network's checks what the clients want, as they know it themselves. */
static void note_wants(struct fleet *fleet)
{
    vec_each (&fleet->sim->nodes, node) {
        vec_each (&node->wants, want)
            want->wanted = false;
    }
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
        const struct client *client = &fleet->clients[i];
        for (size_t s = 0; s < client->slot_count; s++) {
            const struct slot *slot = &client->slots[s];
            if (slot->had)
                sim_node_note(fleet->sim, client->broker->index, slot->filter, slot->qos,
                              client->kept);
        }
    }
}

/* Is it known what each session of a broker wants? A client that is away may have said
 * something that nobody answered. */
static bool is_certain(const struct fleet *fleet, uint32_t node)
{
    for (uint32_t i = 0; i < FLEET_CLIENTS; i++) {
        const struct client *client = &fleet->clients[node * FLEET_CLIENTS + i];
        for (size_t s = 0; s < client->slot_count; s++) {
            if (client->slots[s].asked || client->slots[s].left)
                return false;
        }
    }
    return true;
}

/* What a session has is covered by what its broker advertises. */
static void check_advertised(struct fleet *fleet, uint32_t node)
{
    struct sim_node *at = &fleet->sim->nodes.at[node];

    vec_each (&at->wants, want) {
        struct str filter;
        size_t cursor = 0;
        bool told = !want->wanted;
        uint8_t qos;
        while (mesh_next_filter(at->mesh, &at->id, &cursor, &filter, &qos))
            told |= qos >= want->qos && topic_filter_covers(filter, str_from_c(want->filter));
        if (!told)
            ledger_wrong(&fleet->ledger, "%s does not tell that it wants %s", at->name,
                         want->filter);
    }
}

/* Every copy that was on its way has come, or was lost as it may be. */
static void check_passages(struct fleet *fleet)
{
    char tag[TAG_LEN + 1];

    vec_each (&fleet->passages, passage) {
        for (uint32_t i = 0; i < fleet->count; i++) {
            const struct copy_at *copy = &passage->copies[i];
            if (copy->excused || copy->place == PLACE_NONE || copy->place == PLACE_CAME ||
                copy->place == PLACE_LOST)
                continue;
            tag_write(&passage->tag, tag);
            ledger_wrong(&fleet->ledger,
                         "%s of %s at QoS %u, taken at %llu ms, never came to %s: it is %s %s", tag,
                         name_of(fleet, passage->origin), passage->qos,
                         (unsigned long long)passage->taken_us / 1000, name_of(fleet, i),
                         copy->place == PLACE_WIRE ? "on its way from" : "held by",
                         name_of(fleet, copy->node));
        }
    }
}

void fleet_check_settled(struct fleet *fleet)
{
    bool certain = true;

    note_wants(fleet);
    for (uint32_t i = 0; i < fleet->count; i++) {
        certain &= is_certain(fleet, i);
        if (!sim_is_alone(fleet->sim, i)) /* else there is nobody to tell it to */
            check_advertised(fleet, i);
    }
    if (certain) /* databases, views, links, and that nothing else is advertised */
        sim_check_settled(fleet->sim);
    check_passages(fleet);
}

/* ---- after messages in the quiet ---- */

/* Does anybody at the broker want the topic? */
static bool is_wanted(const struct fleet *fleet, uint32_t node, const char *topic, bool *ret_maybe)
{
    bool wanted = false;
    uint8_t qos;

    *ret_maybe = !is_certain(fleet, node);
    for (uint32_t i = 0; i < FLEET_CLIENTS; i++)
        wanted |= client_has(&fleet->clients[node * FLEET_CLIENTS + i], topic, &qos);
    return wanted;
}

static void check_quiet_passage(struct fleet *fleet, const struct passage *passage)
{
    char topic[STREAM_TOPIC_CHARS], tag[TAG_LEN + 1];
    uint8_t *reachable = sim_reachable(fleet->sim, passage->origin);
    bool maybe;

    stream_topic(&fleet->ledger.authors[passage->tag.author], passage->tag.stream, topic);
    tag_write(&passage->tag, tag);
    for (uint32_t i = 0; i < fleet->count; i++) {
        bool came = passage->copies[i].place == PLACE_CAME;
        bool wanted = is_wanted(fleet, i, topic, &maybe) && i != passage->origin && reachable[i];
        if (came != wanted && !(came && maybe))
            ledger_wrong(&fleet->ledger, "all is quiet, and %s of %s %s %s", tag,
                         name_of(fleet, passage->origin), came ? "came to" : "never came to",
                         name_of(fleet, i));
    }
    free(reachable);
}

void fleet_check_will(struct fleet *fleet, const struct client *client)
{
    uint8_t *reachable = sim_reachable(fleet->sim, client->broker->index);
    char topic[NAME_CHARS + 8];
    bool maybe;

    snprintf(topic, sizeof topic, "will/%s", client->author->name);
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (i != client->broker->index && reachable[i] && is_wanted(fleet, i, topic, &maybe) &&
            fleet->members[i].will_came[client->index] != client->lives)
            ledger_wrong(&fleet->ledger, "the will of %s never came to %s", client->author->name,
                         name_of(fleet, i));
    }
    free(reachable);
}

void fleet_check_quiet(struct fleet *fleet)
{
    vec_each (&fleet->passages, passage) {
        if (passage->quiet == fleet->quiet)
            check_quiet_passage(fleet, passage);
    }
    check_passages(fleet);
}

/* ---- in the end ---- */

static void check_due(struct fleet *fleet)
{
    char tag[TAG_LEN + 1];

    vec_each (&fleet->passages, passage) {
        uint32_t missing = passage->due & ~passage->got;
        for (uint32_t i = 0; missing >> i && i < fleet->ledger.author_count; i++) {
            if (!(missing >> i & 1))
                continue;
            tag_write(&passage->tag, tag);
            ledger_wrong(&fleet->ledger, "%s has lost %s of %s, QoS %u, that its broker had",
                         fleet->clients[i].author->name, tag, name_of(fleet, passage->origin),
                         passage->qos);
        }
    }
}

/* What the others retain is what came last, or one of what may have survived a crash. */
static void check_retained(struct fleet *fleet, const struct broker *broker)
{
    for (uint32_t i = 0; i < fleet->ledger.author_count; i++) {
        const struct author *from = &fleet->ledger.authors[i];
        if (from->home != broker->index &&
            !(fleet->members[broker->index].kept[i].now >> broker->retained[i] & 1))
            ledger_wrong(&fleet->ledger, "%s retains %u of %s, of %llx",
                         name_of(fleet, broker->index), broker->retained[i], from->name,
                         (unsigned long long)fleet->members[broker->index].kept[i].now);
    }
}

void fleet_check_promises(struct fleet *fleet)
{
    check_due(fleet);
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct broker *broker = fleet_broker(fleet, i);
        promise_check(broker);
        check_retained(fleet, broker);
    }
    fleet_check_identities(fleet);
}
