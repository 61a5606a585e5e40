/* SPDX-License-Identifier: Apache-2.0 */
#include "crash.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number that a text is. */
static uint32_t number_of(struct str text)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (uint32_t)(text.ptr[i] - '0');
    return number;
}

/* ---- lines ---- */

static void push(struct line *line, const uint8_t *bytes, size_t len)
{
    struct parcel *parcel = vec_push(&line->parcels);

    assert(parcel);
    *parcel = (struct parcel){ malloc(len), len };
    assert(parcel->bytes);
    memcpy(parcel->bytes, bytes, len);
}

static bool pull(struct line *line, struct parcel *ret_parcel)
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

void client_lose_lines(struct client *client)
{
    empty(&client->in);
    empty(&client->out);
}

static void say(struct client *client, const struct mqtt_packet *packet)
{
    struct buf bytes = { 0 };

    mqtt_encode(&bytes, MQTT_5, packet);
    assert(!bytes.failed);
    push(&client->out, bytes.data, bytes.len);
    buf_finish(&bytes);
}

static void say_ack(struct client *client, enum mqtt_kind kind, uint16_t id)
{
    struct mqtt_packet packet = { .kind = kind, .puback.packet_id = id };

    say(client, &packet);
}

/* ---- what a client does by itself ---- */

void client_connect(struct crash *crash, struct client *client)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    struct mqtt_connect *connect = &packet.connect;
    char life[16];

    client->conn = ++crash->conns;
    client->lives++;
    broker_step(crash, (struct core_event){ .kind = CORE_OPEN, .conn = client->conn });
    connect->version = MQTT_5;
    connect->client_id = str_from_c(client->name);
    connect->props.session_expiry_interval = 1000000;
    props_mark(&connect->props, PROP_SESSION_EXPIRY_INTERVAL);
    connect->has_will = true;
    connect->will.topic = STR("will");
    connect->will.qos = 1;
    snprintf(life, sizeof life, "%s %u", client->name, client->lives);
    connect->will.payload = str_from_c(life);
    say(client, &packet);
}

void client_cut(struct crash *crash, struct client *client)
{
    conn_id conn = client->conn;

    client->conn = 0;
    client->up = client->paused = false;
    client_lose_lines(client);
    broker_step(crash, (struct core_event){ .kind = CORE_CLOSED, .conn = conn });
}

static void subscribe(struct client *client)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE, .subscribe.packet_id = 1 };
    static const uint8_t list[] = "\x00\x03"
                                  "m/#\x02\x00\x04will\x01";

    packet.subscribe.list = (struct str){ (const char *)list, sizeof list - 1 };
    say(client, &packet);
}

static void say_flight(struct client *client, const struct flight *flight, bool dup)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };
    struct mqtt_publish *publish = &packet.publish;
    char topic[16], payload[24];

    if (flight->received) {
        say_ack(client, MQTT_PUBREL, flight->id);
        return;
    }
    snprintf(topic, sizeof topic, "%s/%s", flight->retain ? "r" : "m", client->name);
    snprintf(payload, sizeof payload, "%u", flight->number);
    *publish = (struct mqtt_publish){ .qos = flight->qos,
                                      .dup = dup,
                                      .retain = flight->retain,
                                      .packet_id = flight->id,
                                      .topic = str_from_c(topic),
                                      .payload = str_from_c(payload) };
    say(client, &packet);
}

void client_publish(struct crash *crash, struct client *client)
{
    bool retain = rand_below(&crash->rand, 8) == 0;

    if (!client->up || client->flight_count == FLIGHTS_MAX || client->sent + 1 >= MESSAGES_MAX)
        return;
    struct flight flight = { .qos = (uint8_t)(1 + rand_below(&crash->rand, 2)),
                             .retain = retain,
                             .number = retain ? ++client->retained_sent : ++client->sent };
    if (retain) /* of mixed QoS the older may be sent again when the newer may not */
        flight.qos = (uint8_t)(1 + (client - crash->clients) % 2);
    do {
        flight.id = client->next_id = (uint16_t)(client->next_id % 30 + 1); /* met again soon */
        for (size_t i = 0; i < client->flight_count; i++) {
            if (client->flights[i].id == flight.id)
                flight.id = 0;
        }
    } while (flight.id == 0);
    if (!retain)
        client->qos_of[flight.number] = flight.qos;
    client->flights[client->flight_count++] = flight;
    say_flight(client, &flight, false);
}

