/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt/props.h"

#include "base/err.h"
#include "mqtt/packet.h"
#include "topic/topic.h"

#include <assert.h>
#include <string.h>

enum type { NONE, BYTE, TWO, FOUR, VARINT, TEXT, TOPIC, BINARY, PAIR };

/* What is known of one property. */
struct rule {
    uint8_t type;
    uint16_t places; /* bit p: it may stand in place p */
    uint16_t field;  /* offset in struct props */
    uint32_t min;    /* for integers */
    uint32_t max;
};

#define AT(place)   (1u << PROPS_##place)
#define FIELD(name) offsetof(struct props, name)
#define MESSAGE     (AT(PUBLISH) | AT(WILL))
#define HELLO       (AT(CONNECT) | AT(CONNACK))
#define EXPLAINED   (AT(CONNACK) | AT(PUBACK) | AT(SUBACK) | AT(DISCONNECT) | AT(AUTH))
#define EVERYWHERE  ((1u << PROPS_PLACE_COUNT) - 1)
#define FLAG(name, places)                                                                         \
    {                                                                                              \
        BYTE, places, FIELD(name), 0, 1                                                            \
    }
#define STRING(name, places)                                                                       \
    {                                                                                              \
        TEXT, places, FIELD(name), 0, 0                                                            \
    }

/* [MQTT5 2.2.2.2, table 2-4] */
static const struct rule rules[PROP_MAX + 1] = {
    [PROP_PAYLOAD_FORMAT_INDICATOR] = FLAG(payload_format_indicator, MESSAGE),
    [PROP_MESSAGE_EXPIRY_INTERVAL] = { FOUR, MESSAGE, FIELD(message_expiry_interval), 0,
                                       UINT32_MAX },
    [PROP_CONTENT_TYPE] = STRING(content_type, MESSAGE),
    [PROP_RESPONSE_TOPIC] = { TOPIC, MESSAGE, FIELD(response_topic), 0, 0 },
    [PROP_CORRELATION_DATA] = { BINARY, MESSAGE, FIELD(correlation_data), 0, 0 },
    [PROP_SUBSCRIPTION_IDENTIFIER] = { VARINT, AT(PUBLISH) | AT(SUBSCRIBE),
                                       FIELD(subscription_identifier), 1, WIRE_VARINT_MAX },
    [PROP_SESSION_EXPIRY_INTERVAL] = { FOUR, HELLO | AT(DISCONNECT), FIELD(session_expiry_interval),
                                       0, UINT32_MAX },
    [PROP_ASSIGNED_CLIENT_IDENTIFIER] = STRING(assigned_client_identifier, AT(CONNACK)),
    [PROP_SERVER_KEEP_ALIVE] = { TWO, AT(CONNACK), FIELD(server_keep_alive), 0, UINT16_MAX },
    [PROP_AUTHENTICATION_METHOD] = STRING(authentication_method, HELLO | AT(AUTH)),
    [PROP_AUTHENTICATION_DATA] = { BINARY, HELLO | AT(AUTH), FIELD(authentication_data), 0, 0 },
    [PROP_REQUEST_PROBLEM_INFORMATION] = FLAG(request_problem_information, AT(CONNECT)),
    [PROP_WILL_DELAY_INTERVAL] = { FOUR, AT(WILL), FIELD(will_delay_interval), 0, UINT32_MAX },
    [PROP_REQUEST_RESPONSE_INFORMATION] = FLAG(request_response_information, AT(CONNECT)),
    [PROP_RESPONSE_INFORMATION] = STRING(response_information, AT(CONNACK)),
    [PROP_SERVER_REFERENCE] = STRING(server_reference, AT(CONNACK) | AT(DISCONNECT)),
    [PROP_REASON_STRING] = STRING(reason_string, EXPLAINED),
    [PROP_RECEIVE_MAXIMUM] = { TWO, HELLO, FIELD(receive_maximum), 1, UINT16_MAX },
    [PROP_TOPIC_ALIAS_MAXIMUM] = { TWO, HELLO, FIELD(topic_alias_maximum), 0, UINT16_MAX },
    /* 0 is no alias, which the receiver answers in a way of its own: [MQTT5 3.3.4] */
    [PROP_TOPIC_ALIAS] = { TWO, AT(PUBLISH), FIELD(topic_alias), 0, UINT16_MAX },
    [PROP_MAXIMUM_QOS] = FLAG(maximum_qos, AT(CONNACK)),
    [PROP_RETAIN_AVAILABLE] = FLAG(retain_available, AT(CONNACK)),
    [PROP_USER_PROPERTY] = { PAIR, EVERYWHERE, 0, 0, 0 },
    [PROP_MAXIMUM_PACKET_SIZE] = { FOUR, HELLO, FIELD(maximum_packet_size), 1, UINT32_MAX },
    [PROP_WILDCARD_SUBSCRIPTION_AVAILABLE] = FLAG(wildcard_subscription_available, AT(CONNACK)),
    [PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE] = FLAG(subscription_identifier_available, AT(CONNACK)),
    [PROP_SHARED_SUBSCRIPTION_AVAILABLE] = FLAG(shared_subscription_available, AT(CONNACK)),
};

