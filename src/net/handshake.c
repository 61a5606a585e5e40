/* SPDX-License-Identifier: Apache-2.0 */
#include "net/handshake.h"

#include "base/err.h"
#include "mqtt/packet.h"
#include "net/carrier.h"
#include "net/turn.h"

#include <stdio.h>

enum { KEEP_ALIVE_S = 15, ALIASES = 3, SUBSCRIBE_ID = 1, VERSION_MIN = 1, VERSION_MAX = 1 };

static void put_packet(struct carrier *carrier, const struct mqtt_packet *packet)
{
    struct buf bytes = { 0 };

    mqtt_encode(&bytes, MQTT_5, packet);
    if (bytes.failed)
        carrier_end(carrier, "out of memory");
    else
        carrier_put(carrier, bytes.data, bytes.len);
    buf_finish(&bytes);
}

void handshake_begin(struct carrier *carrier)
{
    const struct net *net = carrier->net;
    char client_id[sizeof "$mesh/" + 2 * (size_t)NODE_ID_LEN], versions[16];
    size_t len = (size_t)snprintf(client_id, sizeof client_id, "$mesh/");

    for (int i = 0; i < NODE_ID_LEN; i++)
        len += (size_t)snprintf(client_id + len, sizeof client_id - len, "%02x",
                                net->config.node_id.bytes[i]);
    snprintf(versions, sizeof versions, "%d..%d", VERSION_MIN, VERSION_MAX);

    struct str user[] = { STR("mesh"),           str_from_c(versions), STR("mesh-name"),
                          net->config.mesh_name, STR("role"),          STR("peer") };
    struct mqtt_packet packet = {
        .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_5,
                     .clean_start = true,
                     .keep_alive = KEEP_ALIVE_S,
                     .client_id = { client_id, len },
                     .props = { .maximum_packet_size = net->link_packet_max,
                                .topic_alias_maximum = ALIASES,
                                .user = user,
                                .user_count = sizeof user / sizeof user[0] / 2 } },
    };

    props_mark(&packet.connect.props, PROP_MAXIMUM_PACKET_SIZE);
    props_mark(&packet.connect.props, PROP_TOPIC_ALIAS_MAXIMUM);
    put_packet(carrier, &packet);
    carrier->phase = CARRIER_CONNACK;
}

/* Answer a CONNECT that is not welcome, and why; then close. */
static void refuse(struct carrier *carrier, uint8_t reason, const char *why)
{
    struct mqtt_packet packet = {
        .kind = MQTT_CONNACK,
        .connack = { .reason = reason, .props = { .reason_string = str_from_c(why) } },
    };

    props_mark(&packet.connack.props, PROP_REASON_STRING);
    put_packet(carrier, &packet);
    buf_append_str(&carrier->end, str_from_c(why));
    carrier->closing = true;
}

/* The value of a user property, or an empty str. */
static struct str user_property(const struct props *props, struct str name)
{
    struct str rest = props->raw;
    struct prop_item item;

    while (props_next(&rest, &item)) {
        if (item.prop == PROP_USER_PROPERTY && str_equal(item.text, name))
            return item.value;
    }
    return (struct str){ 0 };
}

/* Does "1..3" hold a version that we speak? */
static bool speaks_ours(struct str versions)
{
    char text[16];
    int min = 0, max = 0;

    snprintf(text, sizeof text, "%.*s", STR_ARG(versions));
    return sscanf(text, "%d..%d", &min, &max) == 2 && min <= VERSION_MAX && max >= VERSION_MIN;
}

static void on_connect(struct carrier *carrier, const struct mqtt_connect *connect)
{
    const struct net *net = carrier->net;
    struct mqtt_packet answer = {
        .kind = MQTT_CONNACK,
        .connack = { .props = { .maximum_packet_size = net->link_packet_max,
                                .topic_alias_maximum = ALIASES } },
    };

    if (connect->version != MQTT_5 || !str_starts_with(connect->client_id, STR("$mesh/"))) {
        refuse(carrier, REASON_CLIENT_IDENTIFIER_NOT_VALID, "only brokers may connect to /mesh");
        return;
    }
    if (!speaks_ours(user_property(&connect->props, STR("mesh")))) {
        refuse(carrier, REASON_UNSUPPORTED_PROTOCOL_VERSION, "no common mesh protocol version");
        return;
    }
    if (!str_equal(user_property(&connect->props, STR("mesh-name")), net->config.mesh_name)) {
        refuse(carrier, REASON_NOT_AUTHORIZED, "belongs to another mesh");
        return;
    }
    props_mark(&answer.connack.props, PROP_MAXIMUM_PACKET_SIZE);
    props_mark(&answer.connack.props, PROP_TOPIC_ALIAS_MAXIMUM);
    put_packet(carrier, &answer);
    carrier->phase = CARRIER_SUBSCRIBE;
}

