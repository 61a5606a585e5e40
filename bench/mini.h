/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Just enough MQTT 3.1.1 to measure a broker: the packets of a clean session with
 * exact topics. Written apart from src/mqtt on purpose: a bench that used the broker's
 * codec would agree with its mistakes. */
enum mini_type {
    MINI_CONNECT = 1,
    MINI_CONNACK = 2,
    MINI_PUBLISH = 3,
    MINI_PUBACK = 4,
    MINI_PUBREC = 5,
    MINI_PUBREL = 6,
    MINI_PUBCOMP = 7,
    MINI_SUBSCRIBE = 8,
    MINI_SUBACK = 9,
    MINI_PINGREQ = 12,
    MINI_PINGRESP = 13,
    MINI_DISCONNECT = 14,
};

/* The longest packet a mini_* writer makes, for a topic or client id of at most 64 bytes. */
enum { MINI_PACKET_MAX = 128, MINI_TOPIC_MAX = 64 };

/* One packet as it lies in the caller's buffer. */
struct mini_packet {
    uint8_t type, flags;
    const uint8_t *start, *body;
    size_t total, body_len;
};

/* The parts of a PUBLISH; pointers into the packet. */
struct mini_publish {
    const uint8_t *topic, *payload;
    size_t topic_len, payload_len;
    uint16_t id; /* 0 for QoS 0 */
    uint8_t qos;
};

/* The first packet in data. Returns its length, 0 when bytes are missing, -1 when the
 * length field is malformed. */
long mini_next(const uint8_t *data, size_t len, struct mini_packet *ret_packet);

/* Take a PUBLISH apart; false when it does not hold together. */
bool mini_publish_read(const struct mini_packet *packet, struct mini_publish *ret_publish);

/* The packet id at the start of an acknowledgement's body; 0 when there is none. */
uint16_t mini_id(const struct mini_packet *packet);

/* Writers; out has MINI_PACKET_MAX bytes; each returns the length written. */
/* Keep-alive 0: nothing but the work moves on the wire. */
size_t mini_connect(uint8_t *out, const char *client_id, bool clean);
/* SUBSCRIBE to one exact topic. */
size_t mini_subscribe(uint8_t *out, uint16_t id, const char *topic, uint8_t qos);
/* PUBACK, PUBREC, PUBREL or PUBCOMP. */
size_t mini_ack(uint8_t *out, enum mini_type type, uint16_t id);
/* The start of a PUBLISH up to the payload; the packet id, if any, is its last two bytes. */
size_t mini_publish_head(uint8_t *out, const char *topic, uint8_t qos, uint16_t id,
                         size_t payload_len);
/* A remaining length; returns how many bytes it took (1 to 4). */
size_t mini_length(uint8_t *out, size_t value);
