/* SPDX-License-Identifier: Apache-2.0 */
/* The fifteen packets of MQTT 3.1, 3.1.1 and 5 as structs, decoded from and encoded to
 * bytes, in both directions. Sans-IO: nothing here reads a socket.
 *
 * Decoded strings and lists borrow the packet's bytes. Results are written only on
 * success. Each kind has its own file, with its rules. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mqtt/props.h"
#include "mqtt/reason.h"

#include <stdbool.h>
#include <stdint.h>

enum mqtt_version { MQTT_31 = 3, MQTT_311 = 4, MQTT_5 = 5 };

enum mqtt_kind {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

/* "PUBLISH" and the like; "?" for others. Static. */
const char *mqtt_kind_name(enum mqtt_kind kind);

struct mqtt_will {
    struct str topic;
    struct str payload;
    uint8_t qos;
    bool retain;
    struct props props; /* PROPS_WILL */
};

struct mqtt_connect {
    enum mqtt_version version;
    bool clean_start; /* clean session before 5 */
    bool has_will;
    bool has_username;
    bool has_password;
    bool bridge; /* the top bit of the protocol level: a bridge of Mosquitto's kind */
    uint16_t keep_alive; /* seconds; 0: off */
    struct str client_id;
    struct str username;
    struct str password;
    struct mqtt_will will;
    struct props props;
};

struct mqtt_connack {
    bool session_present;
    uint8_t reason; /* a reason code; for versions before 5 mapped on the wire */
    struct props props;
};

struct mqtt_publish {
    struct str topic; /* empty: by alias */
    struct str payload;
    uint16_t packet_id; /* 0 at QoS 0 */
    uint8_t qos;
    bool retain;
    bool dup;
    struct props props;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
struct mqtt_puback {
    uint16_t packet_id;
    uint8_t reason;
    struct props props;
};

/* Options of one subscription. [MQTT5 3.8.3.1] */
struct mqtt_sub_options {
    uint8_t qos;
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling; /* 0 send, 1 send if new, 2 don't */
};

struct mqtt_subscribe {
    uint16_t packet_id;
    struct props props;
    struct str list; /* the entries, checked; mqtt_subscribe_next reads them */
    size_t count;    /* of entries, at least 1 */
};

struct mqtt_suback {
    uint16_t packet_id;
    struct str reasons; /* a byte an entry; for versions before 5 already 0, 1, 2, 0x80 */
    struct props props;
};

struct mqtt_unsubscribe {
    uint16_t packet_id;
    struct props props;
    struct str list; /* the entries, checked; mqtt_unsubscribe_next reads them */
    size_t count;
};

/* UNSUBACK: before 5 it has no reasons. */
struct mqtt_disconnect {
    uint8_t reason;
    struct props props;
};

struct mqtt_auth {
    uint8_t reason;
    struct props props;
};

struct mqtt_packet {
    enum mqtt_kind kind;
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_puback puback; /* the four acknowledgements */
        struct mqtt_subscribe subscribe;
        struct mqtt_suback suback; /* SUBACK and UNSUBACK */
        struct mqtt_unsubscribe unsubscribe;
        struct mqtt_disconnect disconnect;
        struct mqtt_auth auth;
    };
};

/* A packet found in a stream of bytes, not decoded yet. */
struct mqtt_frame {
    uint8_t head;      /* the first byte: kind and flags */
    struct str body;   /* what follows the remaining length */
    size_t whole;      /* bytes of the packet, header included */
};

/* Find the packet at the start of bytes. max: the largest packet accepted, in bytes, header
 * included. ERR_OK; ERR_MORE when it is not complete (ret_frame->whole is then its size if
 * the header is complete, else 0); ERR_MALFORMED; ERR_TOO_LARGE. */
int mqtt_frame_find(const void *bytes, size_t len, size_t max, struct mqtt_frame *ret_frame);

/* Decode one packet. version: of the connection; ignored for CONNECT, which brings its own.
 * ERR_OK or ERR_MALFORMED, ERR_PROTOCOL, ERR_TOPIC_NAME, ERR_TOPIC_FILTER, ERR_VERSION: see
 * reason_from_err(). */
int mqtt_decode(const struct mqtt_frame *frame, enum mqtt_version version,
                struct mqtt_packet *ret_packet);

/* The version that the CONNECT at the start of bytes speaks, however its rest may be, cut
 * or malformed; 0 when that cannot be said. For who must answer a CONNECT that cannot be
 * decoded. */
uint8_t mqtt_connect_version(const void *bytes, size_t len);

/* Append one packet. A packet that the version has not is a bug (assert), as is one that
 * breaks its own rules. Properties are left out before 5. Failure is in out->failed. */
void mqtt_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet);

/* The next entry of a SUBSCRIBE; advances *list; false at the end. */
bool mqtt_subscribe_next(struct str *list, enum mqtt_version version, struct str *ret_filter,
                         struct mqtt_sub_options *ret_options);

/* The next filter of an UNSUBSCRIBE; advances *list; false at the end. */
bool mqtt_unsubscribe_next(struct str *list, struct str *ret_filter);

/* Append an entry to the list of a SUBSCRIBE or UNSUBSCRIBE that is being made. */
void mqtt_subscribe_add(struct buf *list, enum mqtt_version version, struct str filter,
                        const struct mqtt_sub_options *options);
void mqtt_unsubscribe_add(struct buf *list, struct str filter);
