/* SPDX-License-Identifier: Apache-2.0 */
/* What a client does by itself. */
#include "client.h"

#include "base/err.h"
#include "broker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Publishes use packet identifiers below. RETAINED_SENT_MAX: one bit each in a word. */
enum { SUBSCRIBE_ID = 100, UNSUBSCRIBE_ID = 200, FLIGHT_IDS = 30, RETAINED_SENT_MAX = 60 };

/* ---- lines ---- */

static void push(struct line *line, const uint8_t *bytes, size_t len)
{
    struct parcel *parcel = vec_push(&line->parcels);

    assert(parcel);
    *parcel = (struct parcel){ malloc(len), len };
    assert(parcel->bytes);
    memcpy(parcel->bytes, bytes, len);
}

bool line_pull(struct line *line, struct parcel *ret_parcel)
{
    if (line->at == line->parcels.len)
        return false;
    *ret_parcel = line->parcels.at[line->at];
    line->parcels.at[line->at++].bytes = NULL;
    return true;
}

static void empty(struct line *line)
{
    vec_each (&line->parcels, parcel)
        free(parcel->bytes);
    vec_finish(&line->parcels);
    line->at = 0;
}

void client_finish(struct client *client)
{
    empty(&client->in);
    empty(&client->out);
}

void client_say(struct client *client, const struct mqtt_packet *packet)
{
    struct buf bytes = { 0 };

    mqtt_encode(&bytes, MQTT_5, packet);
    assert(!bytes.failed);
    push(&client->out, bytes.data, bytes.len);
    buf_finish(&bytes);
}

void client_say_ack(struct client *client, enum mqtt_kind kind, uint16_t id)
{
    struct mqtt_packet packet = { .kind = kind, .puback.packet_id = id };

    client_say(client, &packet);
}

void client_get(struct client *client, const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;

    for (size_t at = 0; at < len; at += frame.whole) {
        int err = mqtt_frame_find(bytes + at, len - at, 1 << 20, &frame);
        assert(!err);
        push(&client->in, bytes + at, frame.whole);
    }
}

bool client_has_mail(const struct client *client)
{
    return client->conn && (client->in.at < client->in.parcels.len ||
                            (!client->paused && client->out.at < client->out.parcels.len));
}

/* ---- subscriptions ---- */

void client_wants(struct client *client, const char *filter, uint8_t qos)
{
    struct slot *slot = &client->slots[client->slot_count++];

    assert(client->slot_count <= SLOTS_MAX);
    *slot = (struct slot){ .qos = qos, .wanted = true };
    snprintf(slot->filter, sizeof slot->filter, "%s", filter);
}

bool client_has(const struct client *client, const char *topic, uint8_t *ret_qos)
{
    bool has = false;

    *ret_qos = 0;
    for (size_t i = 0; i < client->slot_count; i++) {
        const struct slot *slot = &client->slots[i];
        if (!slot->had || !topic_filter_matches(str_from_c(slot->filter), str_from_c(topic)))
            continue;
        has = true;
        *ret_qos = slot->qos > *ret_qos ? slot->qos : *ret_qos;
    }
    return has;
}

struct slot *client_slot(struct client *client, uint16_t packet_id)
{
    size_t i = packet_id - (packet_id >= UNSUBSCRIBE_ID ? UNSUBSCRIBE_ID : SUBSCRIBE_ID);

    return i < client->slot_count ? &client->slots[i] : NULL;
}

/* The entry of a SUBSCRIBE or UNSUBSCRIBE. */
static void say_filter(struct client *client, const struct slot *slot, enum mqtt_kind kind)
{
    struct mqtt_packet packet = { .kind = kind };
    uint16_t i = (uint16_t)(slot - client->slots);
    char list[sizeof slot->filter + 3];
    size_t len = strlen(slot->filter);

    list[0] = 0;
    list[1] = (char)len;
    memcpy(list + 2, slot->filter, len);
    list[2 + len] = (char)slot->qos;
    if (kind == MQTT_SUBSCRIBE) {
        packet.subscribe.packet_id = (uint16_t)(SUBSCRIBE_ID + i);
        packet.subscribe.list = (struct str){ list, len + 3 };
    } else {
        packet.unsubscribe.packet_id = (uint16_t)(UNSUBSCRIBE_ID + i);
        packet.unsubscribe.list = (struct str){ list, len + 2 };
    }
    client_say(client, &packet);
}

