/* SPDX-License-Identifier: Apache-2.0 */
/* PUBLISH from a client: alias, quota, duplicates, refusals; then it is a message.
 * [MQTT5 3.3] [MQTT5 4.3] */
#include "base/err.h"
#include "core/alias.h"
#include "core/broker.h"
#include "core/records.h"
#include "core/reserved.h"

#include <stdlib.h>

/* The topic, through the alias if there is one. Closes the connection and is false when
 * that makes no sense. */
static bool resolve_topic(struct core *core, struct conn *conn, const struct mqtt_publish *publish,
                          struct str *ret_topic)
{
    uint16_t alias = publish->props.topic_alias;

    *ret_topic = publish->topic;
    if (conn->version != MQTT_5 || !props_has(&publish->props, PROP_TOPIC_ALIAS)) {
        if (publish->topic.len == 0)
            conn_close(core, conn, REASON_PROTOCOL_ERROR);
        return publish->topic.len > 0;
    }
    if (alias == 0 || alias > ALIAS_MAX) { /* [MQTT-3.3.2-8] [MQTT-3.3.2-9] */
        conn_close(core, conn, REASON_TOPIC_ALIAS_INVALID);
        return false;
    }
    if (publish->topic.len > 0) {
        int err = alias_set(&conn->aliases, alias, publish->topic);
        if (err) {
            core_failed(core);
            conn_close(core, conn, REASON_SERVER_BUSY);
        }
        return !err;
    }
    *ret_topic = alias_topic(conn->aliases, alias);
    if (ret_topic->len == 0)
        conn_close(core, conn, REASON_PROTOCOL_ERROR); /* [MQTT5 3.3.4] */
    return ret_topic->len > 0;
}

static struct message *make_message(struct core *core, const struct conn *conn,
                                    const struct mqtt_publish *publish, struct str topic)
{
    struct str props = { NULL, 0 };

    if (conn->version == MQTT_5 && publish->props.raw.len) {
        buf_clear(&core->scratch);
        props_forwardable(publish->props.raw, &core->scratch); /* [MQTT-3.3.2-17] */
        if (core->scratch.failed)
            return NULL;
        props = buf_str(&core->scratch);
    }
    struct message *message = message_new(topic, props, publish->payload);
    if (!message)
        return NULL;
    message->qos = publish->qos & 3;
    message->retain = publish->retain;
    message->publisher = conn->session->name;
    message->topic_hash = hash_fast(core->config.seed, topic.ptr, topic.len);
    message->expires_ms = MESSAGE_NEVER;
    if (conn->version == MQTT_5 && props_has(&publish->props, PROP_MESSAGE_EXPIRY_INTERVAL))
        message->expires_ms =
            core->now_ms + publish->props.message_expiry_interval * (uint64_t)1000;
    core->stats.messages_in++;
    core->stats.publishes_in[message->qos]++;
    core->stats.bytes_in += (uint64_t)topic.len + props.len + publish->payload.len;
    return message;
}

bool payload_is_as_said(const struct props *props, struct str payload)
{
    if (!props_has(props, PROP_PAYLOAD_FORMAT_INDICATOR) || props->payload_format_indicator != 1)
        return true;
    /* Text between NULs, which are characters here, unlike in MQTT's own strings. */
    for (size_t at = 0; at < payload.len;) {
        size_t end = str_find(payload, '\0', at);
        if (!str_is_mqtt_utf8(str_slice(payload, at, end)))
            return false;
        at = end + 1;
    }
    return true;
}

/* Why the message may not be published, or REASON_SUCCESS. Before version 5 nobody can be
 * told: such a message is acknowledged and dropped. */
static uint8_t judge(const struct core *core, const struct conn *conn,
                     const struct mqtt_publish *publish, const struct message *message)
{
    if (topic_is_reserved(message_topic(message)))
        return REASON_NOT_AUTHORIZED;
    if (core->config.check_payload_format && conn->version == MQTT_5 &&
        !payload_is_as_said(&publish->props, publish->payload))
        return REASON_PAYLOAD_FORMAT_INVALID; /* [MQTT5 3.3.2.3.2] */
    /* Who can be told that there is no room is told; for the others it is delivered but
     * not kept. */
    if (message->retain && message->qos > 0 && conn->version == MQTT_5 &&
        !retaining_has_room(core, message))
        return REASON_QUOTA_EXCEEDED;
    if (conn->version == MQTT_5 && store_is_short(core, conn, message))
        return REASON_QUOTA_EXCEEDED;
    return REASON_SUCCESS;
}

