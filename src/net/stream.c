/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include "base/err.h"
#include "net/carry.h"
#include "net/meter.h"
#include "net/turn.h"

enum {
    /* So much waits for one connection that a write gains little by waiting for more. Such
     * streams stand in front of the dirty list. */
    HEAVY_BYTES = 16 * 1024,
    CACHE_BYTES = 512 * 1024, /* read since the last flush: what it brought may be as much */
};

/* Room to note the end of every connection, so that noting it cannot fail. */
static bool reserve_ends(struct net *net)
{
    while (net->lost_conns.cap < net->streams.len) {
        size_t len = net->lost_conns.len;
        net->lost_conns.len = net->lost_conns.cap;
        bool grown = vec_push(&net->lost_conns) != NULL;
        net->lost_conns.len = len;
        if (!grown)
            return false;
    }
    while (net->free_conns.cap < net->streams.len) {
        size_t len = net->free_conns.len;
        net->free_conns.len = net->free_conns.cap;
        bool grown = vec_push(&net->free_conns) != NULL;
        net->free_conns.len = len;
        if (!grown)
            return false;
    }
    return true;
}

/* A free number, 0 when out of memory. */
static conn_id take_number(struct net *net)
{
    if (net->free_conns.len > 0)
        return net->free_conns.at[--net->free_conns.len];
    if (net->streams.len == 0 && !vec_push(&net->streams))
        return 0;
    if (!vec_push(&net->streams))
        return 0;
    if (!reserve_ends(net)) {
        net->streams.len--;
        return 0;
    }
    return (conn_id)(net->streams.len - 1);
}

int stream_open(struct net *net, struct stream *stream, const struct transport *transport,
                const struct listener_config *limits)
{
    conn_id id = take_number(net);

    if (!id)
        return ERR_NOMEM;
    stream->net = net;
    stream->transport = transport;
    stream->limits = limits;
    stream->id = id;
    stream->packet_max = net->config.connect_bytes_max;
    list_init(&stream->dirty);
    list_init(&stream->closing_link);
    list_init(&stream->held_link);
    net->streams.at[id] = stream;
    net->stats.connections++;

    struct core_event event = {
        .kind = CORE_OPEN, .now_ms = net->now_ms, .conn = id, .relaxed = limits->relaxed
    };

    node_on_client(net->node, &event, &net->out);
    return ERR_OK;
}

bool stream_wants_reading(const struct stream *stream)
{
    return stream->net->gate_open && !stream->paused && !stream->throttled && !stream->in.held;
}

/* Links have a door of their own: /mesh. MESH.md 3.2 */
static void refuse_link(struct stream *stream, const struct mqtt_connect *connect)
{
    struct mqtt_packet refusal = {
        .kind = MQTT_CONNACK,
        .connack = { .reason = REASON_CLIENT_IDENTIFIER_NOT_VALID },
    };
    struct buf bytes = { 0 };

    mqtt_encode(&bytes, connect->version, &refusal);
    if (!bytes.failed)
        carry_bytes(stream, bytes.data, bytes.len);
    buf_finish(&bytes);
    stream_close(stream);
}

struct str stream_username(const struct stream *stream)
{
    return stream->transport->username ? stream->transport->username(stream) : STR("");
}

/* Who a client is, its certificate says where that is asked for. */
static void vouch(const struct stream *stream, struct mqtt_connect *connect)
{
    struct str name = stream_username(stream);

    if (name.len == 0)
        return;
    connect->has_username = true;
    connect->username = name;
}

/* Many small packets may ask for a great many deliveries: carry them out before they pile
 * up, so that limits are felt in time. False: the stream is closed or gone. */
static bool keep_small(struct stream *stream)
{
    struct net *net = stream->net;

    if (net->out.core.sends.len >= SENDS_MAX)
        net_settle(net);
    return stream->id && !stream->closing;
}

void stream_accepted(struct stream *stream)
{
    uint32_t own = stream->limits->packet_bytes_max, all = stream->net->config.packet_bytes_max;

    stream->packet_max = own && own < all ? own : all;
}

/* The client may have to wait until others have decided, or a disk has written: unless that
 * came at once, what follows has to wait for it. True: go on. */
static bool await_answer(struct stream *stream)
{
    net_settle(stream->net);
    if (!stream->id || stream->closing)
        return false;
    stream->in.held = stream->paused;
    return !stream->paused;
}