static void on_connack(struct carrier *carrier, const struct mqtt_connack *connack)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE,
                                  .subscribe = { .packet_id = SUBSCRIBE_ID, .count = 1 } };
    struct buf list = { 0 };

    if (connack->reason != REASON_SUCCESS) {
        struct str why = props_has(&connack->props, PROP_REASON_STRING)
                             ? connack->props.reason_string
                             : str_from_c(reason_text(connack->reason));
        carrier_end(carrier, "refused by peer: %.*s", STR_ARG(why));
        return;
    }
    mqtt_subscribe_add(&list, MQTT_5, STR("$mesh/#"), &(struct mqtt_sub_options){ 0 });
    packet.subscribe.list = buf_str(&list);
    if (list.failed)
        carrier_end(carrier, "out of memory");
    else
        put_packet(carrier, &packet);
    buf_finish(&list);
    if (carrier->phase == CARRIER_CONNACK)
        carrier->phase = CARRIER_SUBACK;
}

static void on_subscribe(struct carrier *carrier, const struct mqtt_subscribe *subscribe)
{
    struct mqtt_packet answer = {
        .kind = MQTT_SUBACK,
        .suback = { .packet_id = subscribe->packet_id, .reasons = STR("\0") },
    };

    put_packet(carrier, &answer);
    if (carrier->phase == CARRIER_SUBSCRIBE)
        carrier_up(carrier);
}

static void on_suback(struct carrier *carrier, const struct mqtt_suback *suback)
{
    if (suback->reasons.len != 1 || (uint8_t)suback->reasons.ptr[0] >= REASON_UNSPECIFIED_ERROR)
        carrier_end(carrier, "refused by peer: no subscription to $mesh/#");
    else
        carrier_up(carrier);
}

static void on_bundle(struct carrier *carrier, const struct mqtt_publish *publish)
{
    struct net *net = carrier->net;
    struct mesh_event event = { .kind = MESH_LINK_RX,
                                .now_ms = net->now_ms,
                                .now_us = net->now_us,
                                .link = carrier->id,
                                .bytes = publish->payload };

    node_on_link(net->node, &event, &net->out);
}

static void on_disconnect(struct carrier *carrier, const struct mqtt_disconnect *disconnect)
{
    struct str why = props_has(&disconnect->props, PROP_REASON_STRING)
                         ? disconnect->props.reason_string
                         : str_from_c(reason_text(disconnect->reason));

    carrier_end(carrier, "closed by peer: %.*s", STR_ARG(why));
}

/* What each phase awaits; everything else ends the carrier. */
static bool take_awaited(struct carrier *carrier, const struct mqtt_packet *packet)
{
    switch (carrier->phase) {
    case CARRIER_CONNECT:
        if (packet->kind != MQTT_CONNECT)
            return false;
        on_connect(carrier, &packet->connect);
        return true;
    case CARRIER_CONNACK:
        if (packet->kind != MQTT_CONNACK)
            return false;
        on_connack(carrier, &packet->connack);
        return true;
    case CARRIER_SUBSCRIBE:
        if (packet->kind != MQTT_SUBSCRIBE)
            return false;
        on_subscribe(carrier, &packet->subscribe);
        return true;
    case CARRIER_SUBACK:
        if (packet->kind != MQTT_SUBACK)
            return false;
        on_suback(carrier, &packet->suback);
        return true;
    case CARRIER_UP:
        if (packet->kind != MQTT_PUBLISH || packet->publish.qos != 0)
            return false;
        on_bundle(carrier, &packet->publish);
        return true;
    case CARRIER_OPENING:
    case CARRIER_ENDED: break;
    }
    return false;
}

bool handshake_take(void *context, const struct mqtt_frame *frame)
{
    struct carrier *carrier = context;
    struct mqtt_packet packet;

    if (carrier->phase == CARRIER_ENDED || carrier->closing)
        return false;
    int err = mqtt_decode(frame, MQTT_5, &packet);

    if (err) {
        carrier_end(carrier, "peer sent what is not MQTT: %s", err_text(err));
    } else if (packet.kind == MQTT_DISCONNECT) {
        on_disconnect(carrier, &packet.disconnect);
    } else if (packet.kind == MQTT_PINGREQ) {
        put_packet(carrier, &(struct mqtt_packet){ .kind = MQTT_PINGRESP });
    } else if (packet.kind != MQTT_PINGRESP && !take_awaited(carrier, &packet)) {
        carrier_end(carrier, "peer sent an unexpected %s", mqtt_kind_name(packet.kind));
    }
    return carrier->phase != CARRIER_ENDED;
}

void handshake_goodbye(struct carrier *carrier, struct str why)
{
    struct mqtt_packet packet = { .kind = MQTT_DISCONNECT,
                                  .disconnect = { .props = { .reason_string = why } } };

    if (why.len > 0)
        props_mark(&packet.disconnect.props, PROP_REASON_STRING);
    put_packet(carrier, &packet);
}
