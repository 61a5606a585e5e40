/* SPDX-License-Identifier: Apache-2.0 */
/* What a client hears, and what it makes of it. */
#include "client.h"

#include "base/err.h"
#include "broker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct ledger *ledger_of(const struct client *client)
{
    return client->broker->ledger;
}

static void on_connack(struct client *client, const struct mqtt_connack *packet)
{
    const char *name = client->author->name;

    if (packet->reason)
        ledger_wrong(ledger_of(client), "%s is refused: %02x", name, packet->reason);
    if (client->had_connack && !packet->session_present)
        ledger_wrong(ledger_of(client), "the session of %s is lost", name);
    client->up = client->had_connack = true;
    client_resume(client);
}

/* What is sent from now on to what the slot alone matches is the client's to get. */
static void begin_owing(struct client *client)
{
    struct ledger *ledger = ledger_of(client);
    char topic[STREAM_TOPIC_CHARS];
    uint8_t qos;

    for (size_t i = 0; i < ledger->author_count; i++) {
        const struct author *author = &ledger->authors[i];
        if (client->from[i].since == 0 && author->home == client->broker->index &&
            client_has(client, stream_topic(author, STREAM_SURE, topic), &qos) && qos > 0)
            client->from[i].since = author->sent[STREAM_SURE] + 1;
    }
}

static void on_suback(struct client *client, const struct mqtt_suback *packet)
{
    struct slot *slot = client_slot(client, packet->packet_id);

    if (!slot || packet->reasons.len != 1 || (uint8_t)packet->reasons.ptr[0] != slot->qos) {
        ledger_wrong(ledger_of(client), "%s may not subscribe", client->author->name);
        return;
    }
    slot->asked = false;
    slot->had = true;
    begin_owing(client);
}

static void on_unsuback(struct client *client, const struct mqtt_suback *packet)
{
    struct slot *slot = client_slot(client, packet->packet_id);

    if (!slot || !slot->left)
        ledger_wrong(ledger_of(client), "%s hears of an UNSUBSCRIBE that it never sent",
                     client->author->name);
    else
        slot->left = false;
}

/* A message of an author at the same broker. */
static void take_sure(struct client *client, const struct author *from, const struct tag *tag,
                      uint8_t qos)
{
    struct ledger *ledger = ledger_of(client);
    struct inbox *inbox = &client->from[tag->author];
    uint32_t number = tag->number, *last = &inbox->last[STREAM_SURE];

    if (inbox->times[number]++ == 0) {
        /* What was sent before it subscribed, or was refused, may be sent again later. */
        if (inbox->since && number >= inbox->since && number < *last && !from->refused_of[number])
            ledger_wrong(ledger, "%s gets %u of %s after %u", client->author->name, number,
                         from->name, *last);
        *last = number;
    } else if (qos == 2 && inbox->once[number]) {
        ledger_wrong(ledger, "%s gets %u of %s again", client->author->name, number, from->name);
    }
    inbox->once[number] |= qos == 2;
}

/* QoS 0 is sent once: what comes is newer than all before. */
static void take_loose(struct client *client, const struct author *from, uint32_t number)
{
    uint32_t *last = &client->from[from - ledger_of(client)->authors].last[STREAM_LOOSE];

    if (number <= *last)
        ledger_wrong(ledger_of(client), "%s gets %u of %s at QoS 0 after %u", client->author->name,
                     number, from->name, *last);
    *last = number;
}

/* A message that is new to the client. */
static void take(struct client *client, const struct mqtt_publish *packet)
{
    struct ledger *ledger = ledger_of(client);
    struct tag tag;
    char topic[STREAM_TOPIC_CHARS];

    if (!tag_read(packet->payload, &tag) || tag.author >= ledger->author_count || tag.number == 0 ||
        tag.number > ledger->authors[tag.author].sent[tag.stream] ||
        !str_equal(packet->topic,
                   str_from_c(stream_topic(&ledger->authors[tag.author], tag.stream, topic)))) {
        ledger_wrong(ledger, "%s gets what nobody sent", client->author->name);
        return;
    }
    const struct author *from = &ledger->authors[tag.author];
    if (from->home != client->broker->index)
        ledger->witness.taken(ledger->witness.context, client, &tag, packet->qos);
    else if (tag.stream == STREAM_SURE)
        take_sure(client, from, &tag, packet->qos);
    else if (tag.stream == STREAM_LOOSE)
        take_loose(client, from, tag.number);
}

