/* SPDX-License-Identifier: Apache-2.0 */
/* Effects as lines of text. */
#include "talk_text.h"

#include "base/err.h"

#include <string.h>

static void write_publish(struct buf *text, const struct mqtt_publish *publish)
{
    struct str raw = publish->props.raw;
    struct prop_item item;

    buf_printf(text, " %.*s %.*s", STR_ARG(publish->topic), STR_ARG(publish->payload));
    if (publish->qos)
        buf_printf(text, " q%d id%d", publish->qos, publish->packet_id);
    if (publish->retain)
        buf_printf(text, " retain");
    if (publish->dup)
        buf_printf(text, " dup");
    while (publish->props.present && props_next(&raw, &item)) {
        if (item.prop == PROP_MESSAGE_EXPIRY_INTERVAL)
            buf_printf(text, " expiry=%u", item.number);
        else if (item.prop == PROP_SUBSCRIPTION_IDENTIFIER)
            buf_printf(text, " sub=%u", item.number);
        else if (item.prop == PROP_TOPIC_ALIAS)
            buf_printf(text, " alias=%u", item.number);
        else if (item.prop == PROP_USER_PROPERTY)
            buf_printf(text, " %.*s=%.*s", STR_ARG(item.text), STR_ARG(item.value));
        else
            buf_printf(text, " prop%d", item.prop);
    }
}

static void write_auth(struct buf *text, const struct props *props)
{
    if (props_has(props, PROP_AUTHENTICATION_METHOD))
        buf_printf(text, " %.*s", STR_ARG(props->authentication_method));
    if (props_has(props, PROP_AUTHENTICATION_DATA))
        buf_printf(text, " <%.*s>", STR_ARG(props->authentication_data));
}

static void write_connack(const struct talk *talk, struct buf *text,
                          const struct mqtt_connack *connack)
{
    const struct props *props = &connack->props;

    buf_printf(text, " %02x", connack->reason);
    if (connack->session_present)
        buf_printf(text, " present");
    if (props_has(props, PROP_SESSION_EXPIRY_INTERVAL))
        buf_printf(text, " expiry=%u", props->session_expiry_interval);
    if (props_has(props, PROP_SERVER_KEEP_ALIVE))
        buf_printf(text, " keep_alive=%u", props->server_keep_alive);
    if (props_has(props, PROP_ASSIGNED_CLIENT_IDENTIFIER))
        buf_printf(text, " id=%.*s", STR_ARG(props->assigned_client_identifier));
    write_auth(text, props);
    if (props_has(props, PROP_RESPONSE_INFORMATION))
        buf_printf(text, " answers=%.*s", STR_ARG(props->response_information));
    if (!(talk->show & TALK_CONNACK))
        return;
    if (props_has(props, PROP_RECEIVE_MAXIMUM))
        buf_printf(text, " receive_max=%u", props->receive_maximum);
    if (props_has(props, PROP_MAXIMUM_PACKET_SIZE))
        buf_printf(text, " packet_max=%u", props->maximum_packet_size);
    if (props_has(props, PROP_TOPIC_ALIAS_MAXIMUM))
        buf_printf(text, " alias_max=%u", props->topic_alias_maximum);
    if (props_has(props, PROP_SHARED_SUBSCRIPTION_AVAILABLE))
        buf_printf(text, " shared=%u", props->shared_subscription_available);
    if (props_has(props, PROP_REASON_STRING))
        buf_printf(text, " \"%.*s\"", STR_ARG(props->reason_string));
}