/* ---- what a client hears ---- */

static void on_connack(struct crash *crash, struct client *client, const struct mqtt_connack *packet)
{
    if (packet->reason)
        crash_wrong(crash, "%s is refused: %02x", client->name, packet->reason);
    if (client->had_connack && !packet->session_present)
        crash_wrong(crash, "the session of %s is lost", client->name);
    client->up = client->had_connack = true;
    for (size_t i = 0; i < client->flight_count; i++) /* [MQTT-4.4.0-1] */
        say_flight(client, &client->flights[i], true);
    if (!client->subscribed)
        subscribe(client);
}

static void on_suback(struct crash *crash, struct client *client, const struct mqtt_suback *packet)
{
    if (packet->reasons.len != 2 || packet->reasons.ptr[0] != 2 || packet->reasons.ptr[1] != 1)
        crash_wrong(crash, "%s may not subscribe", client->name);
    if (!client->subscribed) {
        for (size_t i = 0; i < PUBLISHERS; i++)
            client->since[i] = crash->clients[i].sent + 1;
    }
    client->subscribed = true;
}

static struct client *client_named(struct crash *crash, struct str name)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        if (str_equal(name, str_from_c(crash->clients[i].name)))
            return &crash->clients[i];
    }
    return NULL;
}

/* A message that is new to the client. */
static void take(struct crash *crash, struct client *client, const struct mqtt_publish *packet)
{
    uint32_t number = number_of(packet->payload);
    struct client *from = client_named(crash, str_slice(packet->topic, 2, packet->topic.len));
    struct inbox *inbox = from ? &client->from[from - crash->clients] : NULL;

    if (!inbox || number == 0 || number > from->sent) {
        crash_wrong(crash, "%s gets what nobody sent", client->name);
        return;
    }
    uint32_t since = client->since[from - crash->clients];
    if (inbox->times[number]++ == 0) {
        /* What was sent before it subscribed, or was refused, may be sent again later. */
        if (since && number >= since && number < inbox->last && !from->refused_of[number])
            crash_wrong(crash, "%s gets %u of %s after %u", client->name, number, from->name,
                        inbox->last);
        inbox->last = number;
    } else if (packet->qos == 2) {
        crash_wrong(crash, "%s gets %u of %s again", client->name, number, from->name);
    }
}

static void take_will(struct crash *crash, const struct mqtt_publish *packet)
{
    size_t blank = str_find(packet->payload, ' ', 0);
    struct client *from = client_named(crash, str_slice(packet->payload, 0, blank));
    uint32_t life = number_of(str_slice(packet->payload, blank + 1, packet->payload.len));

    if (from && life > from->will_seen)
        from->will_seen = life;
}

