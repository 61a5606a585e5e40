/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way from broker to broker: where each copy is, and whether it may be
 * there. The simulator shows every bundle; the frames in it name their destinations, and
 * payloads name the message. Each (message, destination) is in one place only. MESH.md 1 */
#include "fleet.h"

#include "base/err.h"
#include "mesh/frame.h"
#include "mqtt/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DATA_FRAME = 0x10, FRAG_FRAME = 0x11 }; /* MESH.md 3.20 */

/* Paths follow what changes within so long. */
enum { REROUTE_US = 3000000, SETTLED_US = 5000000 };

static uint32_t *slot_of(struct fleet *fleet, const struct tag *tag)
{
    size_t at = ((size_t)tag->author * STREAM_COUNT + tag->stream) * MESSAGES_MAX + tag->number;

    if (tag->author >= fleet->ledger.author_count || tag->number >= MESSAGES_MAX ||
        tag->attempt >= ATTEMPTS_MAX)
        return NULL;
    return &fleet->index[at * ATTEMPTS_MAX + tag->attempt];
}

/* The passage of a message, or NULL: it is not followed. */
static struct passage *passage_of(struct fleet *fleet, const struct tag *tag)
{
    const uint32_t *slot = slot_of(fleet, tag);

    return slot && *slot ? &fleet->passages.at[*slot - 1] : NULL;
}

static const char *node_name(const struct fleet *fleet, uint32_t node)
{
    return fleet->sim->nodes.at[node].name;
}

__attribute__((format(printf, 3, 4))) static void
wrong(struct fleet *fleet, const struct passage *passage, const char *format, ...)
{
    char text[200], tag[TAG_LEN + 1];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    tag_write(&passage->tag, tag);
    ledger_wrong(&fleet->ledger, "at %llu ms: %s of %s at QoS %u %s",
                 (unsigned long long)fleet->sim->now_us / 1000, tag,
                 node_name(fleet, passage->origin), passage->qos, text);
}

/* ---- at its origin ---- */

static bool view_wants(struct mesh *mesh, const struct node_id *id, struct str topic)
{
    struct str filter;
    size_t cursor = 0;
    uint8_t qos;

    while (mesh_next_filter(mesh, id, &cursor, &filter, &qos)) {
        if (topic_filter_matches(filter, topic))
            return true;
    }
    return false;
}

/* The brokers, a bit each, to which this one must send a topic, by what it knows. */
static uint32_t wanted_by(struct fleet *fleet, uint32_t node, const char *topic)
{
    struct mesh *mesh = node_mesh(fleet->brokers[node].node);
    struct mesh_node_view view;
    size_t cursor = 0;
    uint32_t set = 0;

    while (mesh_next_node(mesh, &cursor, &view)) {
        uint32_t other = view.id.bytes[15]; /* as sim_add_node makes them */
        if (!view.self && view.reachable && view_wants(mesh, &view.id, str_from_c(topic)))
            set |= 1u << other;
    }
    return set;
}

static const char *topic_of(const struct fleet *fleet, const struct tag *tag, char *out)
{
    return stream_topic(&fleet->ledger.authors[tag->author], tag->stream, out);
}

void passage_accepted(void *context, struct client *client, const struct tag *tag, uint8_t qos)
{
    struct fleet *fleet = context;
    uint32_t *slot = slot_of(fleet, tag), node = client->broker->index;
    /* A large one that finds no way is dropped in the step that takes it. MESH.md 3.8 */
    bool dropped = fleet->members[node].dropped_us == fleet->sim->now_us;
    char topic[STREAM_TOPIC_CHARS];

    if (!slot || client->broker->full)
        return; /* too often, or perhaps refused: not followed */
    struct passage *passage = sim_need(vec_push(&fleet->passages));
    *passage = (struct passage){ .tag = *tag,
                                 .qos = qos,
                                 .quiet = fleet->quiet,
                                 .origin = node,
                                 .taken_us = fleet->sim->now_us };
    *slot = (uint32_t)fleet->passages.len;
    uint32_t set = wanted_by(fleet, node, topic_of(fleet, tag, topic));
    fleet->members[node].owing |= set != 0;
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (set >> i & 1)
            passage->copies[i] = (struct copy_at){ .place = PLACE_OWED,
                                                   .node = (uint8_t)node,
                                                   .excused = dropped,
                                                   .since_us = fleet->sim->now_us };
    }
}

