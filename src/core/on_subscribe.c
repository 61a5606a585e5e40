/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE: a reason for every entry. [MQTT5 3.8] [MQTT5 3.10] */
#include "base/err.h"
#include "core/broker.h"
#include "core/reserved.h"
#include "topic/topic.h"

#include <stdlib.h>
#include <string.h>

/* May the session have this subscription? REASON_SUCCESS, or why not. */
static uint8_t judge(const struct core *core, const struct session *session, struct str text,
                     const struct mqtt_sub_options *options)
{
    struct topic_share share;

    if (topic_share_parse(text, &share))
        return REASON_TOPIC_FILTER_INVALID;
    if (share.group.len && options->no_local)
        return REASON_PROTOCOL_ERROR; /* [MQTT-3.8.3-4] */
    if (filter_is_reserved(share.filter))
        return REASON_NOT_AUTHORIZED;
    bool fits = session->filter_count < core->config.subscriptions_max ||
                subscription_find(core, session, text);
    return fits ? REASON_SUCCESS : REASON_QUOTA_EXCEEDED;
}

static bool is_shared(struct str filter)
{
    return str_starts_with(filter, STR("$share/"));
}

/* The reason as the version has words for it: 3.1.1 knows one failure, 3.1 none, where a
 * server can only grant what it does not give. [MQTT311-3.9.3-2] */
static uint8_t reason_for_version(uint8_t reason, const struct mqtt_sub_options *options,
                                  uint8_t version)
{
    if (reason < 0x80 || version == MQTT_5)
        return reason;
    return version == MQTT_31 ? options->qos : REASON_UNSPECIFIED_ERROR;
}

/* Would a reason string fit into a SUBACK for so many entries? [MQTT-3.9.2-1] */
static bool words_fit(const struct conn *conn, size_t count)
{
    enum { WORDS_MOST = 128 }; /* more than a reason string and what is around it */

    return conn->packet_max > WORDS_MOST && conn->packet_max - WORDS_MOST > count;
}

/* One entry; its reason code. *ret_send: what is retained is to be sent. */
static uint8_t subscribe_one(struct core *core, const struct conn *conn, struct str filter,
                             const struct mqtt_sub_options *options, uint32_t sub_id,
                             bool *ret_send)
{
    struct session *session = conn->session;
    struct sub_entry entry = { .sub_id = sub_id,
                               .qos = options->qos,
                               .no_local = options->no_local || conn->bridge,
                               .retain_as_published = options->retain_as_published || conn->bridge,
                               .retain_handling = options->retain_handling & 3 };
    uint8_t reason = judge(core, session, filter, options);
    bool existed;

    *ret_send = false;
    if (reason)
        return reason;
    if (subscription_put(core, session, filter, entry, &existed)) {
        core_failed(core);
        return REASON_QUOTA_EXCEEDED;
    }
    /* [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; never to a share [MQTT5 4.8.2] */
    *ret_send = !is_shared(filter) &&
                (options->retain_handling == 0 || (options->retain_handling == 1 && !existed));
    return options->qos; /* [MQTT-3.8.4-7] */
}

static uint32_t subscription_identifier(const struct conn *conn, const struct props *props)
{
    bool has = conn->version == MQTT_5 && props_has(props, PROP_SUBSCRIPTION_IDENTIFIER);

    return has ? props->subscription_identifier : 0;
}

/* A SUBSCRIBE whose retained messages are still to be sent. */
struct granted {
    uint32_t sub_id;
    uint32_t count;    /* of entries */
    uint32_t list_len; /* the list as it came, behind the marks */
    uint8_t data[];    /* a mark for each entry: it brings what is retained */
};

static void send_retained(struct core *core, struct conn *conn, const struct granted *granted,
                          struct str list, const uint8_t *marks)
{
    struct sub_entry entry = { .sub_id = granted->sub_id };
    struct mqtt_sub_options options;
    struct str filter;
    uint64_t allowance = retaining_allowance(core);

    for (size_t i = 0; i < granted->count; i++) {
        if (!mqtt_subscribe_next(&list, (enum mqtt_version)conn->version, &filter, &options))
            return;
        entry.qos = options.qos;
        entry.no_local = options.no_local || conn->bridge;
        if (marks[i])
            retaining_send(core, conn->session, filter, &entry, &allowance);
    }
}