static void write_packet(struct talk *talk, conn_id conn, const struct mqtt_packet *packet)
{
    struct buf *text = &talk->text;

    buf_printf(text, "%u %s", conn, mqtt_kind_name(packet->kind));
    if (packet->kind == MQTT_PUBLISH) {
        write_publish(text, &packet->publish);
    } else if (packet->kind == MQTT_CONNACK) {
        write_connack(talk, text, &packet->connack);
    } else if (packet->kind >= MQTT_PUBACK && packet->kind <= MQTT_PUBCOMP) {
        buf_printf(text, " %u", packet->puback.packet_id);
        if (packet->puback.reason)
            buf_printf(text, " %02x", packet->puback.reason);
        if (props_has(&packet->puback.props, PROP_REASON_STRING))
            buf_printf(text, " \"%.*s\"", STR_ARG(packet->puback.props.reason_string));
    } else if (packet->kind == MQTT_SUBACK || packet->kind == MQTT_UNSUBACK) {
        buf_printf(text, " %u", packet->suback.packet_id);
        for (size_t i = 0; i < packet->suback.reasons.len; i++)
            buf_printf(text, " %02x", (uint8_t)packet->suback.reasons.ptr[i]);
        if (props_has(&packet->suback.props, PROP_REASON_STRING))
            buf_printf(text, " \"%.*s\"", STR_ARG(packet->suback.props.reason_string));
    } else if (packet->kind == MQTT_DISCONNECT) {
        buf_printf(text, " %02x", packet->disconnect.reason);
        if (props_has(&packet->disconnect.props, PROP_SERVER_REFERENCE))
            buf_printf(text, " see %.*s", STR_ARG(packet->disconnect.props.server_reference));
    } else if (packet->kind == MQTT_AUTH) {
        buf_printf(text, " %02x", packet->auth.reason);
        write_auth(text, &packet->auth.props);
    }
    buf_printf(text, "\n");
}

/* Bytes to a client: every packet in them must be one. */
static void write_bytes(struct talk *talk, conn_id conn, const uint8_t *bytes, size_t len)
{
    enum mqtt_version version =
        talk->versions[conn] ? (enum mqtt_version)talk->versions[conn] : MQTT_311;
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    for (size_t at = 0; at < len; at += frame.whole) {
        ck_assert_int_eq(mqtt_frame_find(bytes + at, len - at, 1 << 28, &frame), ERR_OK);
        ck_assert_int_eq(mqtt_decode(&frame, version, &packet), ERR_OK);
        write_packet(talk, conn, &packet);
        buf_append_u8(&talk->wire, (uint8_t)conn);
        buf_append(&talk->wire, bytes + at, frame.whole);
    }
}

static void write_message(struct talk *talk, const struct core_send *send)
{
    struct delivery delivery = {
        .version = (enum mqtt_version)talk->versions[send->conn],
        .qos = send->qos,
        .retain = send->retain,
        .dup = send->dup,
        .packet_id = send->packet_id,
        .topic_alias = send->topic_alias,
        .topic_omitted = send->topic_omitted,
        .has_expiry = send->has_expiry,
        .expiry_s = send->expiry_s,
        .sub_ids = talk->out.sub_ids.at + send->sub_ids_at,
        .sub_id_count = send->sub_id_count,
    };
    size_t head = message_head(send->message, &delivery, NULL);
    struct buf bytes = { 0 };

    ck_assert_uint_eq(message_head(send->message, &delivery, buf_reserve(&bytes, head)), head);
    buf_advance(&bytes, head);
    buf_append_str(&bytes, message_payload(send->message));
    write_bytes(talk, send->conn, bytes.data, bytes.len);
    buf_finish(&bytes);
}

void talk_write_send(struct talk *talk, const struct core_send *send)
{
    switch ((enum core_send_kind)send->kind) {
    case CORE_SEND_MESSAGE: write_message(talk, send); break;
    case CORE_SEND_BYTES:
        write_bytes(talk, send->conn, talk->out.bytes.data + send->at, send->len);
        break;
    case CORE_SEND_PAUSE: buf_printf(&talk->text, "%u pause\n", send->conn); break;
    case CORE_SEND_RESUME: buf_printf(&talk->text, "%u resume\n", send->conn); break;
    case CORE_SEND_CLOSE: buf_printf(&talk->text, "%u close\n", send->conn); break;
    }
}