/* What came cannot be decoded. bytes: where the packet begins, or what there is of it. */
static void refuse_bytes(struct stream *stream, int err, const void *bytes, size_t len)
{
    struct net *net = stream->net;
    struct core_event event = {
        .kind = CORE_BAD, .now_ms = net->now_ms, .conn = stream->id, .err = err
    };

    if (!stream->version)
        event.version = mqtt_connect_version(bytes, len);
    node_on_client(net->node, &event, &net->out);
}

/* One packet of the client. */
static bool take_packet(void *context, const struct mqtt_frame *frame)
{
    struct stream *stream = context;
    struct net *net = stream->net;
    struct mqtt_packet packet;
    struct core_event event = { .kind = CORE_PACKET, .now_ms = net->now_ms, .conn = stream->id };

    if (stream->closing)
        return false;
    int err = mqtt_decode(frame, stream->version ? stream->version : MQTT_311, &packet);
    if (err) {
        const char *start = frame->body.ptr + frame->body.len - frame->whole;
        refuse_bytes(stream, err, start, frame->whole);
        return false;
    }
    if (packet.kind == MQTT_CONNECT && !stream->version) {
        stream->version = (uint8_t)packet.connect.version;
        if (str_starts_with(packet.connect.client_id, STR("$mesh/"))) {
            refuse_link(stream, &packet.connect);
            return false;
        }
        vouch(stream, &packet.connect);
    }
    stream->leaving = packet.kind == MQTT_DISCONNECT;
    event.packet = &packet;
    node_on_client(net->node, &event, &net->out);
    if (net->out.core.asks.len > 0 || packet.kind == MQTT_CONNECT)
        return await_answer(stream);
    return keep_small(stream);
}

/* A large packet may take longer than the keep alive: who sends it is not silent. What came
 * of it so far must be worth more than the drops of somebody who only wants to stay.
 * [MQTT-3.1.2-22] */
static void note_part(struct stream *stream, size_t len)
{
    enum { WORTH_BYTES = 1000 };
    struct net *net = stream->net;
    struct core_event event = { .kind = CORE_HEARD, .now_ms = net->now_ms, .conn = stream->id };

    if (stream->version && stream->in.rest.len > 0 && len >= WORTH_BYTES)
        node_on_client(net->node, &event, &net->out);
}

/* Take the bytes. What does not begin as a CONNECT is not waited for. [MQTT-3.1.0-1] */
static int take(struct stream *stream, const uint8_t *bytes, size_t len)
{
    if (!stream->version && stream->in.rest.len == 0 && bytes[0] >> 4 != MQTT_CONNECT)
        return ERR_PROTOCOL;
    return intake_take(&stream->in, bytes, len, &stream->packet_max, take_packet, stream);
}

/* Count what is kept of a client that is not accepted: a CONNECT that is not whole yet, or
 * what follows one that is being judged. False: all of them together are too much, and what
 * is at hand must go. */
static bool count_hello(struct stream *stream)
{
    struct net *net = stream->net;
    bool waits = !stream->version || stream->in.held;
    uint32_t kept = waits ? (uint32_t)stream->in.rest.len : 0;

    net->hello_bytes += kept;
    net->hello_bytes -= stream->hello_bytes;
    stream->hello_bytes = kept;
    return kept == 0 || net->hello_bytes <= net->config.connects_bytes_max;
}

/* Flush what is worth a write of its own, before there is more of it than the processor's cache
 * holds and than malloc keeps. */
static void flush_heavy(struct net *net)
{
    if (net->stats.bytes_in - net->heavy_in < CACHE_BYTES)
        return;
    net->heavy_in = net->stats.bytes_in;
    while (!list_empty(&net->dirty)) {
        struct stream *stream = list_entry(net->dirty.next, struct stream, dirty);
        if (stream->out.bytes < HEAVY_BYTES)
            return;
        stream_flush(stream);
    }
}

void stream_receive(struct stream *stream, const void *bytes, size_t len)
{
    struct net *net = stream->net;

    net->stats.bytes_in += len;
    if (stream->id && stream->limits->bytes_per_second_max)
        meter_count(stream, len);
    if (stream->id && !stream->closing && len > 0) {
        int err = take(stream, bytes, len);
        bool waits = !stream->version || stream->in.held || stream->hello_bytes;
        const struct buf *rest = &stream->in.rest;
        if (waits && !count_hello(stream) && !err)
            err = ERR_LIMIT;
        if (err && rest->len > 0)
            refuse_bytes(stream, err, rest->data, rest->len);
        else if (err)
            refuse_bytes(stream, err, bytes, len);
        else
            note_part(stream, len);
    }
    net_settle(net);
    flush_heavy(net);
}

