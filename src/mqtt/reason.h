/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT 5 reason codes [MQTT5 2.4]: protocol data, not errors of ours. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REASON_TABLE(X)                                                                           \
    X(SUCCESS, 0x00, "success")                                                                   \
    X(GRANTED_QOS_1, 0x01, "granted QoS 1")                                                       \
    X(GRANTED_QOS_2, 0x02, "granted QoS 2")                                                       \
    X(DISCONNECT_WITH_WILL, 0x04, "disconnect with will message")                                 \
    X(NO_MATCHING_SUBSCRIBERS, 0x10, "no matching subscribers")                                   \
    X(NO_SUBSCRIPTION_EXISTED, 0x11, "no subscription existed")                                   \
    X(CONTINUE_AUTHENTICATION, 0x18, "continue authentication")                                   \
    X(REAUTHENTICATE, 0x19, "re-authenticate")                                                    \
    X(UNSPECIFIED_ERROR, 0x80, "unspecified error")                                               \
    X(MALFORMED_PACKET, 0x81, "malformed packet")                                                 \
    X(PROTOCOL_ERROR, 0x82, "protocol error")                                                     \
    X(IMPLEMENTATION_SPECIFIC_ERROR, 0x83, "implementation specific error")                       \
    X(UNSUPPORTED_PROTOCOL_VERSION, 0x84, "unsupported protocol version")                         \
    X(CLIENT_IDENTIFIER_NOT_VALID, 0x85, "client identifier not valid")                           \
    X(BAD_USER_NAME_OR_PASSWORD, 0x86, "bad user name or password")                               \
    X(NOT_AUTHORIZED, 0x87, "not authorized")                                                     \
    X(SERVER_UNAVAILABLE, 0x88, "server unavailable")                                             \
    X(SERVER_BUSY, 0x89, "server busy")                                                           \
    X(BANNED, 0x8A, "banned")                                                                     \
    X(SERVER_SHUTTING_DOWN, 0x8B, "server shutting down")                                         \
    X(BAD_AUTHENTICATION_METHOD, 0x8C, "bad authentication method")                               \
    X(KEEP_ALIVE_TIMEOUT, 0x8D, "keep alive timeout")                                             \
    X(SESSION_TAKEN_OVER, 0x8E, "session taken over")                                             \
    X(TOPIC_FILTER_INVALID, 0x8F, "topic filter invalid")                                         \
    X(TOPIC_NAME_INVALID, 0x90, "topic name invalid")                                             \
    X(PACKET_IDENTIFIER_IN_USE, 0x91, "packet identifier in use")                                 \
    X(PACKET_IDENTIFIER_NOT_FOUND, 0x92, "packet identifier not found")                           \
    X(RECEIVE_MAXIMUM_EXCEEDED, 0x93, "receive maximum exceeded")                                 \
    X(TOPIC_ALIAS_INVALID, 0x94, "topic alias invalid")                                           \
    X(PACKET_TOO_LARGE, 0x95, "packet too large")                                                 \
    X(MESSAGE_RATE_TOO_HIGH, 0x96, "message rate too high")                                       \
    X(QUOTA_EXCEEDED, 0x97, "quota exceeded")                                                     \
    X(ADMINISTRATIVE_ACTION, 0x98, "administrative action")                                       \
    X(PAYLOAD_FORMAT_INVALID, 0x99, "payload format invalid")                                     \
    X(RETAIN_NOT_SUPPORTED, 0x9A, "retain not supported")                                         \
    X(QOS_NOT_SUPPORTED, 0x9B, "QoS not supported")                                               \
    X(USE_ANOTHER_SERVER, 0x9C, "use another server")                                             \
    X(SERVER_MOVED, 0x9D, "server moved")                                                         \
    X(SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, 0x9E, "shared subscriptions not supported")             \
    X(CONNECTION_RATE_EXCEEDED, 0x9F, "connection rate exceeded")                                 \
    X(MAXIMUM_CONNECT_TIME, 0xA0, "maximum connect time")                                         \
    X(SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, 0xA1, "subscription identifiers not supported")     \
    X(WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, 0xA2, "wildcard subscriptions not supported")

enum reason {
#define X(name, code, text) REASON_##name = code,
    REASON_TABLE(X)
#undef X
};

/* The name of a reason code in words, "unknown reason" for others. Static. */
const char *reason_text(uint8_t code);

/* The reason code with which a connection is closed for an error of a decoder. */
uint8_t reason_from_err(int err);

/* The CONNACK return code of MQTT 3.1 and 3.1.1 for a reason code: 0 to 5.
 * [MQTT311 3.2.2.3] */
uint8_t reason_to_connack_v3(uint8_t reason);

/* May a packet of this kind (enum mqtt_kind) carry the code in MQTT 5? [MQTT5 2.4] */
bool reason_allowed(uint8_t code, unsigned kind);