void subscribe_finish(struct core *core, struct conn *conn, const struct granted *granted)
{
    struct str list = { (const char *)granted->data + granted->count, granted->list_len };

    send_retained(core, conn, granted, list, granted->data);
}

/* Keep what is needed to go on when the SUBACK, the last of the answers that wait, is out. */
static void keep_granted(struct core *core, const struct granted *granted, struct str list,
                         const struct buf *marks)
{
    struct granted *kept = malloc(sizeof *kept + marks->len + list.len);

    if (!kept) {
        core_failed(core);
        return;
    }
    *kept = *granted;
    memcpy(kept->data, marks->data, marks->len);
    memcpy(kept->data + marks->len, list.ptr, list.len);
    ack_queue_last(&core->acks)->granted = kept;
}

/* SUBACK, and what is retained behind it. */
static void grant(struct core *core, struct conn *conn, const struct mqtt_subscribe *subscribe,
                  const struct mqtt_packet *packet, const struct buf *marks, uint64_t before)
{
    struct granted granted = { .sub_id = subscription_identifier(conn, &subscribe->props),
                               .count = (uint32_t)marks->len,
                               .list_len = (uint32_t)subscribe->list.len };
    bool waits = answer_waits(core, conn, before);

    if (!answer_after(core, conn, packet, before))
        conn_close(core, conn, REASON_PACKET_TOO_LARGE);
    else if (waits)
        keep_granted(core, &granted, subscribe->list, marks);
    else
        send_retained(core, conn, &granted, subscribe->list, marks->data);
}

void on_subscribe(struct core *core, struct conn *conn, const struct mqtt_subscribe *subscribe)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBACK, .suback.packet_id = subscribe->packet_id };
    uint32_t sub_id = subscription_identifier(conn, &subscribe->props);
    struct buf reasons = { 0 }, marks = { 0 };
    struct mqtt_sub_options options;
    struct str list = subscribe->list, filter;
    uint8_t refused = REASON_SUCCESS;
    uint64_t before = core->urgent;
    bool send;

    while (mqtt_subscribe_next(&list, (enum mqtt_version)conn->version, &filter, &options)) {
        uint8_t reason = subscribe_one(core, conn, filter, &options, sub_id, &send);
        if (reason == REASON_PROTOCOL_ERROR) {
            conn_close(core, conn, REASON_PROTOCOL_ERROR);
            goto out;
        }
        if (reason >= 0x80 && !refused)
            refused = reason;
        buf_append_u8(&reasons, reason_for_version(reason, &options, conn->version));
        buf_append_u8(&marks, send);
    }
    if (reasons.failed || marks.failed) {
        core_failed(core);
        conn_close(core, conn, REASON_SERVER_BUSY);
        goto out;
    }
    packet.suback.reasons = buf_str(&reasons); /* [MQTT-3.8.4-6] */
    if (conn->problem_info && words_fit(conn, reasons.len)) /* [MQTT-3.1.2-29] */
        conn_explain(conn, refused, &packet.suback.props);
    grant(core, conn, subscribe, &packet, &marks, before);
out:
    buf_finish(&reasons);
    buf_finish(&marks);
}

void on_unsubscribe(struct core *core, struct conn *conn,
                    const struct mqtt_unsubscribe *unsubscribe)
{
    struct mqtt_packet packet = { .kind = MQTT_UNSUBACK,
                                  .suback.packet_id = unsubscribe->packet_id };
    struct buf reasons = { 0 };
    struct str list = unsubscribe->list, filter;
    uint64_t before = core->urgent;

    while (mqtt_unsubscribe_next(&list, &filter)) {
        bool existed = subscription_remove(core, conn->session, filter);
        buf_append_u8(&reasons, existed ? REASON_SUCCESS : REASON_NO_SUBSCRIPTION_EXISTED);
    }
    if (reasons.failed) {
        core_failed(core);
        conn_close(core, conn, REASON_SERVER_BUSY);
    } else {
        packet.suback.reasons = buf_str(&reasons); /* [MQTT-3.11.3-1] [MQTT-3.10.4-6] */
        if (!answer_after(core, conn, &packet, before))
            conn_close(core, conn, REASON_PACKET_TOO_LARGE);
    }
    buf_finish(&reasons);
}
