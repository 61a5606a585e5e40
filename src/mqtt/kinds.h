/* SPDX-License-Identifier: Apache-2.0 */
/* The packet kinds, one file each, as packet.c calls them. Nobody outside this room does.
 *
 * A decoder reads the body from r, whose version is the connection's, writes kind and its
 * own member of the packet on success only, and returns ERR_OK or the error of the first
 * rule that is broken. head is the first byte of the packet; packet.c has checked its
 * flags, except a PUBLISH's. An encoder appends a whole packet of that kind. */
#pragma once

#include "base/buf.h"
#include "mqtt/packet.h"
#include "mqtt/wire.h"

/* CONNECT: says its own version, which is left in r. [MQTT5 3.1] */
int connect_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void connect_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* CONNACK: return codes of 3.1 and 3.1.1 become reason codes and back. [MQTT5 3.2] */
int connack_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void connack_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* PUBLISH, the one whose speed counts. [MQTT5 3.3] */
int publish_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void publish_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* PUBACK, PUBREC, PUBREL and PUBCOMP. [MQTT5 3.4 to 3.7] */
int puback_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void puback_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* SUBSCRIBE: whether a filter is one is judged by the core, entry by entry. [MQTT5 3.8] */
int subscribe_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void subscribe_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* SUBACK and UNSUBACK. [MQTT5 3.9] [MQTT5 3.11] */
int suback_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void suback_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* UNSUBSCRIBE. [MQTT5 3.10] */
int unsubscribe_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void unsubscribe_encode(struct buf *out, enum mqtt_version version,
                        const struct mqtt_packet *packet);

/* PINGREQ and PINGRESP: nothing but their first two bytes. [MQTT5 3.12] [MQTT5 3.13] */
int ping_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void ping_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* DISCONNECT: empty before 5. [MQTT5 3.14] */
int disconnect_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void disconnect_encode(struct buf *out, enum mqtt_version version,
                       const struct mqtt_packet *packet);

/* AUTH: only in 5. [MQTT5 3.15] */
int auth_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet);
void auth_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* A packet identifier, which is never 0 (ERR_PROTOCOL). [MQTT-2.2.1-3] */
uint16_t packet_id_decode(struct wire_reader *r);

/* Begin a packet: append its first byte; the place where its body begins. */
size_t frame_open(struct buf *out, uint8_t head);

/* End a packet: put the remaining length before the body, which began at body, and append
 * tail, the last part of the body (a payload, so that it is copied only once). */
void frame_close(struct buf *out, size_t body, struct str tail);
