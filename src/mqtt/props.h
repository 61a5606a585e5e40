/* SPDX-License-Identifier: Apache-2.0 */
/* The properties of MQTT 5 [MQTT5 2.2.2]: one table says each property's type and the
 * packets that may carry it; one loop decodes, one encodes. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mqtt/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* The wire identifiers; types, ranges and places stand in the table of props.c. */
enum prop {
    PROP_PAYLOAD_FORMAT_INDICATOR = 1,
    PROP_MESSAGE_EXPIRY_INTERVAL = 2,
    PROP_CONTENT_TYPE = 3,
    PROP_RESPONSE_TOPIC = 8,
    PROP_CORRELATION_DATA = 9,
    PROP_SUBSCRIPTION_IDENTIFIER = 11,
    PROP_SESSION_EXPIRY_INTERVAL = 17,
    PROP_ASSIGNED_CLIENT_IDENTIFIER = 18,
    PROP_SERVER_KEEP_ALIVE = 19,
    PROP_AUTHENTICATION_METHOD = 21,
    PROP_AUTHENTICATION_DATA = 22,
    PROP_REQUEST_PROBLEM_INFORMATION = 23,
    PROP_WILL_DELAY_INTERVAL = 24,
    PROP_REQUEST_RESPONSE_INFORMATION = 25,
    PROP_RESPONSE_INFORMATION = 26,
    PROP_SERVER_REFERENCE = 28,
    PROP_REASON_STRING = 31,
    PROP_RECEIVE_MAXIMUM = 33,
    PROP_TOPIC_ALIAS_MAXIMUM = 34,
    PROP_TOPIC_ALIAS = 35,
    PROP_MAXIMUM_QOS = 36,
    PROP_RETAIN_AVAILABLE = 37,
    PROP_USER_PROPERTY = 38,
    PROP_MAXIMUM_PACKET_SIZE = 39,
    PROP_WILDCARD_SUBSCRIPTION_AVAILABLE = 40,
    PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE = 41,
    PROP_SHARED_SUBSCRIPTION_AVAILABLE = 42,
    PROP_MAX = 42,
};

/* Where a set of properties stands. Will properties are a place of their own. */
enum props_place {
    PROPS_CONNECT,
    PROPS_CONNACK,
    PROPS_PUBLISH,
    PROPS_PUBACK, /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    PROPS_SUBSCRIBE,
    PROPS_SUBACK, /* SUBACK, UNSUBACK */
    PROPS_UNSUBSCRIBE,
    PROPS_DISCONNECT,
    PROPS_AUTH,
    PROPS_WILL,
    PROPS_PLACE_COUNT
};

/* A decoded set. Strings borrow the packet's bytes. A field counts only when its bit in
 * present is set. The struct is not zeroed by the decoder beyond what is present: test
 * props_has() first. */
struct props {
    uint64_t present; /* bit p: property p is there */
    struct str raw;   /* all properties as they stood on the wire, without the length */

    uint32_t message_expiry_interval; /* seconds */
    uint32_t session_expiry_interval; /* seconds, 0xFFFFFFFF: never */
    uint32_t will_delay_interval;     /* seconds */
    uint32_t maximum_packet_size;     /* bytes */
    uint32_t subscription_identifier; /* the first one; props_next finds more */
    uint16_t server_keep_alive;       /* seconds */
    uint16_t receive_maximum;
    uint16_t topic_alias_maximum;
    uint16_t topic_alias;
    uint8_t payload_format_indicator;
    uint8_t request_problem_information;
    uint8_t request_response_information;
    uint8_t maximum_qos;
    uint8_t retain_available;
    uint8_t wildcard_subscription_available;
    uint8_t subscription_identifier_available;
    uint8_t shared_subscription_available;
    struct str content_type;
    struct str response_topic;
    struct str correlation_data;
    struct str assigned_client_identifier;
    struct str authentication_method;
    struct str authentication_data;
    struct str response_information;
    struct str server_reference;
    struct str reason_string;
    /* Only for encoding: pairs to write, as name and value in turn. Decoded ones are
     * read with props_next. */
    const struct str *user;
    size_t user_count; /* pairs */
};

static inline bool props_has(const struct props *props, enum prop prop)
{
    return props->present >> prop & 1;
}

/* Say that a property that was just assigned is there. */
static inline void props_mark(struct props *props, enum prop prop)
{
    props->present |= (uint64_t)1 << prop;
}

/* Make the set empty; the fields that then do not count are left as they are. */
static inline void props_empty(struct props *props)
{
    props->present = 0;
    props->raw = (struct str){ NULL, 0 };
    props->user = NULL;
    props->user_count = 0;
}

/* Read the length and the properties for this place. Refuses with ERR_MALFORMED what is
 * cut, unknown or misplaced [MQTT5 2.2.2.2], with ERR_PROTOCOL what is doubled or out of
 * range. For versions before 5 reads nothing and gives an empty set. ret_props->present is
 * always set. [MQTT-2.2.2-1] [MQTT-2.2.2-2] */
void props_decode(struct wire_reader *r, enum props_place place, struct props *ret_props);

/* Append the length and the properties: those marked present, then the user pairs. Ones
 * that may not stand in this place are a bug (assert). NULL writes an empty set. */
void props_encode(struct buf *out, enum props_place place, const struct props *props);

/* One property of a raw run that decoded well. */
struct prop_item {
    enum prop prop;
    uint32_t number;   /* for integer types */
    struct str text;   /* for strings and binary; the name of a user property */
    struct str value;  /* the value of a user property */
    struct str raw;    /* the property as it stands, identifier included */
};

/* The next property of a raw run; advances *rest; false at the end. */
bool props_next(struct str *rest, struct prop_item *ret_item);

/* Append the properties of a PUBLISH or a will that go with the message to its
 * subscribers, as they stand and in order: all but topic alias, subscription identifiers
 * and message expiry, which the sender writes anew, and a will's delay. [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
 * [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20] */
void props_forwardable(struct str raw, struct buf *out);