/* Read a value of the type; bytes of strings are not looked at. */
static void value_read(struct wire_reader *r, uint8_t type, struct prop_item *ret_item)
{
    switch ((enum type)type) {
    case BYTE: ret_item->number = wire_get_u8(r); break;
    case TWO: ret_item->number = wire_get_u16(r); break;
    case FOUR: ret_item->number = wire_get_u32(r); break;
    case VARINT: ret_item->number = wire_get_varint(r); break;
    case PAIR:
        ret_item->text = wire_get_binary(r);
        ret_item->value = wire_get_binary(r);
        break;
    case TEXT:
    case TOPIC:
    case BINARY: ret_item->text = wire_get_binary(r); break;
    case NONE: wire_fail(r, ERR_MALFORMED); break;
    }
}

/* What the rule has against a value that was read: ERR_OK or the error. */
static int value_check(const struct rule *rule, const struct prop_item *item)
{
    switch ((enum type)rule->type) {
    case PAIR:
        if (!str_is_mqtt_utf8(item->value))
            return ERR_MALFORMED;
        return str_is_mqtt_utf8(item->text) ? ERR_OK : ERR_MALFORMED;
    case TEXT: return str_is_mqtt_utf8(item->text) ? ERR_OK : ERR_MALFORMED;
    case TOPIC: /* [MQTT-3.3.2-13] [MQTT-3.3.2-14] */
        if (!str_is_mqtt_utf8(item->text))
            return ERR_MALFORMED;
        return topic_name_check(item->text) == ERR_OK ? ERR_OK : ERR_PROTOCOL;
    case BYTE:
    case TWO:
    case FOUR:
    case VARINT:
        return item->number >= rule->min && item->number <= rule->max ? ERR_OK : ERR_PROTOCOL;
    case NONE:
    case BINARY: break;
    }
    return ERR_OK;
}

/* Put a value into its field. */
static void value_store(const struct rule *rule, const struct prop_item *item,
                        struct props *ret_props)
{
    void *field = (char *)ret_props + rule->field;

    switch ((enum type)rule->type) {
    case BYTE: *(uint8_t *)field = (uint8_t)item->number; break;
    case TWO: *(uint16_t *)field = (uint16_t)item->number; break;
    case FOUR:
    case VARINT: *(uint32_t *)field = item->number; break;
    case TEXT:
    case TOPIC:
    case BINARY: *(struct str *)field = item->text; break;
    case NONE:
    case PAIR: break; /* pairs are read with props_next */
    }
}

/* Fetch a value from its field. */
static void value_load(const struct rule *rule, const struct props *props,
                       struct prop_item *ret_item)
{
    const void *field = (const char *)props + rule->field;

    switch ((enum type)rule->type) {
    case BYTE: ret_item->number = *(const uint8_t *)field; break;
    case TWO: ret_item->number = *(const uint16_t *)field; break;
    case FOUR:
    case VARINT: ret_item->number = *(const uint32_t *)field; break;
    case TEXT:
    case TOPIC:
    case BINARY: ret_item->text = *(const struct str *)field; break;
    case NONE:
    case PAIR: break;
    }
}

/* Append the value of an item. */
static void value_write(struct buf *out, uint8_t type, const struct prop_item *item)
{
    switch ((enum type)type) {
    case BYTE: buf_append_u8(out, (uint8_t)item->number); break;
    case TWO: wire_put_u16(out, (uint16_t)item->number); break;
    case FOUR: wire_put_u32(out, item->number); break;
    case VARINT: wire_put_varint(out, item->number); break;
    case PAIR:
        wire_put_binary(out, item->text);
        wire_put_binary(out, item->value);
        break;
    case TEXT:
    case TOPIC:
    case BINARY: wire_put_binary(out, item->text); break;
    case NONE: break;
    }
}