void passage_review(struct fleet *fleet, uint32_t node)
{
    char topic[STREAM_TOPIC_CHARS];

    if (!fleet->members[node].owing)
        return;
    fleet->members[node].owing = false;
    vec_each (&fleet->passages, passage) {
        bool waits = false;
        for (uint32_t i = 0; i < fleet->count; i++)
            waits |= passage->copies[i].place == PLACE_OWED;
        if (passage->origin != node || !waits)
            continue;
        fleet->members[node].owing = true;
        uint32_t set = wanted_by(fleet, node, topic_of(fleet, &passage->tag, topic));
        for (uint32_t i = 0; i < fleet->count; i++) {
            if (passage->copies[i].place == PLACE_OWED && !(set >> i & 1))
                passage->copies[i].place = PLACE_NONE;
        }
    }
}

/* ---- on the way ---- */

static void move(struct fleet *fleet, uint32_t node, enum sim_way way, struct passage *passage,
                 uint32_t to)
{
    struct copy_at *copy = &passage->copies[to];
    bool at_origin =
        node == passage->origin && (copy->place == PLACE_NONE || copy->place == PLACE_OWED);
    bool held = copy->place == PLACE_HELD && copy->node == node;

    if (way == SIM_LEAVES && !at_origin && !held)
        wrong(fleet, passage, "leaves %s for %s a second time (place %u)", node_name(fleet, node),
              node_name(fleet, to), copy->place);
    if (way != SIM_LEAVES && copy->place != PLACE_WIRE)
        wrong(fleet, passage, "comes to %s for %s a second time (place %u)", node_name(fleet, node),
              node_name(fleet, to), copy->place);
    copy->place = way == SIM_LEAVES ? PLACE_WIRE : way == SIM_ARRIVES ? PLACE_HELD : PLACE_LOST;
    copy->node = (uint8_t)node;
    copy->since_us = fleet->sim->now_us;
}

static uint32_t node_of(const struct fleet *fleet, const struct frame_dest *dest)
{
    uint32_t i = 0;

    if (dest->id)
        return dest->id[15];
    while (i < fleet->count && fleet->members[i].sid != dest->sid)
        i++;
    return i;
}

/* A piece of a cut message is lost, one of those that do not tell which: the rest may come. */
static void lose_piece(struct fleet *fleet, uint32_t origin_sid)
{
    vec_each (&fleet->passages, passage) {
        if (fleet->members[passage->origin].sid != origin_sid)
            continue;
        for (uint32_t i = 0; i < fleet->count; i++)
            passage->copies[i].excused |= passage->copies[i].cut;
    }
}

/* A cut message is where its last piece is, which ends with its name. */
static void on_frame(struct fleet *fleet, uint32_t node, enum sim_way way, uint8_t type,
                     struct str body)
{
    struct frame frame;
    struct frame_dests dests;
    struct frame_dest dest;
    struct tag tag;

    if (frame_decode(type, body, &frame, &dests) != ERR_OK)
        return;
    if (!tag_read(frame.tail, &tag)) {
        if (type == FRAG_FRAME && way == SIM_LOST)
            lose_piece(fleet, frame.origin);
        return;
    }
    struct passage *passage = passage_of(fleet, &tag);
    while (passage && frame_next_dest(&dests, &dest)) {
        uint32_t to = node_of(fleet, &dest);
        if (to >= fleet->count)
            continue;
        move(fleet, node, way, passage, to);
        passage->copies[to].cut = type == FRAG_FRAME;
    }
}

void passage_bundle(void *context, uint32_t node, enum sim_way way, struct str bytes)
{
    struct wire_reader r = wire_reader(bytes.ptr, bytes.len, 0);

    while (wire_left(&r) > 0) {
        struct str frame = wire_get_bytes(&r, wire_get_varint(&r));
        if (wire_finish(&r) == ERR_OK || wire_left(&r) > 0) {
            if (frame.len > 0 && (frame.ptr[0] == DATA_FRAME || frame.ptr[0] == FRAG_FRAME))
                on_frame(context, node, way, (uint8_t)frame.ptr[0], str_slice(frame, 1, frame.len));
        }
    }
}