void stream_read_on(struct stream *stream)
{
    struct net *net = stream->net;

    stream->paused = false;
    if (!stream->in.held)
        stream->transport->read(stream, stream_wants_reading(stream));
    else if (!list_linked(&stream->held_link))
        list_push_back(&net->held, &stream->held_link);
}

void stream_take_kept(struct net *net)
{
    struct list *node;

    while ((node = list_pop_front(&net->held))) {
        struct stream *stream = list_entry(node, struct stream, held_link);
        if (stream->paused) /* again, meanwhile */
            continue;
        int err = intake_let_go(&stream->in, &stream->packet_max, take_packet, stream);
        count_hello(stream);
        if (err)
            refuse_bytes(stream, err, NULL, 0);
        net_settle(net);
        if (stream->id && !stream->closing && !stream->in.held)
            stream->transport->read(stream, stream_wants_reading(stream));
    }
}

void stream_lost(struct stream *stream)
{
    struct net *net = stream->net;

    if (!stream->id)
        return;
    *vec_push(&net->lost_conns) = stream->id; /* cannot fail: reserve_ends */
    net->streams.at[stream->id] = NULL;
    stream->id = 0;
    list_remove(&stream->dirty);
    list_remove(&stream->closing_link);
    list_remove(&stream->held_link);
    meter_forget(stream);
    intake_finish(&stream->in);
    count_hello(stream);
    out_queue_finish(&stream->out);
    net->waiting_bytes -= stream->counted_bytes;
    stream->counted_bytes = 0;
    net->stats.connections--;
}

void stream_abort(struct stream *stream)
{
    stream_lost(stream);
    list_remove(&stream->closing_link);
    stream->transport->abort(stream);
}

void stream_dirty(struct stream *stream)
{
    struct list *dirty = &stream->net->dirty;

    if (!stream->id)
        return;
    if (stream->out.bytes >= HEAVY_BYTES) {
        list_remove(&stream->dirty);
        list_push_front(dirty, &stream->dirty);
    } else if (!list_linked(&stream->dirty)) {
        list_push_back(dirty, &stream->dirty);
    }
}

void stream_close(struct stream *stream)
{
    if (!stream->id || stream->closing)
        return;
    stream->closing = true;
    stream->closing_due_ms = stream->net->now_ms + stream->net->config.close_wait_ms;
    list_push_back(&stream->net->closing, &stream->closing_link);
    intake_finish(&stream->in);
    count_hello(stream);
    stream_dirty(stream);
}

size_t stream_limit(const struct net *net)
{
    size_t free = net->waiting_bytes < net->config.out_queues_bytes_max
                      ? net->config.out_queues_bytes_max - net->waiting_bytes
                      : 0;

    return free / 2 > net->config.out_queue_bytes_max ? free / 2 : net->config.out_queue_bytes_max;
}

/* Keep the sum of what waits true. */
static void count_waiting(struct stream *stream)
{
    stream->net->waiting_bytes += stream->out.bytes - stream->counted_bytes;
    stream->counted_bytes = stream->out.bytes;
}

void stream_relieve(struct stream *stream)
{
    struct net *net = stream->net;

    count_waiting(stream);
    if (!stream->congested || stream->out.bytes > stream_limit(net) / 2)
        return;
    struct congestion *change = vec_push(&net->congestions);

    if (!change)
        return; /* again with the next write */
    stream->congested = false;
    stream->told_bytes = 0;
    *change = (struct congestion){ stream->id, false };
}

void stream_flush(struct stream *stream)
{
    list_remove(&stream->dirty);
    if (!stream->id)
        return;
    if (stream->transport->flush(stream) != ERR_OK || out_queue_own(&stream->out) != ERR_OK) {
        stream_abort(stream);
        return;
    }
    stream_relieve(stream);
    if (stream->closing && stream->out.bytes == 0) {
        stream_lost(stream);
        stream->transport->finish(stream);
    }
}

void stream_flush_all(struct net *net)
{
    struct list *node;

    while ((node = list_pop_front(&net->dirty)))
        stream_flush(list_entry(node, struct stream, dirty));
    net->heavy_in = net->stats.bytes_in;
    images_clear(&net->images);
}

void stream_admit_all(struct net *net)
{
    for (size_t i = 1; i < net->streams.len; i++) {
        struct stream *stream = net->streams.at[i];
        if (stream && stream_wants_reading(stream))
            stream->transport->read(stream, true);
    }
}

void stream_expire(struct net *net)
{
    list_each_safe (&net->closing, node, after) {
        struct stream *stream = list_entry(node, struct stream, closing_link);
        if (stream->closing_due_ms <= net->now_ms)
            stream_abort(stream);
    }
}
