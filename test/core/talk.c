/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

void (*talk_around_step)(bool before);

struct talk *talk_new(const struct core_config *config)
{
    struct core_config some = config ? *config : (struct core_config){ 0 };
    struct talk *talk = calloc(1, sizeof *talk);

    some.seed = some.seed ? some.seed : 7;
    talk->now_ms = 1000000;
    talk->core = core_new(&some, talk->now_ms);
    ck_assert_ptr_nonnull(talk->core);
    return talk;
}

void talk_free(struct talk *talk)
{
    core_out_finish(&talk->out);
    core_free(talk->core);
    buf_finish(&talk->text);
    buf_finish(&talk->wire);
    free(talk);
}

/* ---- effects to text ---- */

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

static void write_send(struct talk *talk, const struct core_send *send)
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

static void write_store(struct buf *text, const struct durable_op *op)
{
    static const char *const names[] = { "SESSION_PUT",    "SESSION_DEL", "SUB_PUT",
                                         "SUB_DEL",        "QUEUE_PUT",   "QUEUE_SENT",
                                         "QUEUE_RECEIVED", "QUEUE_DEL",   "INCOMING_PUT",
                                         "INCOMING_DEL",   "RETAIN_PUT",  "RETAIN_DEL" };

    buf_printf(text, "store %s", names[op->kind]);
    if (op->session)
        buf_printf(text, " session%u", (unsigned)op->session);
    if (op->kind >= DURABLE_QUEUE_PUT && op->kind <= DURABLE_QUEUE_DEL)
        buf_printf(text, " seq%u", (unsigned)op->seq);
    if (op->packet_id)
        buf_printf(text, " id%u", op->packet_id);
    if (op->kind == DURABLE_QUEUE_PUT)
        buf_printf(text, " q%u", op->qos);
    if (op->text.len)
        buf_printf(text, " %.*s", STR_ARG(op->text));
    if (op->message)
        buf_printf(text, " %.*s", STR_ARG(message_topic(op->message)));
    if (op->kind == DURABLE_SUB_PUT)
        buf_printf(text, " %02x", op->options);
    buf_printf(text, "\n");
}

static void write_rest(struct talk *talk)
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

/* ---- steps ---- */

static void step(struct talk *talk, struct core_event event)
{
    conn_id closing[TALK_CONNS];
    size_t count = 0;
    uint64_t before = talk->token;

    event.now_ms = talk->now_ms;
    if (talk_around_step)
        talk_around_step(true);
    core_step(talk->core, &event, &talk->out);
    if (talk_around_step)
        talk_around_step(false);
    vec_each (&talk->out.sends, send) {
        write_send(talk, send);
        if (send->kind == CORE_SEND_CLOSE)
            closing[count++] = send->conn;
    }
    talk->failed |= talk->out.failed;
    write_rest(talk);
    core_out_clear(&talk->out);
    for (size_t i = 0; i < count; i++)
        talk_cut(talk, closing[i]);
    if (!talk->hold_store && talk->token > before)
        talk_durable(talk, talk->token);
}

void talk_durable(struct talk *talk, uint64_t token)
{
    step(talk, (struct core_event){ .kind = CORE_DURABLE, .token = token });
}

void talk_event(struct talk *talk, conn_id conn, enum core_event_kind kind)
{
    step(talk, (struct core_event){ .kind = kind, .conn = conn });
}

void talk_open(struct talk *talk, conn_id conn)
{
    ck_assert(!talk->open[conn]);
    talk->open[conn] = true;
    talk->versions[conn] = 0;
    talk_event(talk, conn, CORE_OPEN);
}

void talk_cut(struct talk *talk, conn_id conn)
{
    ck_assert(talk->open[conn]);
    talk->open[conn] = false;
    talk_event(talk, conn, CORE_CLOSED);
}

static void talk_bytes(struct talk *talk, conn_id conn, const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    enum mqtt_version version =
        talk->versions[conn] ? (enum mqtt_version)talk->versions[conn] : MQTT_5;
    int err = mqtt_frame_find(bytes, len, 1 << 20, &frame);

    if (!talk->open[conn])
        return; /* the core has closed it, which the expectation tells */
    if (!err)
        err = mqtt_decode(&frame, version, &packet);
    if (err) {
        uint8_t told = talk->versions[conn] ? 0 : mqtt_connect_version(bytes, len);
        talk->versions[conn] |= told; /* what is answered to a CONNECT is in its version */
        step(talk,
             (struct core_event){ .kind = CORE_BAD, .conn = conn, .version = told, .err = err });
        return;
    }
    if (packet.kind == MQTT_CONNECT && !talk->versions[conn])
        talk->versions[conn] = (uint8_t)packet.connect.version;
    step(talk, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &packet });
}