void passage_dropped(struct fleet *fleet, uint32_t node)
{
    if (fleet->quiet || fleet->disturbed_us + SETTLED_US < fleet->sim->now_us)
        ledger_wrong(&fleet->ledger, "%s drops frames when all is quiet", node_name(fleet, node));
    fleet->members[node].dropped_us = fleet->sim->now_us;
    vec_each (&fleet->passages, passage) {
        for (uint32_t i = 0; i < fleet->count; i++) {
            struct copy_at *copy = &passage->copies[i];
            copy->excused |=
                copy->node == node && (copy->place == PLACE_OWED || copy->place == PLACE_HELD);
        }
    }
}

void passage_unlinked(struct fleet *fleet, uint32_t node)
{
    vec_each (&fleet->passages, passage) {
        for (uint32_t i = 0; i < fleet->count; i++) {
            struct copy_at *copy = &passage->copies[i];
            copy->excused |= copy->node == node && copy->since_us == fleet->sim->now_us &&
                             (copy->place == PLACE_OWED || copy->place == PLACE_HELD);
        }
    }
}

void passage_doubt(struct fleet *fleet, uint32_t node)
{
    vec_each (&fleet->passages, passage) {
        const struct author *author = &fleet->ledger.authors[passage->tag.author];
        bool acked = passage->tag.stream == STREAM_SURE
                         ? author->acked_of[passage->tag.number]
                         : passage->tag.number <= author->retained_acked;
        passage->doubtful |= passage->origin == node && !acked;
    }
}

void passage_stopped(struct fleet *fleet, uint32_t node)
{
    uint32_t own = ((1u << FLEET_CLIENTS) - 1) << node * FLEET_CLIENTS;

    vec_each (&fleet->passages, passage) {
        for (uint32_t i = 0; i < fleet->count; i++) {
            struct copy_at *copy = &passage->copies[i];
            if (copy->node == node && (copy->place == PLACE_OWED || copy->place == PLACE_HELD))
                copy->place = PLACE_LOST;
        }
        const struct copy_at *here = &passage->copies[node];
        if (here->place == PLACE_CAME && !here->firm)
            passage->due &= ~own;
    }
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        fleet->members[node].kept[i].now = fleet->members[node].kept[i].after_crash;
}

/* ---- where it is wanted ---- */

/* Messages of one author, topic and QoS come in the order in which its broker took them,
 * while paths stay. */
static void check_order(struct fleet *fleet, uint32_t node, const struct passage *passage)
{
    const struct tag *tag = &passage->tag;
    uint32_t *newest = &fleet->members[node].newest[tag->author][tag->stream][passage->qos];

    if (tag->attempt > 0)
        return;
    if (tag->number < *newest && fleet->disturbed_us + REROUTE_US < passage->taken_us)
        wrong(fleet, passage, "comes to %s after %u", node_name(fleet, node), *newest);
    if (tag->number > *newest)
        *newest = tag->number;
}

/* Who is subscribed now must get it. */
static void note_due(struct fleet *fleet, uint32_t node, struct passage *passage)
{
    const struct broker *broker = &fleet->brokers[node];
    char topic[STREAM_TOPIC_CHARS];
    uint8_t qos;

    topic_of(fleet, &passage->tag, topic);
    for (size_t i = 0; i < broker->client_count; i++) {
        const struct client *client = &broker->clients[i];
        if (!client_has(client, topic, &qos))
            continue;
        if (client->up || (client->kept && qos > 0 && passage->qos > 0))
            passage->due |= 1u << client->index;
    }
}

/* number 0: nothing is retained from now on. */
static void note_retained(struct fleet *fleet, uint32_t node, uint32_t author, uint32_t number)
{
    struct kept_values *kept = &fleet->members[node].kept[author];
    uint64_t bit = UINT64_C(1) << number;

    kept->now = fleet->brokers[node].full ? kept->now | bit : bit; /* full: what was may stay */
    kept->after_crash |= bit;
}

static void removal_comes(struct fleet *fleet, uint32_t node, struct str topic)
{
    const struct author *from = ledger_author(&fleet->ledger, str_slice(topic, 2, topic.len));

    if (!from)
        ledger_wrong(&fleet->ledger, "a message of nobody comes to %s", node_name(fleet, node));
    else
        note_retained(fleet, node, (uint32_t)(from - fleet->ledger.authors), 0);
}