/* Note the identifier of a QoS 2 message until PUBREL. [MQTT-4.3.3-10] */
static int note_incoming(struct core *core, struct session *session, uint16_t packet_id)
{
    if (!session->incoming && !(session->incoming = calloc(1, sizeof *session->incoming)))
        return ERR_NOMEM;
    int err = packet_set_add(session->incoming, packet_id);
    if (!err)
        record_incoming(core, session, packet_id);
    return err;
}

/* QoS 1 or 2: may the client have one more on its way? Closes the connection if not.
 * [MQTT-3.3.4-7] */
static bool within_quota(struct core *core, struct conn *conn)
{
    if (conn->version == MQTT_5 && conn->unacked >= core->config.receive_max) {
        conn_close(core, conn, REASON_RECEIVE_MAXIMUM_EXCEEDED);
        return false;
    }
    conn->unacked++;
    return true;
}

/* Publish the message; false when memory ran out on the way, so that somebody may miss it
 * and it must not be acknowledged. *ret_wanted: somebody may have subscribed to it. */
static bool publish_whole(struct core *core, struct message *message, bool *ret_wanted)
{
    bool failed_before = core->out->failed;

    core->out->failed = false;
    *ret_wanted = publish_here(core, message) || core->remote_interest;
    bool whole = !core->out->failed;
    core->out->failed |= failed_before;
    return whole;
}

/* Publish a message made from a QoS 1 or 2 PUBLISH and acknowledge. */
static void publish_acked(struct core *core, struct conn *conn, const struct mqtt_publish *publish,
                          struct message *message)
{
    uint64_t before = core->urgent;
    struct mqtt_puback ack = { .packet_id = publish->packet_id,
                               .reason = judge(core, conn, publish, message) };
    enum mqtt_kind kind = message->qos == 2 ? MQTT_PUBREC : MQTT_PUBACK;
    bool refused = ack.reason != REASON_SUCCESS;

    if (refused)
        core->stats.messages_dropped++;
    /* Who can be told nothing waits for its answer, and is not read meanwhile. */
    if (conn->version != MQTT_5 && !conn->waits_for_store && store_is_short(core, conn, message)) {
        conn->waits_for_store = true;
        effects_order(core->out, conn->id, CORE_SEND_PAUSE);
    }
    if (conn->version != MQTT_5)
        ack.reason = REASON_SUCCESS;
    bool wanted = true;
    size_t mark = core->out->sends.len;
    bool well = refused || publish_whole(core, message, &wanted);
    if (!wanted && conn->version == MQTT_5)
        ack.reason = REASON_NO_MATCHING_SUBSCRIBERS; /* [MQTT5 3.4.2.1] [MQTT5 3.5.2.1] */
    /* A PUBREC that refuses ends the exchange; all others are followed by PUBREL. Noted
     * last: a crash in between makes the client send again, and nothing is lost. */
    if (well && message->qos == 2 && ack.reason < 0x80)
        well = note_incoming(core, conn->session, publish->packet_id) == ERR_OK;
    if (well) {
        ack_after(core, conn, kind, &ack, before);
        if (conn->session && conn->session->filter_count > 0) /* it may be its own reader */
            effects_overtake(core->out, conn->id, mark);
        return;
    }
    core_failed(core);
    conn_close(core, conn, REASON_SERVER_BUSY);
}

void on_publish(struct core *core, struct conn *conn, const struct mqtt_publish *publish)
{
    struct session *session = conn->session;
    struct str topic;

    if (conn->version == MQTT_5 && props_has(&publish->props, PROP_SUBSCRIPTION_IDENTIFIER)) {
        conn_close(core, conn, REASON_PROTOCOL_ERROR); /* only servers say it [MQTT-3.3.4-6] */
        return;
    }
    if (!resolve_topic(core, conn, publish, &topic))
        return;
    if (publish->qos == 2 && session->incoming &&
        packet_set_has(session->incoming, publish->packet_id)) {
        /* Had it: say so again, once all of it is durable. [MQTT-4.3.3-10] */
        struct mqtt_puback ack = { .packet_id = publish->packet_id };
        ack_after(core, conn, MQTT_PUBREC, &ack, core->durable_token);
        return;
    }
    if (publish->qos > 0 && !within_quota(core, conn))
        return;
    struct message *message = make_message(core, conn, publish, topic);
    if (!message) {
        core_failed(core);
        conn_close(core, conn, REASON_SERVER_BUSY);
        return;
    }
    if (publish->qos > 0)
        publish_acked(core, conn, publish, message);
    else if (judge(core, conn, publish, message) == REASON_SUCCESS)
        publish_here(core, message);
    else
        core->stats.messages_dropped++;
    message_unref(message);
}
