/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated client: it publishes and subscribes at its broker, keeps what a client has to
 * keep between its connections, and says in the ledger where the broker breaks its word.
 *
 * Packets travel on two lines, each in order, and are lost with the connection. */
#pragma once

#include "base/vec.h"
#include "core/core.h"
#include "ledger.h"

enum { FLIGHTS_MAX = 16, SLOTS_MAX = 5, IDS = 65536 };

struct broker;

/* A publish of a client's that is not acknowledged to the end. */
struct flight {
    uint16_t id;
    uint8_t qos;
    bool received;   /* PUBREC came: PUBREL is what is sent again */
    uint32_t filler; /* bytes in front of the tag */
    struct tag tag;
};

/* What a subscriber has of one author's messages. */
struct inbox {
    uint32_t since;              /* STREAM_SURE: those from then on are its own to get; 0: none */
    uint8_t times[MESSAGES_MAX]; /* STREAM_SURE: each came so often */
    bool once[MESSAGES_MAX];     /* STREAM_SURE: it came at QoS 2 */
    uint32_t last[STREAM_COUNT]; /* the highest that came first */
};

/* A filter that the client may subscribe to. */
struct slot {
    char filter[STREAM_TOPIC_CHARS];
    uint8_t qos;
    bool wanted;
    bool had;   /* SUBACK came, and nothing was said since */
    bool asked; /* SUBSCRIBE may be on its way, */
    bool left;  /* or UNSUBSCRIBE */
};

/* A packet on its way, either way. */
struct parcel {
    uint8_t *bytes;
    size_t len;
};

struct line {
    struct {
        VEC(struct parcel);
    } parcels;
    size_t at; /* those before are delivered */
};

struct client {
    struct author *author;
    struct broker *broker;
    uint32_t index; /* among all, and its author's */
    bool kept;      /* its session outlives its connections */
    /* What survives its connections. */
    bool had_connack; /* it knows that its session is there */
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    uint16_t next_id;
    uint8_t owes[IDS / 8]; /* QoS 2 identifiers received and not released */
    struct inbox from[AUTHORS_MAX];
    uint32_t lives;     /* connections so far: the payload of its will */
    uint32_t mourned;   /* the life whose will must be seen; 0: none */
    uint32_t will_seen; /* the latest whose will somebody at its broker saw */
    /* The connection. */
    conn_id conn; /* 0: none */
    bool up;      /* CONNACK came */
    bool paused;
    struct line in, out;
};

/* Let it want a filter from its next connection on. */
void client_wants(struct client *client, const char *filter, uint8_t qos);

void client_connect(struct client *client);

/* Its connection breaks. */
void client_cut(struct client *client);

/* Its broker is gone, and with it the connection. */
void client_bereave(struct client *client);

/* Publish the next message of a stream, if the client is up and has room for one more, with so
 * many bytes more than its name. */
void client_publish(struct client *client, enum stream stream, uint8_t qos, uint32_t filler);

/* Subscribe to what it does not want, or the other way round, if it is up. */
void client_toggle(struct client *client, struct slot *slot);

/* One packet arrives at the client; at the broker. False: there was none. */
bool client_hear(struct client *client);
bool client_speak(struct client *client);

/* Is there one? */
bool client_has_mail(const struct client *client);

/* What the broker sends to the client. */
void client_get(struct client *client, const uint8_t *bytes, size_t len);

/* Has the client a subscription, of which it knows, that a topic matches? At which QoS? */
bool client_has(const struct client *client, const char *topic, uint8_t *ret_qos);

/* Empty both lines and free them. */
void client_finish(struct client *client);

/* ---- between the files of the client ---- */

/* Put a packet on the line to the broker. */
void client_say(struct client *client, const struct mqtt_packet *packet);
void client_say_ack(struct client *client, enum mqtt_kind kind, uint16_t id);

/* Send what the client still wants acknowledged, and ask for what it wants and has not. */
void client_resume(struct client *client);

/* The slot that a SUBACK or UNSUBACK is about, or NULL. */
struct slot *client_slot(struct client *client, uint16_t packet_id);

/* A packet is taken off a line, and freed by the caller. */
bool line_pull(struct line *line, struct parcel *ret_parcel);