static void take_will(struct client *client, const struct mqtt_publish *packet)
{
    struct broker *broker = client->broker;
    size_t blank = str_find(packet->payload, ' ', 0);
    const struct author *from = ledger_author(broker->ledger, str_slice(packet->payload, 0, blank));
    uint32_t life = number_of(str_slice(packet->payload, blank + 1, packet->payload.len));

    for (size_t i = 0; i < broker->client_count; i++) {
        if (broker->clients[i].author == from && life > broker->clients[i].will_seen)
            broker->clients[i].will_seen = life;
    }
}

static void on_publish(struct client *client, const struct mqtt_publish *packet)
{
    uint8_t *owes = &client->owes[packet->packet_id / 8];
    uint8_t bit = (uint8_t)(1 << packet->packet_id % 8);
    bool again = packet->qos == 2 && *owes & bit;

    if (str_starts_with(packet->topic, STR("will")))
        take_will(client, packet);
    else if (!again && packet->payload.len > 0) /* else it says that nothing is retained */
        take(client, packet);
    if (packet->qos == 1)
        client_say_ack(client, MQTT_PUBACK, packet->packet_id);
    if (packet->qos != 2)
        return;
    *owes |= bit;
    client_say_ack(client, MQTT_PUBREC, packet->packet_id);
}

static struct flight *flight_of(struct client *client, uint16_t id)
{
    for (size_t i = 0; i < client->flight_count; i++) {
        if (client->flights[i].id == id)
            return &client->flights[i];
    }
    return NULL;
}

static void land(struct client *client, const struct flight *flight)
{
    size_t i = (size_t)(flight - client->flights);

    memmove(&client->flights[i], &client->flights[i + 1],
            (--client->flight_count - i) * sizeof *flight);
}

/* The broker has taken the message over: it must never be lost from here on. */
static void note_acked(struct author *author, const struct tag *tag)
{
    if (tag->stream == STREAM_SURE)
        author->acked_of[tag->number] = true;
    else if (tag->number > author->retained_acked)
        author->retained_acked = tag->number;
}

static void on_answer(struct client *client, const struct mqtt_packet *packet)
{
    uint16_t id = packet->puback.packet_id;
    struct flight *flight = flight_of(client, id);
    bool refused = packet->puback.reason >= 0x80 &&
                   packet->puback.reason != REASON_PACKET_IDENTIFIER_NOT_FOUND;

    if (packet->kind == MQTT_PUBREL) {
        client->owes[id / 8] &= (uint8_t) ~(1 << id % 8);
        client_say_ack(client, MQTT_PUBCOMP, id);
        return;
    }
    if (!flight) {
        ledger_wrong(ledger_of(client), "%s gets an answer to nothing", client->author->name);
        return;
    }
    if (refused) { /* the store is full: this is no promise */
        land(client, flight);
        return;
    }
    note_acked(client->author, &flight->tag);
    if (packet->kind == MQTT_PUBREC) {
        flight->received = true;
        client_say_ack(client, MQTT_PUBREL, id);
    } else {
        land(client, flight);
    }
}

static void dispatch(struct client *client, const struct mqtt_packet *packet)
{
    if (packet->kind == MQTT_CONNACK)
        on_connack(client, &packet->connack);
    else if (!client->up)
        ledger_wrong(ledger_of(client), "%s hears before CONNACK", client->author->name);
    else if (packet->kind == MQTT_SUBACK)
        on_suback(client, &packet->suback);
    else if (packet->kind == MQTT_UNSUBACK)
        on_unsuback(client, &packet->suback);
    else if (packet->kind == MQTT_PUBLISH)
        on_publish(client, &packet->publish);
    else
        on_answer(client, packet);
}

bool client_hear(struct client *client)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct parcel parcel;

    if (!client->conn || !line_pull(&client->in, &parcel))
        return false;
    int err = mqtt_frame_find(parcel.bytes, parcel.len, 1 << 20, &frame);
    if (!err)
        err = mqtt_decode(&frame, MQTT_5, &packet);
    assert(!err);
    dispatch(client, &packet);
    free(parcel.bytes);
    return true;
}