/* May it stand there more than once? [MQTT-3.3.4-3] [MQTT5 2.2.2.2] */
static bool repeats(enum prop prop, enum props_place place)
{
    return prop == PROP_USER_PROPERTY ||
           (prop == PROP_SUBSCRIPTION_IDENTIFIER && place == PROPS_PUBLISH);
}

/* Read one property of a set. */
static void prop_decode(struct wire_reader *r, enum props_place place, struct props *ret_props)
{
    uint32_t id = wire_get_varint(r);
    struct prop_item item;

    if (r->err || id > PROP_MAX || !(rules[id].places >> place & 1)) {
        wire_fail(r, ERR_MALFORMED);
        return;
    }
    const struct rule *rule = &rules[id];
    bool again = props_has(ret_props, (enum prop)id);
    if (again && !repeats((enum prop)id, place)) {
        wire_fail(r, ERR_PROTOCOL);
        return;
    }
    value_read(r, rule->type, &item);
    if (r->err)
        return;
    int err = value_check(rule, &item);
    if (err) {
        wire_fail(r, err);
        return;
    }
    if (!again)
        value_store(rule, &item, ret_props);
    props_mark(ret_props, (enum prop)id);
}

void props_decode(struct wire_reader *r, enum props_place place, struct props *ret_props)
{
    props_empty(ret_props);
    if (r->version != MQTT_5)
        return;
    uint32_t len = wire_get_varint(r);
    if (len == 0)
        return;
    struct str raw = wire_get_bytes(r, len);
    if (r->err)
        return;
    struct wire_reader set = wire_reader(raw.ptr, raw.len, MQTT_5);
    while (wire_left(&set) > 0)
        prop_decode(&set, place, ret_props);
    if (set.err) {
        wire_fail(r, set.err);
        ret_props->present = 0;
        return;
    }
    ret_props->raw = raw;
}

void props_encode(struct buf *out, enum props_place place, const struct props *props)
{
    size_t at = out->len;

    for (uint64_t rest = props ? props->present : 0; rest; rest &= rest - 1) {
        unsigned id = (unsigned)__builtin_ctzll(rest);
        struct prop_item item;
        if (id == PROP_USER_PROPERTY)
            continue; /* the pairs say it */
        assert(id <= PROP_MAX && (rules[id].places >> place & 1));
        value_load(&rules[id], props, &item);
        assert(value_check(&rules[id], &item) == ERR_OK);
        wire_put_varint(out, id);
        value_write(out, rules[id].type, &item);
    }
    for (size_t i = 0; props && i < props->user_count; i++) {
        struct prop_item item = { .text = props->user[2 * i], .value = props->user[2 * i + 1] };
        wire_put_varint(out, PROP_USER_PROPERTY);
        value_write(out, PAIR, &item);
    }
    wire_insert_varint(out, at, (uint32_t)(out->len - at));
}

bool props_next(struct str *rest, struct prop_item *ret_item)
{
    if (rest->len == 0)
        return false;
    struct wire_reader r = wire_reader(rest->ptr, rest->len, MQTT_5);
    uint32_t id = wire_get_varint(&r);
    struct prop_item item = { 0 };

    assert(r.err == ERR_OK && id <= PROP_MAX);
    item.prop = (enum prop)id;
    value_read(&r, rules[id].type, &item);
    assert(r.err == ERR_OK);
    size_t len = rest->len - wire_left(&r);
    item.raw = str_slice(*rest, 0, len);
    *rest = str_slice(*rest, len, rest->len);
    *ret_item = item;
    return true;
}

void props_forwardable(struct str raw, struct buf *out)
{
    struct prop_item item;

    while (props_next(&raw, &item)) {
        bool anew = item.prop == PROP_TOPIC_ALIAS || item.prop == PROP_SUBSCRIPTION_IDENTIFIER ||
                    item.prop == PROP_MESSAGE_EXPIRY_INTERVAL;
        if (!anew && rules[item.prop].places & AT(PUBLISH))
            buf_append_str(out, item.raw);
    }
}
