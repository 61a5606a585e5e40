/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

/* Formatted by hand: a table to be read. */
/* clang-format off */

#define S(text)  { text, sizeof(text) - 1 }
#define P(name)  ((uint64_t)1 << PROP_##name)

static const struct str pair[] = { S("k"), S("v") };
static const struct str pairs[] = { S("k"), S("v"), S("k"), S("w") };

#define ONE_PAIR   .user = pair, .user_count = 1
#define TWO_PAIRS  .user = pairs, .user_count = 2

#define ACK(kind_, version_, head_, body_, ...)                                                   \
    { #kind_, version_, head_, body_, { .kind = MQTT_##kind_, .puback = { __VA_ARGS__ } } }
#define ACKS(kind_, head_, reason_, hex_)                                                         \
    ACK(kind_, MQTT_31, head_, "1234", .packet_id = 0x1234),                                      \
    ACK(kind_, MQTT_311, head_, "1234", .packet_id = 0x1234),                                     \
    ACK(kind_, MQTT_5, head_, "FFFF", .packet_id = 0xFFFF),                                       \
    ACK(kind_, MQTT_5, head_, "0001" hex_, .packet_id = 1, .reason = reason_),                    \
    ACK(kind_, MQTT_5, head_, "0001" hex_ "[1F{'why'} 26{'k'}{'v'}]", .packet_id = 1,             \
        .reason = reason_,                                                                        \
        .props = { .present = P(REASON_STRING), .reason_string = S("why"), ONE_PAIR })
#define PLAIN(kind_, version_, head_) { #kind_, version_, head_, "", { .kind = MQTT_##kind_ } }

const struct sample samples[] = {
    /* CONNECT [MQTT5 3.1] [MQTT311 3.1] */
    { "CONNECT 3.1", MQTT_31, 0x10, "{'MQIsdp'} 03 02 003C {'abc'}",
      { .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_31, .clean_start = true, .keep_alive = 60,
                     .client_id = S("abc") } } },
    { "CONNECT 3.1 of a bridge with a user", MQTT_31, 0x10,
      "{'MQIsdp'} 83 C0 0000 {'a'} {'u'} {'p'}",
      { .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_31, .bridge = true, .has_username = true,
                     .has_password = true, .client_id = S("a"), .username = S("u"),
                     .password = S("p") } } },
    { "CONNECT 3.1.1 with everything", MQTT_311, 0x10,
      "{'MQTT'} 04 F6 000A {'a'} {'w/t'} {00FF} {'user'} {'pw'}",
      { .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_311, .clean_start = true, .has_will = true,
                     .has_username = true, .has_password = true, .keep_alive = 10,
                     .client_id = S("a"), .username = S("user"), .password = S("pw"),
                     .will = { .topic = S("w/t"), .payload = S("\0\xFF"), .qos = 2,
                               .retain = true } } } },
    { "CONNECT 3.1.1 of a bridge", MQTT_311, 0x10, "{'MQTT'} 84 00 FFFF {'b'}",
      { .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_311, .bridge = true, .keep_alive = 0xFFFF,
                     .client_id = S("b") } } },
    { "CONNECT 5 of a nameless client", MQTT_5, 0x10, "{'MQTT'} 05 02 0000 [] {}",
      { .kind = MQTT_CONNECT, .connect = { .version = MQTT_5, .clean_start = true } } },
    { "CONNECT 5 with a password alone", MQTT_5, 0x10, "{'MQTT'} 05 40 0000 [] {'a'} {'token'}",
      { .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_5, .has_password = true, .client_id = S("a"),
                     .password = S("token") } } },
    { "CONNECT 5 with everything", MQTT_5, 0x10,
      "{'MQTT'} 05 EC 001E"
      "[11 0000000A 15{'SCR'} 16{00} 17 00 19 01 21 0014 22 000A 27 00010000 26{'k'}{'v'}]"
      "{'c-1'} [01 01 02 0000003C 03{'text'} 08{'re/ply'} 09{0102} 18 00000005"
      " 26{'k'}{'v'} 26{'k'}{'w'}] {'w'} {'gone'} {'u'} {'p'}",
      { .kind = MQTT_CONNECT,
        .connect = {
            .version = MQTT_5, .has_will = true, .has_username = true, .has_password = true,
            .keep_alive = 30, .client_id = S("c-1"), .username = S("u"), .password = S("p"),
            .props = { .present = P(SESSION_EXPIRY_INTERVAL) | P(AUTHENTICATION_METHOD) |
                                  P(AUTHENTICATION_DATA) | P(REQUEST_PROBLEM_INFORMATION) |
                                  P(REQUEST_RESPONSE_INFORMATION) | P(RECEIVE_MAXIMUM) |
                                  P(TOPIC_ALIAS_MAXIMUM) | P(MAXIMUM_PACKET_SIZE),
                       .session_expiry_interval = 10, .authentication_method = S("SCR"),
                       .authentication_data = S("\0"), .request_response_information = 1,
                       .receive_maximum = 20, .topic_alias_maximum = 10,
                       .maximum_packet_size = 65536, ONE_PAIR },
            .will = { .topic = S("w"), .payload = S("gone"), .qos = 1, .retain = true,
                      .props = { .present = P(PAYLOAD_FORMAT_INDICATOR) |
                                            P(MESSAGE_EXPIRY_INTERVAL) | P(CONTENT_TYPE) |
                                            P(RESPONSE_TOPIC) | P(CORRELATION_DATA) |
                                            P(WILL_DELAY_INTERVAL),
                                 .payload_format_indicator = 1, .message_expiry_interval = 60,
                                 .content_type = S("text"), .response_topic = S("re/ply"),
                                 .correlation_data = S("\1\2"), .will_delay_interval = 5,
                                 TWO_PAIRS } } } } },

    /* CONNACK [MQTT5 3.2] [MQTT311 3.2] */
    { "CONNACK 3.1", MQTT_31, 0x20, "00 00", { .kind = MQTT_CONNACK } },
    { "CONNACK 3.1.1 session present", MQTT_311, 0x20, "01 00",
      { .kind = MQTT_CONNACK, .connack = { .session_present = true } } },
    { "CONNACK 3.1.1 refused", MQTT_311, 0x20, "00 05",
      { .kind = MQTT_CONNACK, .connack = { .reason = REASON_NOT_AUTHORIZED } } },
    { "CONNACK 5", MQTT_5, 0x20, "01 00 []",
      { .kind = MQTT_CONNACK, .connack = { .session_present = true } } },
    { "CONNACK 5 refused", MQTT_5, 0x20, "00 87 [1F{'no'}]",
      { .kind = MQTT_CONNACK,
        .connack = { .reason = REASON_NOT_AUTHORIZED,
                     .props = { .present = P(REASON_STRING), .reason_string = S("no") } } } },
    { "CONNACK 5 with everything", MQTT_5, 0x20,
      "00 00 [11 FFFFFFFF 12{'id'} 13 003C 15{'m'} 16{00} 1A{'r'} 1C{'s'} 1F{'why'} 21 000A"
      " 22 0000 24 01 25 00 27 00000100 28 00 29 01 2A 00 26{'k'}{'v'}]",
      { .kind = MQTT_CONNACK,
        .connack = {
            .props = { .present = P(SESSION_EXPIRY_INTERVAL) | P(ASSIGNED_CLIENT_IDENTIFIER) |
                                  P(SERVER_KEEP_ALIVE) | P(AUTHENTICATION_METHOD) |
                                  P(AUTHENTICATION_DATA) | P(RESPONSE_INFORMATION) |
                                  P(SERVER_REFERENCE) | P(REASON_STRING) | P(RECEIVE_MAXIMUM) |
                                  P(TOPIC_ALIAS_MAXIMUM) | P(MAXIMUM_QOS) | P(RETAIN_AVAILABLE) |
                                  P(MAXIMUM_PACKET_SIZE) | P(WILDCARD_SUBSCRIPTION_AVAILABLE) |
                                  P(SUBSCRIPTION_IDENTIFIER_AVAILABLE) |
                                  P(SHARED_SUBSCRIPTION_AVAILABLE),
                       .session_expiry_interval = UINT32_MAX,
                       .assigned_client_identifier = S("id"), .server_keep_alive = 60,
                       .authentication_method = S("m"), .authentication_data = S("\0"),
                       .response_information = S("r"), .server_reference = S("s"),
                       .reason_string = S("why"), .receive_maximum = 10, .maximum_qos = 1,
                       .maximum_packet_size = 256, .subscription_identifier_available = 1,
                       ONE_PAIR } } } },

    /* PUBLISH [MQTT5 3.3] [MQTT311 3.3] */
    { "PUBLISH 3.1 QoS 2", MQTT_31, 0x34, "{'a'} 0007 'x'",
      { .kind = MQTT_PUBLISH,
        .publish = { .topic = S("a"), .payload = S("x"), .packet_id = 7, .qos = 2 } } },
    { "PUBLISH 3.1.1 QoS 0", MQTT_311, 0x30, "{'a/b'} 'hi'",
      { .kind = MQTT_PUBLISH, .publish = { .topic = S("a/b"), .payload = S("hi") } } },
    { "PUBLISH 3.1.1 QoS 1 again, retained", MQTT_311, 0x3B, "{'plant/7/temp'} 000A",
      { .kind = MQTT_PUBLISH,
        .publish = { .topic = S("plant/7/temp"), .packet_id = 10, .qos = 1, .retain = true,
                     .dup = true } } },
    { "PUBLISH 5 QoS 0", MQTT_5, 0x30, "{'a/b'} [] 'hi'",
      { .kind = MQTT_PUBLISH, .publish = { .topic = S("a/b"), .payload = S("hi") } } },
    { "PUBLISH 5 by alias", MQTT_5, 0x31, "{} [23 0001] 00",
      { .kind = MQTT_PUBLISH,
        .publish = { .payload = S("\0"), .retain = true,
                     .props = { .present = P(TOPIC_ALIAS), .topic_alias = 1 } } } },
    { "PUBLISH 5 QoS 2 with everything", MQTT_5, 0x3C,
      "{'\xC3\xA9/\xF0\x9F\x98\x80'} FFFF [01 01 02 0000003C 03{'text'} 08{'re/ply'} 09{0102}"
      " 0B FFFFFF7F 23 FFFF 26{'k'}{'v'} 26{'k'}{'w'}] 'payload'",
      { .kind = MQTT_PUBLISH,
        .publish = { .topic = S("\xC3\xA9/\xF0\x9F\x98\x80"), .payload = S("payload"),
                     .packet_id = 0xFFFF, .qos = 2, .dup = true,
                     .props = { .present = P(PAYLOAD_FORMAT_INDICATOR) |
                                           P(MESSAGE_EXPIRY_INTERVAL) | P(CONTENT_TYPE) |
                                           P(RESPONSE_TOPIC) | P(CORRELATION_DATA) |
                                           P(SUBSCRIPTION_IDENTIFIER) | P(TOPIC_ALIAS),
                                .payload_format_indicator = 1, .message_expiry_interval = 60,
                                .content_type = S("text"), .response_topic = S("re/ply"),
                                .correlation_data = S("\1\2"),
                                .subscription_identifier = 268435455, .topic_alias = 0xFFFF,
                                TWO_PAIRS } } } },

    /* PUBACK, PUBREC, PUBREL, PUBCOMP [MQTT5 3.4 to 3.7] [MQTT311 3.4 to 3.7] */
    ACKS(PUBACK, 0x40, REASON_NO_MATCHING_SUBSCRIBERS, "10"),
    ACKS(PUBREC, 0x50, REASON_QUOTA_EXCEEDED, "97"),
    ACKS(PUBREL, 0x62, REASON_PACKET_IDENTIFIER_NOT_FOUND, "92"),
    ACKS(PUBCOMP, 0x70, REASON_PACKET_IDENTIFIER_NOT_FOUND, "92"),

    /* SUBSCRIBE, SUBACK [MQTT5 3.8] [MQTT5 3.9] [MQTT311 3.8] [MQTT311 3.9] */
    { "SUBSCRIBE 3.1", MQTT_31, 0x82, "0001 {'a/b'} 00",
      { .kind = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 1, .list = S("\0\3a/b\0") } } },
    { "SUBSCRIBE 3.1.1 to two", MQTT_311, 0x82, "0001 {'a/b'} 01 {'c/#'} 02",
      { .kind = MQTT_SUBSCRIBE,
        .subscribe = { .packet_id = 1, .list = S("\0\3a/b\1\0\3c/#\2") } } },
    { "SUBSCRIBE 5", MQTT_5, 0x82, "000A [] {'a'} 00",
      { .kind = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 10, .list = S("\0\1a\0") } } },
    { "SUBSCRIBE 5 with everything", MQTT_5, 0x82,
      "000A [0B 8001 26{'k'}{'v'}] {'a'} 2E {'$share/g/+'} 11",
      { .kind = MQTT_SUBSCRIBE,
        .subscribe = { .packet_id = 10, .list = S("\0\1a\x2E\0\12$share/g/+\x11"),
                       .props = { .present = P(SUBSCRIPTION_IDENTIFIER),
                                  .subscription_identifier = 128, ONE_PAIR } } } },
    { "SUBACK 3.1", MQTT_31, 0x90, "0001 00",
      { .kind = MQTT_SUBACK, .suback = { .packet_id = 1, .reasons = S("\0") } } },
    { "SUBACK 3.1.1", MQTT_311, 0x90, "0001 01 02 80",
      { .kind = MQTT_SUBACK, .suback = { .packet_id = 1, .reasons = S("\1\2\x80") } } },
    { "SUBACK 5", MQTT_5, 0x90, "000A [1F{'r'} 26{'k'}{'v'}] 00 01 02 87 8F",
      { .kind = MQTT_SUBACK,
        .suback = { .packet_id = 10, .reasons = S("\0\1\2\x87\x8F"),
                    .props = { .present = P(REASON_STRING), .reason_string = S("r"),
                               ONE_PAIR } } } },

    /* UNSUBSCRIBE, UNSUBACK [MQTT5 3.10] [MQTT5 3.11] [MQTT311 3.10] [MQTT311 3.11] */
    { "UNSUBSCRIBE 3.1", MQTT_31, 0xA2, "0001 {'a'}",
      { .kind = MQTT_UNSUBSCRIBE, .unsubscribe = { .packet_id = 1, .list = S("\0\1a") } } },
    { "UNSUBSCRIBE 3.1.1", MQTT_311, 0xA2, "0001 {'a'} {'b/+'}",
      { .kind = MQTT_UNSUBSCRIBE,
        .unsubscribe = { .packet_id = 1, .list = S("\0\1a\0\3b/+") } } },
    { "UNSUBSCRIBE 5", MQTT_5, 0xA2, "0001 [26{'k'}{'v'}] {'a'}",
      { .kind = MQTT_UNSUBSCRIBE,
        .unsubscribe = { .packet_id = 1, .list = S("\0\1a"), .props = { ONE_PAIR } } } },
    { "UNSUBACK 3.1", MQTT_31, 0xB0, "0001",
      { .kind = MQTT_UNSUBACK, .suback = { .packet_id = 1 } } },
    { "UNSUBACK 3.1.1", MQTT_311, 0xB0, "0001",
      { .kind = MQTT_UNSUBACK, .suback = { .packet_id = 1 } } },
    { "UNSUBACK 5", MQTT_5, 0xB0, "0001 [] 00 11",
      { .kind = MQTT_UNSUBACK, .suback = { .packet_id = 1, .reasons = S("\0\x11") } } },

    /* PINGREQ, PINGRESP [MQTT5 3.12] [MQTT5 3.13] */
    PLAIN(PINGREQ, MQTT_31, 0xC0), PLAIN(PINGREQ, MQTT_311, 0xC0), PLAIN(PINGREQ, MQTT_5, 0xC0),
    PLAIN(PINGRESP, MQTT_31, 0xD0), PLAIN(PINGRESP, MQTT_311, 0xD0), PLAIN(PINGRESP, MQTT_5, 0xD0),

    /* DISCONNECT [MQTT5 3.14] */
    PLAIN(DISCONNECT, MQTT_31, 0xE0), PLAIN(DISCONNECT, MQTT_311, 0xE0),
    PLAIN(DISCONNECT, MQTT_5, 0xE0),
    { "DISCONNECT 5 with will", MQTT_5, 0xE0, "04",
      { .kind = MQTT_DISCONNECT, .disconnect = { .reason = REASON_DISCONNECT_WITH_WILL } } },
    { "DISCONNECT 5 with everything", MQTT_5, 0xE0,
      "9D [11 00000000 1C{'b:1883'} 1F{'why'} 26{'k'}{'v'}]",
      { .kind = MQTT_DISCONNECT,
        .disconnect = { .reason = REASON_SERVER_MOVED,
                        .props = { .present = P(SESSION_EXPIRY_INTERVAL) | P(SERVER_REFERENCE) |
                                              P(REASON_STRING),
                                   .server_reference = S("b:1883"), .reason_string = S("why"),
                                   ONE_PAIR } } } },

    /* AUTH [MQTT5 3.15] */
    PLAIN(AUTH, MQTT_5, 0xF0),
    { "AUTH again", MQTT_5, 0xF0, "19 [15{'X'}]",
      { .kind = MQTT_AUTH,
        .auth = { .reason = REASON_REAUTHENTICATE,
                  .props = { .present = P(AUTHENTICATION_METHOD),
                             .authentication_method = S("X") } } } },
    { "AUTH with everything", MQTT_5, 0xF0, "18 [15{'SCR'} 16{0102} 1F{'go on'} 26{'k'}{'v'}]",
      { .kind = MQTT_AUTH,
        .auth = { .reason = REASON_CONTINUE_AUTHENTICATION,
                  .props = { .present = P(AUTHENTICATION_METHOD) | P(AUTHENTICATION_DATA) |
                                        P(REASON_STRING),
                             .authentication_method = S("SCR"), .authentication_data = S("\1\2"),
                             .reason_string = S("go on"), ONE_PAIR } } } },
};

const size_t sample_count = sizeof samples / sizeof samples[0];
