/* SPDX-License-Identifier: Apache-2.0 */
/* Two clients say what the bytes make them say, to one broker without sockets: framing,
 * intake, node and out-queues are the real ones. The first byte says how they are connected.
 * Then come records: the lowest bit is who, the rest how many bytes follow of what that one
 * says; none: the next byte is what happens instead. Whatever they do, a third client, the
 * canary, is served, and all that the broker says are whole packets. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "base/err.h"
#include "base/log.h"
#include "mqtt/packet.h"
#include "net/framing.h"
#include "net/stream.h"
#include "net/turn.h"

#include <string.h>
#include <sys/uio.h>

enum { PAIR = 2, CANARY = PAIR, CLIENTS, SLOW_BYTES = 64, ROUNDS_MAX = 64 };
enum { WEB = 1, SLOW = 2 }; /* bits of the first byte, two a client */
enum { START_MS = 1000000, DAY_MS = 86400000 };

struct client {
    struct stream stream; /* the first member: the transport has it back */
    struct framing framing;
    bool open, web, slow, reading, failed;
    size_t room;       /* bytes that it takes in this turn */
    struct buf to_say; /* while nobody reads */
    struct buf heard;  /* raw, from the start of the connection */
};

struct stage {
    struct net net;
    struct client clients[CLIENTS];
    struct listener_config limits;
};

/* ---- the transport ---- */

static int client_flush(struct stream *stream)
{
    struct client *client = (struct client *)stream;

    while (stream->out.bytes > 0 && client->room > 0) {
        struct iovec piece;
        out_queue_pieces(&stream->out, &piece, 1);
        size_t len = piece.iov_len < client->room ? piece.iov_len : client->room;
        buf_append(&client->heard, piece.iov_base, len);
        out_queue_consume(&stream->out, len);
        client->room -= client->slow ? len : 0;
    }
    return ERR_OK;
}

static void client_read(struct stream *stream, bool on)
{
    ((struct client *)stream)->reading = on;
}

static void client_end(struct stream *stream)
{
    ((struct client *)stream)->open = false;
}

static void client_peer(const struct stream *stream, char *out, size_t size)
{
    (void)stream;
    out[0] = '\0';
    assert(size > 0);
}

static void connect_client(struct stage *stage, struct client *client)
{
    static const struct transport plain = { client_flush, client_read, client_end, client_end,
                                            client_peer,  NULL,        false },
                                  framed = { client_flush, client_read, client_end, client_end,
                                             client_peer,  NULL,        true };

    memset(&client->stream, 0, sizeof client->stream);
    buf_clear(&client->heard);
    buf_clear(&client->to_say);
    framing_init(&client->framing, true, stage->net.config.websocket_frame_bytes_max);
    client->open = client->reading = true;
    client->failed = false;
    int err =
        stream_open(&stage->net, &client->stream, client->web ? &framed : &plain, &stage->limits);
    assert(err == ERR_OK);
}

/* ---- the loop's part ---- */

static void settle(struct stage *stage)
{
    struct net *net = &stage->net;

    for (int i = 0; i < CLIENTS; i++)
        stage->clients[i].room = stage->clients[i].slow ? SLOW_BYTES : SIZE_MAX;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        node_flush(net->node, net->now_ms, net->now_us, &net->out);
        net_settle(net);
        if (list_empty(&net->dirty))
            break;
        stream_flush_all(net);
        net_settle(net);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (stage->clients[i].stream.out.bytes > 0)
            stream_dirty(&stage->clients[i].stream);
    }
}

static void pass_time(struct stage *stage, uint64_t ms)
{
    struct net *net = &stage->net;

    net->now_ms += ms;
    net->now_us += ms * 1000;
    if (node_deadline(net->node) <= net->now_ms)
        node_tick(net->node, net->now_ms, net->now_us, &net->out);
    stream_expire(net);
    settle(stage);
}