void talk_packet(struct talk *talk, conn_id conn, const struct mqtt_packet *packet)
{
    struct buf bytes = { 0 };
    enum mqtt_version version = (enum mqtt_version)talk->versions[conn];

    if (packet->kind == MQTT_CONNECT)
        version = packet->connect.version;
    mqtt_encode(&bytes, version ? version : MQTT_5, packet);
    talk_bytes(talk, conn, bytes.data, bytes.len);
    buf_finish(&bytes);
}

void talk_hex(struct talk *talk, conn_id conn, const char *hex)
{
    uint8_t bytes[256];
    size_t len = 0;

    for (; *hex; hex += hex[2] == ' ' ? 3 : 2)
        bytes[len++] = (uint8_t)strtoul((char[3]){ hex[0], hex[1], 0 }, NULL, 16);
    talk_bytes(talk, conn, bytes, len);
}

void talk_wait(struct talk *talk, uint64_t ms)
{
    uint64_t end_ms = talk->now_ms + ms, due_ms;

    while ((due_ms = core_deadline(talk->core)) <= end_ms) {
        talk->now_ms = due_ms > talk->now_ms ? due_ms : talk->now_ms;
        talk_event(talk, 0, CORE_TICK);
    }
    talk->now_ms = end_ms;
}

void talk_forget(struct talk *talk)
{
    buf_clear(&talk->text);
}

const char *talk_said(struct talk *talk)
{
    buf_append_u8(&talk->text, 0);
    ck_assert(!talk->text.failed);
    talk->text.len = 0;
    return (const char *)talk->text.data;
}

/* ---- what clients say ---- */

static void set_will(struct mqtt_connect *connect, const struct hello *hello)
{
    struct mqtt_will *will = &connect->will;

    connect->has_will = true;
    will->topic = str_from_c(hello->will_topic);
    will->payload = str_from_c(hello->will_payload);
    will->qos = hello->will_qos;
    will->retain = hello->will_retain;
    if (hello->will_delay_s) {
        will->props.will_delay_interval = hello->will_delay_s;
        props_mark(&will->props, PROP_WILL_DELAY_INTERVAL);
    }
    if (hello->will_expiry_s) {
        will->props.message_expiry_interval = hello->will_expiry_s;
        props_mark(&will->props, PROP_MESSAGE_EXPIRY_INTERVAL);
    }
}

static void set_limits(struct props *props, const struct hello *hello)
{
    if (hello->has_expiry || hello->expiry_s) {
        props->session_expiry_interval = hello->expiry_s;
        props_mark(props, PROP_SESSION_EXPIRY_INTERVAL);
    }
    if (hello->receive_max) {
        props->receive_maximum = hello->receive_max;
        props_mark(props, PROP_RECEIVE_MAXIMUM);
    }
    if (hello->packet_max) {
        props->maximum_packet_size = hello->packet_max;
        props_mark(props, PROP_MAXIMUM_PACKET_SIZE);
    }
    if (hello->alias_max) {
        props->topic_alias_maximum = hello->alias_max;
        props_mark(props, PROP_TOPIC_ALIAS_MAXIMUM);
    }
    if (hello->method) {
        props->authentication_method = str_from_c(hello->method);
        props_mark(props, PROP_AUTHENTICATION_METHOD);
    }
    if (hello->auth_data) {
        props->authentication_data = str_from_c(hello->auth_data);
        props_mark(props, PROP_AUTHENTICATION_DATA);
    }
    if (hello->want_response) {
        props->request_response_information = 1;
        props_mark(props, PROP_REQUEST_RESPONSE_INFORMATION);
    }
    if (hello->no_problem_info) {
        props->request_problem_information = 0;
        props_mark(props, PROP_REQUEST_PROBLEM_INFORMATION);
    }
}

void talk_connect(struct talk *talk, conn_id conn, const char *id, struct hello hello)
{
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };
    struct mqtt_connect *connect = &packet.connect;

    if (!talk->open[conn])
        talk_open(talk, conn);
    connect->version = hello.version ? hello.version : MQTT_5;
    connect->clean_start = !hello.keep;
    connect->client_id = str_from_c(id);
    connect->keep_alive = hello.keep_alive;
    if (hello.username) {
        connect->has_username = true;
        connect->username = str_from_c(hello.username);
    }
    if (hello.will_topic)
        set_will(connect, &hello);
    if (hello.password) {
        connect->has_password = true;
        connect->password = str_from_c(hello.password);
    }
    set_limits(&connect->props, &hello);
    talk_packet(talk, conn, &packet);
}