static void tell_let_go(struct client *client, const char *filter)
{
    const struct witness *witness = &client->broker->ledger->witness;

    if (witness->let_go)
        witness->let_go(witness->context, client, filter);
}

/* The client is owed nothing more of what this filter alone brings it. */
static void let_go(struct client *client, const char *filter)
{
    struct ledger *ledger = client->broker->ledger;
    char topic[STREAM_TOPIC_CHARS];
    uint8_t qos;

    for (size_t i = 0; i < ledger->author_count; i++) {
        if (!client_has(client, stream_topic(&ledger->authors[i], STREAM_SURE, topic), &qos))
            client->from[i].since = 0;
    }
    tell_let_go(client, filter);
}

void client_toggle(struct client *client, struct slot *slot)
{
    if (!client->up || slot->asked || slot->left)
        return;
    slot->wanted = !slot->wanted;
    slot->asked = slot->wanted;
    slot->left = !slot->wanted;
    slot->had = false;
    say_filter(client, slot, slot->wanted ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE);
    if (slot->left)
        let_go(client, slot->filter);
}

/* ---- connections ---- */

/* The session ends with the connection: neither side owes the other anything. */
static void forget(struct client *client)
{
    for (size_t i = 0; i < client->slot_count; i++)
        client->slots[i].had = client->slots[i].asked = client->slots[i].left = false;
    client->flight_count = 0;
    client->had_connack = false;
    memset(client->owes, 0, sizeof client->owes);
    memset(client->from, 0, sizeof client->from);
    let_go(client, NULL);
}

static void lose_connection(struct client *client)
{
    client->conn = 0;
    client->up = client->paused = false;
    client_finish(client);
    if (client->kept)
        tell_let_go(client, "q/#"); /* QoS 0 is lost with the connection */
    else
        forget(client);
}

void client_connect(struct client *client)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    struct mqtt_connect *connect = &packet.connect;
    char life[24], topic[NAME_CHARS + 8];

    client->conn = ++client->broker->conns;
    client->lives++;
    broker_step(client->broker, (struct core_event){ .kind = CORE_OPEN, .conn = client->conn });
    connect->version = MQTT_5;
    connect->client_id = str_from_c(client->author->name);
    connect->clean_start = !client->kept;
    if (client->kept) {
        connect->props.session_expiry_interval = 1000000;
        props_mark(&connect->props, PROP_SESSION_EXPIRY_INTERVAL);
    }
    connect->has_will = true;
    snprintf(topic, sizeof topic, "will/%s", client->author->name);
    connect->will.topic = str_from_c(topic);
    connect->will.qos = 1;
    snprintf(life, sizeof life, "%s %u", client->author->name, client->lives);
    connect->will.payload = str_from_c(life);
    client_say(client, &packet);
}

void client_cut(struct client *client)
{
    conn_id conn = client->conn;

    lose_connection(client);
    broker_step(client->broker, (struct core_event){ .kind = CORE_CLOSED, .conn = conn });
}

void client_bereave(struct client *client)
{
    char topic[NAME_CHARS + 8];
    uint8_t qos;
    bool heard = false; /* somebody hears of it who is still there afterwards */

    snprintf(topic, sizeof topic, "will/%s", client->author->name);
    for (size_t i = 0; i < client->broker->client_count; i++) {
        const struct client *other = &client->broker->clients[i];
        heard |= other->kept && client_has(other, topic, &qos);
    }
    /* That of a session which is not kept is promised by nobody. */
    if (client->up && client->kept && heard && !client->mourned)
        client->mourned = client->lives;
    lose_connection(client);
}

/* ---- messages ---- */

static void say_flight(struct client *client, struct flight *flight, bool dup)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };
    char topic[STREAM_TOPIC_CHARS], tag[TAG_LEN + 1];
    bool retain = flight->tag.stream == STREAM_RETAINED;
    struct buf payload = { 0 };

    if (flight->received) {
        client_say_ack(client, MQTT_PUBREL, flight->id);
        return;
    }
    flight->tag.attempt += dup;
    stream_topic(client->author, flight->tag.stream, topic);
    tag_write(&flight->tag, tag);
    for (uint32_t i = 0; i < flight->filler; i++)
        buf_append_u8(&payload, (uint8_t)i);
    if (!retain || retained_value(flight->tag.number) > 0)
        buf_append_str(&payload, str_from_c(tag));
    assert(!payload.failed);
    packet.publish = (struct mqtt_publish){ .qos = flight->qos,
                                            .dup = dup,
                                            .retain = retain,
                                            .packet_id = flight->id,
                                            .topic = str_from_c(topic),
                                            .payload = buf_str(&payload) };
    client_say(client, &packet);
    buf_finish(&payload);
}