/* The client's WebSocket speaks, as a tap hears it. */
static void unframe(struct client *client, uint8_t *at, size_t len)
{
    struct framing_part part;
    enum framing_kind kind;

    while (client->open &&
           (kind = framing_next(&client->framing, &at, &len, &part)) != FRAMING_MORE) {
        if (kind == FRAMING_DATA)
            stream_receive(&client->stream, part.at, part.len);
        else if (kind != FRAMING_PING)
            stream_abort(&client->stream);
    }
}

/* Deliver what the client says, as far as it is read. */
static void speak(struct stage *stage, struct client *client, const uint8_t *data, size_t len)
{
    if (len > 0)
        buf_append(&client->to_say, data, len);
    if (!client->open || !client->reading || client->to_say.len == 0)
        return;
    struct buf said = client->to_say;

    client->to_say = (struct buf){ 0 };
    if (client->web)
        unframe(client, said.data, said.len);
    else
        stream_receive(&client->stream, said.data, said.len);
    buf_finish(&said);
    settle(stage);
}

static void happen(struct stage *stage, struct client *client, uint8_t what)
{
    switch (what & 3) {
    case 0:
        if (client->open)
            stream_abort(&client->stream);
        net_settle(&stage->net);
        break;
    case 1: pass_time(stage, (uint64_t)1 << what / 4 % 28); break;
    case 2: client->slow = !client->slow; break;
    default: settle(stage); break;
    }
}

/* ---- what was said ---- */

/* All whole packets in the bytes are ones that a broker may send. *ret_left: what is cut off. */
static void check_packets(const struct client *client, struct str bytes, size_t *ret_left)
{
    enum mqtt_version version = client->stream.version ? client->stream.version : MQTT_311;
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    int err;

    while ((err = mqtt_frame_find(bytes.ptr, bytes.len, SIZE_MAX, &frame)) == ERR_OK) {
        err = mqtt_decode(&frame, version, &packet);
        if (err && !client->stream.version) /* a CONNECT that failed said which it speaks */
            err = mqtt_decode(&frame, MQTT_5, &packet);
        assert(err == ERR_OK && packet.kind != MQTT_CONNECT && packet.kind != MQTT_SUBSCRIBE &&
               packet.kind != MQTT_UNSUBSCRIBE && packet.kind != MQTT_PINGREQ);
        bytes = str_slice(bytes, frame.whole, bytes.len);
    }
    assert(err == ERR_MORE);
    *ret_left = bytes.len;
}

/* Likewise, each in a frame of its own. */
static void check_frames(const struct client *client)
{
    struct framing framing;
    struct framing_part part;
    struct buf message = { 0 };
    uint8_t *at = client->heard.data;
    size_t len = client->heard.len, left;
    enum framing_kind kind;

    framing_init(&framing, false, UINT32_MAX);
    while ((kind = framing_next(&framing, &at, &len, &part)) != FRAMING_MORE) {
        assert(kind == FRAMING_DATA);
        buf_append(&message, part.at, part.len);
        if (framing.in_frame)
            break;
        check_packets(client, buf_str(&message), &left);
        assert(left == 0);
        buf_clear(&message);
    }
    buf_finish(&message);
}

static void check_client(const struct client *client)
{
    size_t left;

    if (client->heard.len == 0)
        return;
    if (client->web)
        check_frames(client);
    else
        check_packets(client, buf_str(&client->heard), &left);
}

/* ---- the canary ---- */

#define CANARY_TOPIC                                                                               \
    "\x00\x0f"                                                                                     \
    "canary/q8Zr2/vT"
#define CANARY_CONNECT                                                                             \
    "\x10\x1c\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x0f"                                             \
    "canary-k3V9x-Wp"
#define CANARY_SUBSCRIBE "\x82\x15\x00\x01\x00" CANARY_TOPIC "\x01"
#define CANARY_PUBLISH                                                                             \
    "\x32\x19" CANARY_TOPIC "\x00\x02\x00"                                                         \
    "alive"