void talk_publish(struct talk *talk, conn_id conn, const char *topic, const char *payload,
                  struct news news)
{
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH };
    struct mqtt_publish *publish = &packet.publish;
    struct str user[2] = { STR("u"), str_from_c(news.user) };

    publish->topic = str_from_c(topic);
    publish->payload = str_from_c(payload);
    publish->qos = news.qos;
    publish->packet_id = news.qos ? news.id : 0;
    publish->retain = news.retain;
    publish->dup = news.dup;
    if (news.has_expiry || news.expiry_s) {
        publish->props.message_expiry_interval = news.expiry_s;
        props_mark(&publish->props, PROP_MESSAGE_EXPIRY_INTERVAL);
    }
    if (news.alias) {
        publish->props.topic_alias = news.alias;
        props_mark(&publish->props, PROP_TOPIC_ALIAS);
    }
    if (news.user) {
        publish->props.user = user;
        publish->props.user_count = 1;
    }
    talk_packet(talk, conn, &packet);
}

void talk_subscribe(struct talk *talk, conn_id conn, const char *filter, struct wish wish)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE };
    struct mqtt_sub_options options = { .qos = wish.qos,
                                        .no_local = wish.no_local,
                                        .retain_as_published = wish.as_published,
                                        .retain_handling = wish.handling };
    struct buf list = { 0 };

    mqtt_subscribe_add(&list, (enum mqtt_version)talk->versions[conn], str_from_c(filter),
                       &options);
    packet.subscribe.packet_id = wish.id ? wish.id : 1;
    packet.subscribe.list = buf_str(&list);
    packet.subscribe.count = 1;
    if (wish.sub_id) {
        packet.subscribe.props.subscription_identifier = wish.sub_id;
        props_mark(&packet.subscribe.props, PROP_SUBSCRIPTION_IDENTIFIER);
    }
    talk_packet(talk, conn, &packet);
    buf_finish(&list);
}

void talk_unsubscribe(struct talk *talk, conn_id conn, const char *filter)
{
    struct mqtt_packet packet = { .kind = MQTT_UNSUBSCRIBE };
    struct buf list = { 0 };

    mqtt_unsubscribe_add(&list, str_from_c(filter));
    packet.unsubscribe.packet_id = 1;
    packet.unsubscribe.list = buf_str(&list);
    packet.unsubscribe.count = 1;
    talk_packet(talk, conn, &packet);
    buf_finish(&list);
}

void talk_ack(struct talk *talk, conn_id conn, enum mqtt_kind kind, uint16_t id, uint8_t reason)
{
    struct mqtt_packet packet = { .kind = kind };

    packet.puback.packet_id = id;
    packet.puback.reason = reason;
    talk_packet(talk, conn, &packet);
}

void talk_goodbye(struct talk *talk, conn_id conn, uint8_t reason, int64_t expiry_s)
{
    struct mqtt_packet packet = { .kind = MQTT_DISCONNECT, .disconnect.reason = reason };

    if (expiry_s >= 0) {
        packet.disconnect.props.session_expiry_interval = (uint32_t)expiry_s;
        props_mark(&packet.disconnect.props, PROP_SESSION_EXPIRY_INTERVAL);
    }
    talk_packet(talk, conn, &packet);
}

void talk_auth(struct talk *talk, conn_id conn, uint8_t reason, const char *method,
               const char *data)
{
    struct mqtt_packet packet = { .kind = MQTT_AUTH, .auth.reason = reason };
    struct props *props = &packet.auth.props;

    props->authentication_method = str_from_c(method);
    props_mark(props, PROP_AUTHENTICATION_METHOD);
    props->authentication_data = str_from_c(data);
    props_mark(props, PROP_AUTHENTICATION_DATA);
    talk_packet(talk, conn, &packet);
}

void talk_answer(struct talk *talk, conn_id conn, struct core_answer answer)
{
    step(talk, (struct core_event){ .kind = CORE_ANSWER, .conn = conn, .answer = &answer });
}

void talk_remote(struct talk *talk, const char *topic, const char *payload, uint8_t qos,
                 bool retain)
{
    struct message *message =
        message_new(str_from_c(topic), (struct str){ NULL, 0 }, str_from_c(payload));

    message->qos = qos & 3;
    message->retain = retain;
    message->remote = 1;
    step(talk, (struct core_event){ .kind = CORE_REMOTE, .message = message });
    message_unref(message);
}