void client_resume(struct client *client)
{
    for (size_t i = 0; i < client->flight_count; i++) /* [MQTT-4.4.0-1] */
        say_flight(client, &client->flights[i], true);
    for (size_t i = 0; i < client->slot_count; i++) {
        struct slot *slot = &client->slots[i];
        if (slot->wanted && !slot->had)
            say_filter(client, slot, MQTT_SUBSCRIBE);
        else if (slot->left)
            say_filter(client, slot, MQTT_UNSUBSCRIBE);
        slot->asked = slot->wanted && !slot->had;
    }
}

/* An identifier that no message on its way has, one that was met before if possible. */
static uint16_t free_id(struct client *client)
{
    for (;;) {
        size_t i = 0;
        client->next_id = (uint16_t)(client->next_id % FLIGHT_IDS + 1);
        while (i < client->flight_count && client->flights[i].id != client->next_id)
            i++;
        if (i == client->flight_count)
            return client->next_id;
    }
}

void client_publish(struct client *client, enum stream stream, uint8_t qos, uint32_t filler)
{
    struct author *author = client->author;
    uint32_t max = stream == STREAM_RETAINED ? RETAINED_SENT_MAX : MESSAGES_MAX - 1;

    if (!client->up || client->flight_count == FLIGHTS_MAX || author->sent[stream] >= max)
        return;
    struct flight flight = {
        .qos = qos,
        .tag = { .stream = stream, .author = client->index, .number = ++author->sent[stream] }
    };
    /* Of mixed QoS the older may be sent again when the newer may not. */
    if (stream == STREAM_RETAINED)
        flight.qos = (uint8_t)(1 + client->index % 2);
    if (stream == STREAM_SURE) {
        flight.filler = filler;
        author->qos_of[flight.tag.number] = qos;
    }
    if (flight.qos)
        flight.id = free_id(client);
    say_flight(client, &flight, false);
    if (flight.qos)
        client->flights[client->flight_count++] = flight;
}

/* The store is full: the broker may refuse the message, and the client never hear of it. */
static void note_refused(struct client *client, const struct mqtt_publish *publish,
                         const struct tag *tag)
{
    if (publish->retain)
        client->author->retained_refused = true;
    else if (tag->stream == STREAM_SURE)
        client->author->refused_of[tag->number] = true;
}

/* A PUBLISH arrives at the broker. */
static void hand_in(struct client *client, const struct mqtt_packet *packet)
{
    struct ledger *ledger = client->broker->ledger;
    struct core *core = node_core(client->broker->node);
    uint64_t before = core_stats(core).messages_in;
    struct tag tag;
    bool named = tag_read(packet->publish.payload, &tag);

    assert(named || packet->publish.payload.len == 0);
    if (client->broker->full)
        note_refused(client, &packet->publish, &tag);
    broker_step(client->broker,
                (struct core_event){ .kind = CORE_PACKET, .conn = client->conn, .packet = packet });
    if (named && ledger->witness.accepted && core_stats(core).messages_in > before)
        ledger->witness.accepted(ledger->witness.context, client, &tag, packet->publish.qos);
}

bool client_speak(struct client *client)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct parcel parcel;

    if (!client->conn || client->paused || !line_pull(&client->out, &parcel))
        return false;
    int err = mqtt_frame_find(parcel.bytes, parcel.len, 1 << 20, &frame);
    if (!err)
        err = mqtt_decode(&frame, MQTT_5, &packet);
    assert(!err);
    if (packet.kind == MQTT_PUBLISH)
        hand_in(client, &packet);
    else
        broker_step(
            client->broker,
            (struct core_event){ .kind = CORE_PACKET, .conn = client->conn, .packet = &packet });
    free(parcel.bytes);
    return true;
}
