/* SPDX-License-Identifier: Apache-2.0 */
#include "net/carry.h"

#include "base/err.h"
#include "base/log.h"
#include "mqtt/message.h"
#include "mqtt/wire.h"
#include "net/carrier.h"
#include "net/dial.h"
#include "net/fact.h"
#include "net/stream.h"
#include "net/question.h"
#include "net/turn.h"
#include "net/websocket.h"

#include <string.h>

/* A write of so many bytes gains nothing by waiting for more. */
enum { FLUSH_BYTES = 128 * 1024 };

/* Something was queued: remember to send it, and watch the queue's size. */
static void queued(struct stream *stream, bool well)
{
    struct net *net = stream->net;

    if (!well) {
        stream_abort(stream);
        return;
    }
    stream_dirty(stream);
    if (stream->out.bytes < FLUSH_BYTES && stream->out.bytes <= net->config.out_queue_bytes_max)
        return;
    /* So much at once is sent while it is in the cache, and before anybody is called slow. */
    if (!stream->closing)
        stream_flush(stream);
    if (!stream->id || stream->out.bytes <= stream_limit(net))
        return;
    /* What one step brings, all that is retained say, is the core's to bound. What comes
     * although it was told to hold back are answers to a client that asks and never reads. */
    if (stream->told_bytes &&
        stream->out.bytes > stream->told_bytes + net->config.out_queue_bytes_hard_max) {
        net->stats.slow_closed++;
        fact_slow(stream);
        stream_abort(stream);
        return;
    }
    if (!stream->congested) {
        struct congestion *change = vec_push(&net->congestions);
        if (change)
            *change = (struct congestion){ stream->id, true };
        stream->congested = change != NULL;
    }
}

void carry_bytes(struct stream *stream, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    bool well = true;

    if (!stream->transport->framed) {
        queued(stream, out_queue_append(&stream->out, bytes, len) == ERR_OK);
        return;
    }
    while (len > 0 && well) {
        struct mqtt_frame packet;
        size_t whole = mqtt_frame_find(at, len, SIZE_MAX, &packet) == ERR_OK ? packet.whole : len;
        uint8_t *to = out_queue_reserve(&stream->out, WEBSOCKET_HEAD_MAX + whole);
        well = to != NULL;
        if (!well)
            break;
        size_t head = websocket_head(to, whole);
        memcpy(to + head, at, whole);
        out_queue_advance(&stream->out, head + whole);
        at += whole;
        len -= whole;
    }
    queued(stream, well);
}

/* How a send goes to a client of this version. */
static struct delivery delivery_of(const struct net *net, const struct core_send *send,
                                   uint8_t version)
{
    return (struct delivery){
        .version = version,
        .qos = send->qos,
        .retain = send->retain,
        .dup = send->dup,
        .packet_id = send->packet_id,
        .topic_alias = send->topic_alias,
        .topic_omitted = send->topic_omitted,
        .has_expiry = send->has_expiry,
        .expiry_s = send->expiry_s,
        .sub_ids = send->sub_id_count ? net->out.core.sub_ids.at + send->sub_ids_at : NULL,
        .sub_id_count = send->sub_id_count,
    };
}

/* The most that message_head can write. */
static size_t head_bound(const struct message *m, size_t sub_id_count)
{
    return 5 + 2u + m->topic_len + 4 + m->props_len + 14 + 5 * sub_id_count;
}

/* Encode straight into the queue. */
static bool put_message(const struct net *net, const struct core_send *send, struct stream *stream)
{
    struct message *m = send->message;
    struct delivery delivery = delivery_of(net, send, stream->version);
    bool copy = m->payload_len <= IMAGE_PAYLOAD_MAX;
    size_t bound = head_bound(m, send->sub_id_count) + (copy ? m->payload_len : 0);
    bool framed = stream->transport->framed;
    uint8_t *to = out_queue_reserve(&stream->out, bound + (framed ? WEBSOCKET_HEAD_MAX : 0));

    if (!to)
        return false;
    size_t at = 0;

    if (framed)
        at = websocket_head(to, message_head(m, &delivery, NULL) + m->payload_len);
    at += message_head(m, &delivery, to + at);
    if (copy) {
        memcpy(to + at, message_payload(m).ptr, m->payload_len);
        at += m->payload_len;
    }
    out_queue_advance(&stream->out, at);
    return copy || out_queue_append_payload(&stream->out, m) == ERR_OK;
}

static void carry_message(struct net *net, const struct core_send *send,
                          const struct core_send *next, struct stream *stream)
{
    bool more = next && next->message == send->message;
    const struct image_run *image = image_find(&net->images, send, more, stream);

    queued(stream, image ? image_put(image, send, stream) : put_message(net, send, stream));
}

static void carry_send(struct net *net, size_t i)
{
    const struct core_send *send = &net->out.core.sends.at[i];
    bool last = i + 1 == net->out.core.sends.len;
    struct stream *stream = send->conn < net->streams.len ? net->streams.at[send->conn] : NULL;

    if (!stream || stream->closing)
        return;
    switch ((enum core_send_kind)send->kind) {
    case CORE_SEND_MESSAGE: carry_message(net, send, last ? NULL : send + 1, stream); break;
    case CORE_SEND_BYTES:
        carry_bytes(stream, net->out.core.bytes.data + send->at, send->len);
        break;
    case CORE_SEND_PAUSE:
        stream->paused = true;
        stream->transport->read(stream, false);
        break;
    case CORE_SEND_RESUME: stream_read_on(stream); break;
    case CORE_SEND_CLOSE: stream_close(stream); break;
    }
}

static void carry_action(struct net *net, const struct mesh_action *action)
{
    struct str bytes = { (const char *)net->out.mesh.bytes.data + action->at, action->len };

    switch (action->kind) {
    case MESH_SEND: carrier_send(net, action->link, action->channel, bytes); break;
    case MESH_DIAL: dial_seed(net, action->seed); break;
    case MESH_CLOSE: carrier_close(net, action->link, bytes); break;
    case MESH_PERSIST:
        if (net->config.persist_inc)
            net->config.persist_inc(net->config.context, action->inc);
        break;
    case MESH_DELIVER: /* the node's business */ break;
    }
}

static void accepted(struct net *net, conn_id conn)
{
    if (conn < net->streams.len && net->streams.at[conn])
        stream_accepted(net->streams.at[conn]);
}

void carry_out(struct net *net)
{
    images_forget(&net->images);
    if (images_crowded(&net->images))
        stream_flush_all(net);
    if (net->out.core.stores.len) {
        net->config.store(net->config.context, net->out.core.stores.at, net->out.core.stores.len);
        vec_clear(&net->out.core.stores); /* they are the store's now */
    }
    if (net->out.core.loads.len)
        net->config.load(net->config.context, net->out.core.loads.at, net->out.core.loads.len);
    for (size_t i = 0; i < net->out.core.sends.len; i++)
        carry_send(net, i);
    question_pass_all(net);
    vec_each (&net->out.core.facts, fact) {
        if (fact->kind == CORE_FACT_CONNECTED)
            accepted(net, fact->conn);
        fact_of_core(net, fact);
    }
    vec_each (&net->out.mesh.actions, action)
        carry_action(net, action);
    vec_each (&net->out.mesh.facts, fact)
        fact_of_mesh(net, fact);
    if (net->out.core.failed || net->out.mesh.failed)
        log_error("memory.exhausted", "what=effects");
}
