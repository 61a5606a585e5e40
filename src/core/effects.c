/* SPDX-License-Identifier: Apache-2.0 */
#include "core/effects.h"

#include <stdlib.h>
#include <string.h>

const char *core_fact_name(enum core_fact_kind kind)
{
    static const char *const names[] = {
        [CORE_FACT_CONNECTED] = "connected",
        [CORE_FACT_REFUSED] = "refused",
        [CORE_FACT_DISCONNECTED] = "disconnected",
        [CORE_FACT_TAKEN_OVER] = "taken over",
        [CORE_FACT_SESSION_EXPIRED] = "session expired",
        [CORE_FACT_WILL] = "will",
        [CORE_FACT_DROPPED] = "dropped",
    };

    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

void core_out_clear(struct core_out *out)
{
    vec_each (&out->sends, send) {
        if (send->kind == CORE_SEND_MESSAGE)
            message_unref(send->message);
    }
    vec_each (&out->forwards, message)
        message_unref(*message);
    vec_each (&out->stores, op)
        durable_op_finish(op);
    vec_clear(&out->sends);
    vec_clear(&out->forwards);
    vec_clear(&out->interests);
    vec_clear(&out->stores);
    vec_clear(&out->loads);
    vec_clear(&out->facts);
    vec_clear(&out->asks);
    vec_clear(&out->sub_ids);
    buf_clear(&out->bytes);
    out->packets = 0;
    out->failed = false;
}

void core_out_finish(struct core_out *out)
{
    if (!out)
        return;
    core_out_clear(out);
    vec_finish(&out->sends);
    vec_finish(&out->forwards);
    vec_finish(&out->interests);
    vec_finish(&out->stores);
    vec_finish(&out->loads);
    vec_finish(&out->facts);
    vec_finish(&out->asks);
    vec_finish(&out->sub_ids);
    buf_finish(&out->bytes);
}

struct core_send *effects_send_slow(struct core_out *out)
{
    struct core_send *send = vec_push(&out->sends);

    if (!send)
        out->failed = true;
    return send;
}

void effects_order(struct core_out *out, conn_id conn, enum core_send_kind kind)
{
    struct core_send *send = effects_send(out);

    if (send)
        *send = (struct core_send){ .kind = (uint8_t)kind, .conn = conn };
}

/* Make a send of the bytes from at on, or lengthen the last one. */
static void send_bytes(struct core_out *out, conn_id conn, size_t at)
{
    struct core_send *last = out->sends.len ? &out->sends.at[out->sends.len - 1] : NULL;
    uint32_t len = (uint32_t)(out->bytes.len - at);

    if (out->bytes.failed) {
        out->failed = true;
        return;
    }
    if (last && last->kind == CORE_SEND_BYTES && last->conn == conn && last->at + last->len == at) {
        last->len += len;
        return;
    }
    struct core_send *send = effects_send(out);
    if (send)
        *send = (struct core_send){
            .kind = CORE_SEND_BYTES, .conn = conn, .at = (uint32_t)at, .len = len
        };
}

void effects_packet(struct core_out *out, conn_id conn, enum mqtt_version version,
                    const struct mqtt_packet *packet)
{
    size_t at = out->bytes.len;

    mqtt_encode(&out->bytes, version, packet);
    out->packets++;
    send_bytes(out, conn, at);
}

void effects_encoded(struct core_out *out, conn_id conn, const uint8_t *bytes, size_t len)
{
    size_t at = out->bytes.len;

    buf_append(&out->bytes, bytes, len);
    out->packets++;
    send_bytes(out, conn, at);
}

void effects_ack(struct core_out *out, conn_id conn, enum mqtt_version version,
                 const struct mqtt_puback *ack, enum mqtt_kind kind)
{
    struct mqtt_packet packet;

    /* Not zeroed: a packet is half a kilobyte, and this is the path of every QoS 1 message. */
    packet.kind = kind;
    packet.puback.packet_id = ack->packet_id;
    packet.puback.reason = ack->reason;
    packet.puback.props.present = 0;
    packet.puback.props.user_count = 0;
    effects_packet(out, conn, version, &packet);
}

void effects_overtake(struct core_out *out, conn_id conn, size_t mark)
{
    size_t end = out->sends.len;

    if (end < mark + 2 || out->sends.at[end - 1].kind != CORE_SEND_BYTES ||
        out->sends.at[end - 1].conn != conn)
        return;
    struct core_send last = out->sends.at[end - 1];
    for (size_t i = mark; i < end - 1; i++) {
        if (out->sends.at[i].conn != conn)
            continue;
        memmove(&out->sends.at[i + 1], &out->sends.at[i], (end - 1 - i) * sizeof last);
        out->sends.at[i] = last;
        return;
    }
}

void effects_forward(struct core_out *out, struct message *message)
{
    struct message **slot = vec_push(&out->forwards);

    if (slot)
        *slot = message_ref(message);
    else
        out->failed = true;
}

/* Copy text behind the bytes; *ret_at is where it stands. */
static bool keep_text(struct core_out *out, struct str text, uint32_t *ret_at)
{
    *ret_at = (uint32_t)out->bytes.len;
    buf_append_str(&out->bytes, text);
    if (out->bytes.failed)
        out->failed = true;
    return !out->bytes.failed;
}

void effects_interest(struct core_out *out, struct str filter, struct core_interest interest)
{
    if (!keep_text(out, filter, &interest.at))
        return;
    interest.len = (uint32_t)filter.len;
    struct core_interest *slot = vec_push(&out->interests);
    if (slot)
        *slot = interest;
    else
        out->failed = true;
}

void effects_fact(struct core_out *out, struct core_fact fact, struct str client_id)
{
    if (!keep_text(out, client_id, &fact.at))
        return;
    fact.len = (uint32_t)client_id.len;
    struct core_fact *slot = vec_push(&out->facts);
    if (slot)
        *slot = fact;
    else
        out->failed = true;
}

static bool keep_run(struct core_out *out, struct str text, struct core_text *ret_run)
{
    ret_run->len = (uint32_t)text.len;
    return keep_text(out, text, &ret_run->at);
}

void effects_ask(struct core_out *out, struct core_ask ask, const struct core_ask_texts *texts)
{
    bool kept = keep_run(out, texts->client_id, &ask.client_id) &&
                keep_run(out, texts->username, &ask.username) &&
                keep_run(out, texts->password, &ask.password) &&
                keep_run(out, texts->method, &ask.method) && keep_run(out, texts->data, &ask.data);
    struct core_ask *slot = kept ? vec_push(&out->asks) : NULL;

    if (slot)
        *slot = ask;
    else
        out->failed = true;
}

bool effects_store(struct core_out *out, const struct durable_op *op)
{
    struct durable_op *slot = vec_push(&out->stores);

    if (!slot) {
        out->failed = true;
        return false;
    }
    *slot = *op;
    return true;
}

void effects_load(struct core_out *out, struct core_load load)
{
    struct core_load *slot = vec_push(&out->loads);

    if (slot)
        *slot = load;
    else
        out->failed = true;
}
