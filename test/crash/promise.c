/* SPDX-License-Identifier: Apache-2.0 */
/* What one broker has promised to its clients. */
#include "base/err.h"
#include "broker.h"

#include <assert.h>

static void check_subscriber(struct ledger *ledger, const struct client *client)
{
    for (size_t i = 0; i < ledger->author_count; i++) {
        const struct author *from = &ledger->authors[i];
        const struct inbox *inbox = &client->from[i];
        for (uint32_t n = inbox->since; inbox->since && n <= from->sent[STREAM_SURE]; n++) {
            if (from->acked_of[n] && inbox->times[n] == 0)
                ledger_wrong(ledger, "%s has lost %u of %s, QoS %u", client->author->name, n,
                             from->name, from->qos_of[n]);
        }
    }
}

static void check_retained(struct broker *broker, size_t author)
{
    const struct author *from = &broker->ledger->authors[author];
    uint32_t value = broker->retained[author], number = from->retained_acked;

    if (from->retained_refused)
        number = 0;
    while (number <= from->sent[STREAM_RETAINED] && retained_value(number) != value)
        number++;
    if (number > from->sent[STREAM_RETAINED])
        ledger_wrong(broker->ledger, "%s retained %u, acknowledged was %u", from->name, value,
                     from->retained_acked);
}

void promise_check(struct broker *broker)
{
    struct ledger *ledger = broker->ledger;

    for (size_t i = 0; i < broker->client_count; i++) {
        const struct client *client = &broker->clients[i];
        check_subscriber(ledger, client);
        if (client->flight_count)
            ledger_wrong(ledger, "%s waits for answers to %zu, from %u of stream %u on",
                         client->author->name, client->flight_count, client->flights[0].tag.number,
                         client->flights[0].tag.stream);
        if (client->mourned > client->will_seen)
            ledger_wrong(ledger, "the will of %s, life %u, was never sent", client->author->name,
                         client->mourned);
    }
    promise_look(broker);
    for (size_t i = 0; i < ledger->author_count; i++) {
        if (ledger->authors[i].home == broker->index)
            check_retained(broker, i);
    }
    broker_step(broker, (struct core_event){ .kind = CORE_CLOSED, .conn = broker->late });
    broker->late = 0;
}

void promise_seen(struct broker *broker, const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    struct tag tag;

    for (size_t at = 0; at < len; at += frame.whole) {
        int err = mqtt_frame_find(bytes + at, len - at, 1 << 20, &frame);
        if (!err)
            err = mqtt_decode(&frame, MQTT_5, &packet);
        assert(!err);
        if (packet.kind != MQTT_PUBLISH)
            continue;
        bool named = tag_read(packet.publish.payload, &tag);
        assert(named && tag.author < broker->ledger->author_count);
        broker->retained[tag.author] = tag.number;
    }
}

void promise_look(struct broker *broker)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    static const uint8_t list[] = "\x00\x03r/#\x00";

    for (size_t i = 0; i < broker->ledger->author_count; i++)
        broker->retained[i] = 0;
    broker->late = ++broker->conns;
    broker_step(broker, (struct core_event){ .kind = CORE_OPEN, .conn = broker->late });
    packet.connect.version = MQTT_5;
    packet.connect.clean_start = true;
    packet.connect.client_id = STR("late");
    broker_step(broker, (struct core_event){
                            .kind = CORE_PACKET, .conn = broker->late, .packet = &packet });
    packet = (struct mqtt_packet){ .kind = MQTT_SUBSCRIBE, .subscribe.packet_id = 1 };
    packet.subscribe.list = (struct str){ (const char *)list, sizeof list - 1 };
    broker_step(broker, (struct core_event){
                            .kind = CORE_PACKET, .conn = broker->late, .packet = &packet });
}