static void will_comes(struct fleet *fleet, uint32_t node, struct str payload)
{
    size_t blank = str_find(payload, ' ', 0);
    const struct author *from = ledger_author(&fleet->ledger, str_slice(payload, 0, blank));

    if (!from)
        ledger_wrong(&fleet->ledger, "the will of nobody comes to %s", node_name(fleet, node));
    else
        fleet->members[node].will_came[from - fleet->ledger.authors] =
            number_of(str_slice(payload, blank + 1, payload.len));
}

void passage_deliver(void *context, uint32_t node, const struct message *message)
{
    struct fleet *fleet = context;
    struct tag tag;

    fleet->members[node].soft = true;
    if (message->payload_len == 0) {
        removal_comes(fleet, node, message_topic(message));
        return;
    }
    if (!tag_read(message_payload(message), &tag)) {
        will_comes(fleet, node, message_payload(message));
        return;
    }
    if (tag.stream == STREAM_RETAINED)
        note_retained(fleet, node, tag.author, tag.number);
    struct passage *passage = passage_of(fleet, &tag);
    if (!passage)
        return;
    struct copy_at *copy = &passage->copies[node];
    if (copy->place != PLACE_HELD || copy->node != node)
        wrong(fleet, passage, "is delivered at %s from nowhere", node_name(fleet, node));
    *copy = (struct copy_at){ .place = PLACE_CAME,
                              .node = (uint8_t)node,
                              .rank = ++fleet->members[node].ranks };
    for (uint32_t i = 0; passage->qos == 2 && i < ATTEMPTS_MAX; i++) {
        struct tag other = { tag.stream, tag.author, tag.number, i };
        const struct passage *twin = passage_of(fleet, &other);
        if (twin && twin != passage && !twin->doubtful && twin->copies[node].place == PLACE_CAME)
            wrong(fleet, passage, "comes to %s after attempt %u came", node_name(fleet, node), i);
    }
    check_order(fleet, node, passage);
    note_due(fleet, node, passage);
}

void passage_firm(struct fleet *fleet, uint32_t node)
{
    if (!fleet->members[node].soft)
        return;
    fleet->members[node].soft = false;
    vec_each (&fleet->passages, passage) {
        if (passage->copies[node].place == PLACE_CAME)
            passage->copies[node].firm = true;
    }
    for (uint32_t i = 0; i < AUTHORS_MAX; i++)
        fleet->members[node].kept[i].after_crash = fleet->members[node].kept[i].now;
}

/* ---- at the client ---- */

void passage_taken(void *context, struct client *client, const struct tag *tag, uint8_t qos)
{
    struct fleet *fleet = context;
    struct passage *passage = passage_of(fleet, tag);
    uint32_t bit = 1u << client->index;
    uint32_t *newest = &fleet->newest_rank[client->index][tag->author][tag->stream];

    if (!passage)
        return;
    const struct copy_at *copy = &passage->copies[client->broker->index];
    if (copy->place != PLACE_CAME)
        wrong(fleet, passage, "gets to %s, and never came to its broker", client->author->name);
    if (tag->stream == STREAM_RETAINED) { /* it comes again with each subscription */
        passage->got |= bit;
        return;
    }
    if (passage->got & bit && (qos != 1 || passage->lives[client->index] == (uint8_t)client->lives))
        wrong(fleet, passage, "gets to %s again, at QoS %u", client->author->name, qos);
    if (!(passage->got & bit) && copy->rank < *newest)
        wrong(fleet, passage, "gets to %s out of order", client->author->name);
    if (!(passage->got & bit))
        *newest = copy->rank;
    passage->got |= bit;
    passage->lives[client->index] = (uint8_t)client->lives;
}

void passage_let_go(void *context, struct client *client, const char *filter)
{
    struct fleet *fleet = context;
    char topic[STREAM_TOPIC_CHARS];

    vec_each (&fleet->passages, passage) {
        if (!filter || topic_filter_matches(str_from_c(filter),
                                            str_from_c(topic_of(fleet, &passage->tag, topic))))
            passage->due &= ~(1u << client->index);
        if (!filter) /* another session may get it anew */
            passage->got &= ~(1u << client->index);
    }
    if (!filter)
        memset(fleet->newest_rank[client->index], 0, sizeof fleet->newest_rank[client->index]);
}