static void on_publish(struct crash *crash, struct client *client, const struct mqtt_publish *packet)
{
    uint8_t *owes = &client->owes[packet->packet_id / 8];
    uint8_t bit = (uint8_t)(1 << packet->packet_id % 8);
    bool again = packet->qos == 2 && *owes & bit;

    if (str_starts_with(packet->topic, STR("will")))
        take_will(crash, packet);
    else if (!again)
        take(crash, client, packet);
    if (packet->qos == 1)
        say_ack(client, MQTT_PUBACK, packet->packet_id);
    if (packet->qos != 2)
        return;
    *owes |= bit;
    say_ack(client, MQTT_PUBREC, packet->packet_id);
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
static void note_acked(struct client *client, const struct flight *flight)
{
    if (!flight->retain)
        client->acked_of[flight->number] = true;
    else if (flight->number > client->retained_acked)
        client->retained_acked = flight->number;
}

static void on_answer(struct crash *crash, struct client *client, const struct mqtt_packet *packet)
{
    uint16_t id = packet->puback.packet_id;
    struct flight *flight = flight_of(client, id);
    bool refused = packet->puback.reason >= 0x80 &&
                   packet->puback.reason != REASON_PACKET_IDENTIFIER_NOT_FOUND;

    if (packet->kind == MQTT_PUBREL) {
        client->owes[id / 8] &= (uint8_t)~(1 << id % 8);
        say_ack(client, MQTT_PUBCOMP, id);
        return;
    }
    if (!flight) {
        crash_wrong(crash, "%s gets an answer to nothing", client->name);
        return;
    }
    if (refused) { /* the store is full: this is no promise */
        land(client, flight);
        return;
    }
    note_acked(client, flight);
    if (packet->kind == MQTT_PUBREC) {
        flight->received = true;
        say_ack(client, MQTT_PUBREL, id);
    } else {
        land(client, flight);
    }
}

/* The late one notes what is retained. */
static void get_retained(struct crash *crash, const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    for (size_t at = 0; at < len; at += frame.whole) {
        int err = mqtt_frame_find(bytes + at, len - at, 1 << 20, &frame);
        if (!err)
            err = mqtt_decode(&frame, MQTT_5, &packet);
        assert(!err);
        if (packet.kind != MQTT_PUBLISH)
            continue;
        struct str name = str_slice(packet.publish.topic, 2, packet.publish.topic.len);
        crash->retained[client_named(crash, name) - crash->clients] =
            number_of(packet.publish.payload);
    }
}

void client_look(struct crash *crash)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    static const uint8_t list[] = "\x00\x03r/#\x00";

    crash->late = ++crash->conns;
    broker_step(crash, (struct core_event){ .kind = CORE_OPEN, .conn = crash->late });
    packet.connect.version = MQTT_5;
    packet.connect.clean_start = true;
    packet.connect.client_id = STR("late");
    broker_step(crash, (struct core_event){
                           .kind = CORE_PACKET, .conn = crash->late, .packet = &packet });
    packet = (struct mqtt_packet){ .kind = MQTT_SUBSCRIBE, .subscribe.packet_id = 1 };
    packet.subscribe.list = (struct str){ (const char *)list, sizeof list - 1 };
    broker_step(crash, (struct core_event){
                           .kind = CORE_PACKET, .conn = crash->late, .packet = &packet });
}

void client_get(struct crash *crash, conn_id conn, const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;

    if (crash->late && conn == crash->late) {
        get_retained(crash, bytes, len);
        return;
    }

    for (size_t i = 0; i < CLIENTS; i++) {
        if (crash->clients[i].conn != conn)
            continue;
        for (size_t at = 0; at < len; at += frame.whole) {
            int err = mqtt_frame_find(bytes + at, len - at, 1 << 20, &frame);
            assert(!err);
            push(&crash->clients[i].in, bytes + at, frame.whole);
        }
    }
}

bool client_hear(struct crash *crash, struct client *client)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct parcel parcel;

    if (!client->conn || !pull(&client->in, &parcel))
        return false;
    int err = mqtt_frame_find(parcel.bytes, parcel.len, 1 << 20, &frame);
    if (!err)
        err = mqtt_decode(&frame, MQTT_5, &packet);
    assert(!err);
    if (packet.kind == MQTT_CONNACK)
        on_connack(crash, client, &packet.connack);
    else if (!client->up)
        crash_wrong(crash, "%s hears before CONNACK", client->name);
    else if (packet.kind == MQTT_SUBACK)
        on_suback(crash, client, &packet.suback);
    else if (packet.kind == MQTT_PUBLISH)
        on_publish(crash, client, &packet.publish);
    else
        on_answer(crash, client, &packet);
    free(parcel.bytes);
    return true;
}

/* The store is full: the broker may refuse the message, and the client never hear of it. */
static void note_refused(struct client *client, const struct mqtt_publish *packet)
{
    if (packet->topic.ptr[0] == 'm')
        client->refused_of[number_of(packet->payload)] = true;
    else
        client->retained_refused = true;
}

bool client_speak(struct crash *crash, struct client *client)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct parcel parcel;

    if (!client->conn || client->paused || !pull(&client->out, &parcel))
        return false;
    int err = mqtt_frame_find(parcel.bytes, parcel.len, 1 << 20, &frame);
    if (!err)
        err = mqtt_decode(&frame, MQTT_5, &packet);
    assert(!err);
    if (crash->full && packet.kind == MQTT_PUBLISH)
        note_refused(client, &packet.publish);
    broker_step(crash, (struct core_event){
                           .kind = CORE_PACKET, .conn = client->conn, .packet = &packet });
    free(parcel.bytes);
    return true;
}