static void hatch(struct stage *stage)
{
    static const uint8_t says[] = CANARY_CONNECT CANARY_SUBSCRIBE;
    struct client *canary = &stage->clients[CANARY];

    connect_client(stage, canary);
    speak(stage, canary, says, sizeof says - 1);
    assert(canary->open && canary->heard.len > 0 && canary->heard.data[0] == MQTT_CONNACK << 4);
}

/* It publishes to itself and asks for a sign of life. */
static void ask_canary(struct stage *stage)
{
    static const uint8_t says[] = CANARY_PUBLISH "\xc0\x00";
    const struct str awaited[] = { STR("alive"), STR("\x40\x02\x00\x02"), STR("\xd0\x00") };
    struct client *canary = &stage->clients[CANARY];

    buf_clear(&canary->heard);
    speak(stage, canary, says, sizeof says - 1);
    assert(canary->open);
    for (size_t i = 0; i < sizeof awaited / sizeof awaited[0]; i++)
        assert(memmem(canary->heard.data, canary->heard.len, awaited[i].ptr, awaited[i].len));
}

/* ---- the play ---- */

static void on_store(void *context, const struct durable_op *ops, size_t count)
{
    struct stage *stage = context;

    for (size_t i = 0; i < count; i++) {
        struct durable_op op = ops[i];
        durable_op_finish(&op); /* the store owns them */
    }
    net_durable(&stage->net, ops[count - 1].token);
}

static void stage_raise(struct stage *stage, uint8_t how)
{
    struct net *net = &stage->net;
    struct node_config config = { .core = { .queue_messages_max = 20, .retained_max = 20 } };

    memset(stage, 0, sizeof *stage);
    config.mesh.name = config.mesh.mesh_name = STR("fuzz");
    net->config.store = on_store;
    net->config.context = stage;
    net->config.out_queue_bytes_max = 2000;
    net->config.out_queue_bytes_hard_max = 20000;
    net_config_defaults(&net->config);
    for (int i = 0; i < PAIR; i++) {
        stage->clients[i].web = how >> 2 * i & WEB;
        stage->clients[i].slow = how >> 2 * i & SLOW;
    }
    struct list *const lists[] = { &net->dirty,        &net->doors,          &net->throttled,
                                   &net->unread,       &net->held,           &net->closing,
                                   &net->all_carriers, &net->dirty_carriers, &net->ended_carriers };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    net->gate_open = true;
    net->now_ms = START_MS;
    net->node = node_new(&config, START_MS);
    assert(net->node);
}

static void stage_raze(struct stage *stage)
{
    struct net *net = &stage->net;

    for (int i = 0; i < CLIENTS; i++) {
        if (stage->clients[i].open)
            stream_abort(&stage->clients[i].stream);
        buf_finish(&stage->clients[i].to_say);
        buf_finish(&stage->clients[i].heard);
    }
    net_settle(net);
    node_free(net->node);
    vec_finish(&net->streams);
    vec_finish(&net->lost_conns);
    vec_finish(&net->free_conns);
    vec_finish(&net->congestions);
    node_out_finish(&net->out);
}

/* Play one record; how many bytes it has. */
static size_t record(struct stage *stage, const uint8_t *data, size_t size)
{
    struct client *client = &stage->clients[data[0] & 1];
    size_t len = data[0] >> 1;

    if (len == 0 && size > 1) {
        happen(stage, client, data[1]);
        return 2;
    }
    if (len > size - 1)
        len = size - 1;
    if (!client->open)
        connect_client(stage, client);
    speak(stage, client, data + 1, len);
    return 1 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stage *stage = malloc(sizeof *stage);

    assert(stage);
    if (size < 1) {
        free(stage);
        return 0;
    }
    log_setup(LOG_ERROR, false);
    stage_raise(stage, data[0]);
    hatch(stage);
    for (size_t at = 1; at < size;) {
        at += record(stage, data + at, size - at);
        for (int i = 0; i < PAIR; i++) {
            speak(stage, &stage->clients[i], NULL, 0);
            check_client(&stage->clients[i]);
        }
    }
    ask_canary(stage);
    stage_raze(stage);
    free(stage);
    return 0;
}
