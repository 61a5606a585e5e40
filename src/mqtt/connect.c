/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "mqtt/kinds.h"
#include "topic/topic.h"

#include <assert.h>

/* Connect flags. [MQTT5 3.1.2.3] */
enum {
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_QOS_SHIFT = 3,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80,
};

/* The bit of the protocol level that bridges of Mosquitto's kind set. */
enum { LEVEL_BRIDGE = 0x80 };

/* Protocol name and level. A name that is not MQTT's is a protocol error, an unknown
 * level of it ERR_VERSION. [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
static void protocol_decode(struct wire_reader *r, struct mqtt_connect *ret_connect)
{
    struct str name = wire_get_utf8(r);
    uint8_t level = wire_get_u8(r);
    bool old = str_equal(name, STR("MQIsdp"));

    if (r->err)
        return;
    if (!old && !str_equal(name, STR("MQTT"))) {
        wire_fail(r, ERR_PROTOCOL);
        return;
    }
    ret_connect->bridge = level == (MQTT_31 | LEVEL_BRIDGE) || level == (MQTT_311 | LEVEL_BRIDGE);
    if (ret_connect->bridge)
        level &= (uint8_t)~LEVEL_BRIDGE;
    if (old ? level != MQTT_31 : level != MQTT_311 && level != MQTT_5) {
        wire_fail(r, ERR_VERSION);
        return;
    }
    ret_connect->version = (enum mqtt_version)level;
    r->version = level;
}

/* The connect flags, all but whether the rest keeps their word. */
static void flags_decode(struct wire_reader *r, struct mqtt_connect *ret_connect)
{
    uint8_t flags = wire_get_u8(r);

    ret_connect->clean_start = flags & FLAG_CLEAN;
    ret_connect->has_will = flags & FLAG_WILL;
    ret_connect->will.qos = flags >> FLAG_WILL_QOS_SHIFT & 3;
    ret_connect->will.retain = flags & FLAG_WILL_RETAIN;
    ret_connect->has_username = flags & FLAG_USERNAME;
    ret_connect->has_password = flags & FLAG_PASSWORD;
    if (r->version != MQTT_31 && flags & FLAG_RESERVED)
        wire_fail(r, ERR_MALFORMED); /* [MQTT-3.1.2-3] [MQTT311-3.1.2-3]; 3.1 has no use for it */
    if (ret_connect->will.qos == 3)
        wire_fail(r, ERR_MALFORMED); /* [MQTT-3.1.2-12] */
    if (!ret_connect->has_will && (ret_connect->will.qos || ret_connect->will.retain))
        wire_fail(r, ERR_MALFORMED); /* [MQTT-3.1.2-11] [MQTT-3.1.2-13] */
    if (r->version != MQTT_5 && ret_connect->has_password && !ret_connect->has_username)
        wire_fail(r, ERR_MALFORMED); /* [MQTT311-3.1.2-22] */
}

/* Will properties, topic and payload. [MQTT5 3.1.3.2 to 3.1.3.4] */
static void will_decode(struct wire_reader *r, struct mqtt_will *ret_will)
{
    props_decode(r, PROPS_WILL, &ret_will->props);
    ret_will->topic = wire_get_utf8(r); /* [MQTT-3.1.3-11] */
    ret_will->payload = wire_get_binary(r);
    if (r->err == ERR_OK)
        wire_fail(r, topic_name_check(ret_will->topic)); /* [MQTT-4.7.1-1] */
}

int connect_decode(struct wire_reader *r, uint8_t head, struct mqtt_packet *ret_packet)
{
    struct mqtt_connect connect = { 0 };

    protocol_decode(r, &connect);
    if (r->version != MQTT_31 && head & 0x0f)
        wire_fail(r, ERR_MALFORMED); /* [MQTT-2.1.3-1] [MQTT311-2.2.2-2] */
    flags_decode(r, &connect);
    connect.keep_alive = wire_get_u16(r);
    props_decode(r, PROPS_CONNECT, &connect.props);
    if (props_has(&connect.props, PROP_AUTHENTICATION_DATA) &&
        !props_has(&connect.props, PROP_AUTHENTICATION_METHOD))
        wire_fail(r, ERR_PROTOCOL);       /* [MQTT5 3.1.2.11.10] */
    connect.client_id = wire_get_utf8(r); /* [MQTT-3.1.3-4] */
    if (connect.has_will)
        will_decode(r, &connect.will);
    /* 3.1: the length of the packet overrides these two flags. */
    if (r->version == MQTT_31 && wire_left(r) == 0)
        connect.has_username = false;
    if (connect.has_username)
        connect.username = wire_get_utf8(r); /* [MQTT-3.1.3-12] */
    if (r->version == MQTT_31 && wire_left(r) == 0)
        connect.has_password = false;
    if (connect.has_password)
        connect.password = wire_get_binary(r);

    int err = wire_finish(r);
    if (err)
        return err;
    ret_packet->kind = MQTT_CONNECT;
    ret_packet->connect = connect;
    return ERR_OK;
}

uint8_t mqtt_connect_version(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    struct wire_reader r = wire_reader(bytes, len, 0);
    struct mqtt_connect connect = { 0 };

    if (len == 0 || p[0] >> 4 != MQTT_CONNECT)
        return 0;
    wire_get_u8(&r);
    wire_get_varint(&r);
    protocol_decode(&r, &connect);
    return r.err ? 0 : (uint8_t)connect.version;
}

/* The connect flags of a packet, which must be consistent. */
static uint8_t flags_encode(const struct mqtt_connect *connect)
{
    uint8_t flags = 0;

    assert(connect->version == MQTT_5 || connect->has_username || !connect->has_password);
    if (connect->clean_start)
        flags |= FLAG_CLEAN;
    if (connect->has_will) {
        assert(connect->will.qos <= 2);
        flags |= (uint8_t)(FLAG_WILL | connect->will.qos << FLAG_WILL_QOS_SHIFT);
        if (connect->will.retain)
            flags |= FLAG_WILL_RETAIN;
    }
    if (connect->has_password)
        flags |= FLAG_PASSWORD;
    if (connect->has_username)
        flags |= FLAG_USERNAME;
    return flags;
}

void connect_encode(struct buf *out, enum mqtt_version version, const struct mqtt_packet *packet)
{
    const struct mqtt_connect *connect = &packet->connect;
    size_t body = frame_open(out, MQTT_CONNECT << 4);

    assert(connect->version == version && (!connect->bridge || version != MQTT_5));
    wire_put_binary(out, version == MQTT_31 ? STR("MQIsdp") : STR("MQTT"));
    buf_append_u8(out, (uint8_t)(version | (connect->bridge ? LEVEL_BRIDGE : 0)));
    buf_append_u8(out, flags_encode(connect));
    wire_put_u16(out, connect->keep_alive);
    if (version == MQTT_5)
        props_encode(out, PROPS_CONNECT, &connect->props);
    wire_put_binary(out, connect->client_id);
    if (connect->has_will) {
        if (version == MQTT_5)
            props_encode(out, PROPS_WILL, &connect->will.props);
        wire_put_binary(out, connect->will.topic);
        wire_put_binary(out, connect->will.payload);
    }
    if (connect->has_username)
        wire_put_binary(out, connect->username);
    if (connect->has_password)
        wire_put_binary(out, connect->password);
    frame_close(out, body, (struct str){ NULL, 0 });
}