static void write_session(struct buf *text, const struct durable_session *about)
{
    buf_printf(text, " %.*s %s", STR_ARG(about->client_id), about->connected ? "here" : "away");
    if (about->expiry_s == 0)
        buf_printf(text, " for-its-will");
    if (about->sent_seq)
        buf_printf(text, " sent%u", (unsigned)about->sent_seq);
    if (about->will)
        buf_printf(text, " will %.*s", STR_ARG(message_topic(about->will)));
}

static void write_store(struct buf *text, const struct durable_op *op)
{
    static const char *const names[] = { "SESSION_PUT", "SESSION_DEL",    "SUB_PUT",
                                         "SUB_DEL",     "QUEUE_PUT",      "QUEUE_RECEIVED",
                                         "QUEUE_DEL",   "INCOMING_PUT",   "INCOMING_DEL",
                                         "RETAIN_PUT",  "RETAIN_DEL" };
    bool has_text = op->kind == DURABLE_SUB_PUT || op->kind == DURABLE_SUB_DEL ||
                    op->kind == DURABLE_RETAIN_DEL;

    buf_printf(text, "store %s%s", names[op->kind], op->lazy ? " lazily" : "");
    if (op->session)
        buf_printf(text, " session%u", (unsigned)op->session);
    if (op->kind >= DURABLE_QUEUE_PUT && op->kind <= DURABLE_QUEUE_DEL)
        buf_printf(text, " seq%u", (unsigned)op->seq);
    if (op->packet_id)
        buf_printf(text, " id%u", op->packet_id);
    if (op->kind == DURABLE_QUEUE_PUT)
        buf_printf(text, " q%u", op->qos);
    if (op->undoes)
        buf_printf(text, " undoes%u", (unsigned)op->undoes);
    if (has_text)
        buf_printf(text, " %.*s", STR_ARG(op->text));
    if (op->kind == DURABLE_SESSION_PUT)
        write_session(text, op->about);
    if (op->message)
        buf_printf(text, " %.*s", STR_ARG(message_topic(op->message)));
    if (op->kind == DURABLE_SUB_PUT)
        buf_printf(text, " %02x", op->options);
    buf_printf(text, "\n");
}

void talk_write_rest(struct talk *talk)
{
    struct core_out *out = &talk->out;
    struct buf *text = &talk->text;
    const char *bytes = (const char *)out->bytes.data;

    vec_each (&out->forwards, message) {
        if (talk->show & TALK_FORWARDS)
            buf_printf(text, "forward %.*s %.*s q%d%s\n", STR_ARG(message_topic(*message)),
                       STR_ARG(message_payload(*message)), (*message)->qos,
                       (*message)->retain ? " retain" : "");
    }
    vec_each (&out->interests, interest) {
        if (talk->show & TALK_INTERESTS)
            buf_printf(text, "interest %.*s %s q%d%s\n", (int)interest->len, bytes + interest->at,
                       interest->wanted ? "wanted" : "gone", interest->qos,
                       interest->persistent ? " persistent" : "");
    }
    vec_each (&out->stores, op) {
        ck_assert_uint_eq(op->token, talk->token + 1);
        talk->token = op->token;
        if (talk->show & TALK_STORES)
            write_store(text, op);
    }
    vec_each (&out->loads, load) {
        if (talk->show & TALK_STORES)
            buf_printf(text, "load session%u from%u\n", (unsigned)load->session,
                       (unsigned)load->from);
    }
    vec_each (&out->asks, ask) {
        static const char *const stages[] = { "connect", "continue", "again" };
        buf_printf(text, "%u ask %u %s", ask->conn, (unsigned)ask->ask, stages[ask->stage]);
        const struct core_text *runs[] = { &ask->client_id, &ask->username, &ask->password,
                                           &ask->method, &ask->data };
        for (size_t i = 0; i < 5; i++)
            buf_printf(text, " [%.*s]", (int)runs[i]->len, bytes + runs[i]->at);
        buf_printf(text, "\n");
    }
    vec_each (&out->facts, fact) {
        if (talk->show & TALK_FACTS)
            buf_printf(text, "fact %s %.*s %02x %u\n", core_fact_name(fact->kind), (int)fact->len,
                       bytes + fact->at, fact->reason, (unsigned)fact->count);
    }
}
