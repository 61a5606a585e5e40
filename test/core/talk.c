/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

#include "base/err.h"
#include "talk_text.h"

#include <stdio.h>
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

/* ---- steps ---- */

/* Unless the store is held, what the step asked of it is durable before anything else. */
static void store_at_once(struct talk *talk)
{
    struct core_event event = { .kind = CORE_DURABLE, .now_ms = talk->now_ms };
    size_t done = 0;

    while (!talk->hold_store && talk->out.stores.len > done) {
        done = talk->out.stores.len;
        event.token = talk->out.stores.at[done - 1].token;
        core_step(talk->core, &event, &talk->out);
    }
}

/* A pause that ends within the step is not worth a line, nor is its end. */
static bool is_moot(const struct talk *talk, const struct core_send *send)
{
    const struct core_send *first = talk->out.sends.at, *end = first + talk->out.sends.len;

    if (talk->hold_store || (send->kind != CORE_SEND_PAUSE && send->kind != CORE_SEND_RESUME))
        return false;
    for (const struct core_send *at = first; at < end; at++) {
        bool pair = (at < send) == (at->kind == CORE_SEND_PAUSE);
        if (at != send && at->conn == send->conn && at->kind != send->kind && pair &&
            (at->kind == CORE_SEND_PAUSE || at->kind == CORE_SEND_RESUME))
            return true;
    }
    return false;
}

static void step(struct talk *talk, struct core_event event)
{
    conn_id closing[TALK_CONNS];
    size_t count = 0;

    event.now_ms = talk->now_ms;
    if (talk_around_step)
        talk_around_step(true);
    core_step(talk->core, &event, &talk->out);
    store_at_once(talk);
    if (talk_around_step)
        talk_around_step(false);
    vec_each (&talk->out.sends, send) {
        if (!is_moot(talk, send))
            talk_write_send(talk, send);
        if (send->kind == CORE_SEND_CLOSE)
            closing[count++] = send->conn;
    }
    talk->failed |= talk->out.failed;
    talk_write_rest(talk);
    core_out_clear(&talk->out);
    for (size_t i = 0; i < count; i++)
        talk_cut(talk, closing[i]);
}

void talk_durable(struct talk *talk, uint64_t token)
{
    step(talk, (struct core_event){ .kind = CORE_DURABLE, .token = token });
}

void talk_store(struct talk *talk, bool full)
{
    step(talk, (struct core_event){ .kind = CORE_STORE, .store_full = full });
}

void talk_loaded(struct talk *talk, uint64_t session, uint64_t from, const char *letters)
{
    struct durable_entry entries[64];
    size_t count = 0, len = strlen(letters);
    char payload[24];

    for (size_t i = 0; i < len; i++) {
        struct durable_entry *entry = &entries[count];
        if (letters[i] == '-' || letters[i] == '.')
            continue;
        count++;
        *entry = (struct durable_entry){ .seq = from + i,
                                         .qos = letters[i] == 'm' ? 1 : letters[i] == 'z' ? 0 : 2 };
        if (letters[i] == 'r')
            continue;
        snprintf(payload, sizeof payload, "%u", (unsigned)(from + i));
        entry->message = message_new(STR("x"), (struct str){ NULL, 0 }, str_from_c(payload));
        entry->message->expires_ms = MESSAGE_NEVER;
        entry->message->qos = entry->qos & 3;
    }
    struct core_loaded loaded = {
        .session = session, .from = from, .end = from + len, .entries = entries, .count = count
    };
    if (len && letters[len - 1] == '.')
        loaded.end = UINT64_MAX;
    step(talk, (struct core_event){ .kind = CORE_LOADED, .loaded = &loaded });
    for (size_t i = 0; i < count; i++)
        message_unref(entries[i].message);
}

void talk_restore(struct talk *talk, const struct durable_op *op)
{
    ck_assert_int_eq(core_restore(talk->core, op, &talk->out), ERR_OK);
    talk_write_rest(talk);
    core_out_clear(&talk->out);
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

void talk_open_relaxed(struct talk *talk, conn_id conn)
{
    ck_assert(!talk->open[conn]);
    talk->open[conn] = true;
    talk->versions[conn] = 0;
    step(talk, (struct core_event){ .kind = CORE_OPEN, .conn = conn, .relaxed = true });
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
