/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation.h"

#include "base/err.h"
#include "core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CONNS = 8, INFLIGHT_MAX = 5, FLYING_MAX = 2 * INFLIGHT_MAX, DAY_MS = 24 * 3600 * 1000 };

/* A message on its way to a client, and the answer that is due. */
struct flying {
    uint16_t id; /* 0: free */
    uint8_t due; /* MQTT_PUBACK, MQTT_PUBREC or MQTT_PUBCOMP */
};

/* What is known of a client from outside. */
struct peer {
    bool open, closing;
    bool strange;    /* it answered what was not sent to it: windows are no longer its due */
    uint8_t version; /* 0 before CONNECT */
    uint16_t window;
    uint16_t inflight;
    struct flying flying[FLYING_MAX];
};

struct conversation {
    struct core *core;
    struct core_out out;
    const uint8_t *at, *end;
    uint64_t now_ms, token;
    struct peer peers[CONNS + 1];
};

/* ---- what may be sent ---- */

/* The message with this identifier, or a free place with 0. */
static struct flying *find_flying(struct peer *peer, uint16_t id)
{
    for (size_t i = 0; i < FLYING_MAX; i++) {
        if (peer->flying[i].id == id)
            return &peer->flying[i];
    }
    return NULL;
}

static void note_flying(struct peer *peer, uint16_t id, enum mqtt_kind due)
{
    struct flying *flying = find_flying(peer, 0);

    if (!flying && peer->strange)
        return;
    assert(flying && !find_flying(peer, id)); /* [MQTT-2.2.1-4] */
    *flying = (struct flying){ id, (uint8_t)due };
    peer->inflight++;
}

static void check_message(const struct conversation *c, const struct core_send *send,
                          struct peer *peer)
{
    struct delivery delivery = {
        .version = (enum mqtt_version)peer->version,
        .qos = send->qos,
        .retain = send->retain,
        .dup = send->dup,
        .packet_id = send->packet_id,
        .has_expiry = send->has_expiry,
        .expiry_s = send->expiry_s,
        .sub_ids = c->out.sub_ids.at + send->sub_ids_at,
        .sub_id_count = send->sub_id_count,
    };

    assert(peer->version);
    assert(send->sub_ids_at + send->sub_id_count <= c->out.sub_ids.len);
    assert(message_head(send->message, &delivery, NULL) > 0);
    assert((send->qos > 0) == (send->packet_id > 0));
    if (send->qos == 0)
        return;
    note_flying(peer, send->packet_id, send->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC);
    assert(peer->inflight <= peer->window || peer->strange); /* [MQTT-3.3.4-9] */
}

static void check_bytes(const struct conversation *c, const struct core_send *send,
                        struct peer *peer)
{
    const uint8_t *at = c->out.bytes.data + send->at, *end = at + send->len;
    enum mqtt_version version = peer->version ? (enum mqtt_version)peer->version : MQTT_311;
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    assert(send->len > 0 && send->at + send->len <= c->out.bytes.len);
    for (; at < end; at += frame.whole) {
        int err = mqtt_frame_find(at, (size_t)(end - at), SIZE_MAX, &frame);
        if (!err)
            err = mqtt_decode(&frame, version, &packet);
        assert(!err);
        if (packet.kind != MQTT_PUBREL || packet.puback.reason)
            continue;
        struct flying *flying = find_flying(peer, packet.puback.packet_id);
        if (flying)
            flying->due = MQTT_PUBCOMP;
        else if (peer->version == MQTT_5) /* again, after coming back; 3.x may answer anything */
            note_flying(peer, packet.puback.packet_id, MQTT_PUBCOMP);
    }
}

static void check(struct conversation *c)
{
    assert(!c->out.failed);
    vec_each (&c->out.sends, send) {
        assert(send->conn >= 1 && send->conn <= CONNS);
        struct peer *peer = &c->peers[send->conn];
        assert(peer->open && !peer->closing);
        if (send->kind == CORE_SEND_MESSAGE)
            check_message(c, send, peer);
        else if (send->kind == CORE_SEND_BYTES)
            check_bytes(c, send, peer);
        else if (send->kind == CORE_SEND_CLOSE)
            peer->closing = true;
    }
    vec_each (&c->out.stores, op)
        assert(op->token == ++c->token);
    vec_each (&c->out.forwards, message)
        assert((*message)->data[2] != '$');
    vec_each (&c->out.interests, interest)
        assert(interest->len > 0 && interest->at + interest->len <= c->out.bytes.len);
}

/* ---- events ---- */

static void step(struct conversation *c, struct core_event event)
{
    struct core_event durable = { .kind = CORE_DURABLE, .now_ms = c->now_ms };

    event.now_ms = c->now_ms;
    core_step(c->core, &event, &c->out);
    for (size_t done = 0; c->out.stores.len > done;) {
        done = c->out.stores.len;
        durable.token = c->out.stores.at[done - 1].token;
        core_step(c->core, &durable, &c->out);
    }
    check(c);
    core_out_clear(&c->out);
    for (conn_id i = 1; i <= CONNS; i++) {
        if (!c->peers[i].closing)
            continue;
        c->peers[i] = (struct peer){ .open = false };
        step(c, (struct core_event){ .kind = CORE_CLOSED, .conn = i });
    }
}

/* The client's answer ends an exchange, as far as the client knows. */
static void note_answer(struct peer *peer, const struct mqtt_packet *packet)
{
    struct flying *flying = find_flying(peer, packet->puback.packet_id);
    bool ends = packet->kind == MQTT_PUBACK || packet->kind == MQTT_PUBCOMP ||
                (packet->kind == MQTT_PUBREC && packet->puback.reason >= 0x80);

    peer->strange |= !flying && packet->kind != MQTT_PUBREL;
    if (!ends || !flying)
        return;
    *flying = (struct flying){ .id = 0 };
    peer->inflight--;
}

/* The client answers a message as it should. */
static void answer(struct conversation *c, conn_id conn)
{
    struct peer *peer = &c->peers[conn];
    struct mqtt_packet packet = { .kind = MQTT_PUBACK };

    for (size_t i = 0; i < FLYING_MAX; i++) {
        if (peer->flying[i].id == 0)
            continue;
        packet.kind = (enum mqtt_kind)peer->flying[i].due;
        packet.puback.packet_id = peer->flying[i].id;
        note_answer(peer, &packet);
        step(c, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &packet });
        return;
    }
}

static void note_connect(struct peer *peer, const struct mqtt_connect *connect)
{
    if (peer->version)
        return;
    peer->version = (uint8_t)connect->version;
    peer->window = INFLIGHT_MAX;
    if (connect->version == MQTT_5 && props_has(&connect->props, PROP_RECEIVE_MAXIMUM) &&
        connect->props.receive_maximum < INFLIGHT_MAX)
        peer->window = connect->props.receive_maximum;
}

static void say(struct conversation *c, conn_id conn)
{
    struct peer *peer = &c->peers[conn];
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    if (!peer->open) {
        peer->open = true;
        step(c, (struct core_event){ .kind = CORE_OPEN, .conn = conn });
    }
    enum mqtt_version version = peer->version ? (enum mqtt_version)peer->version : MQTT_5;
    int err = mqtt_frame_find(c->at, (size_t)(c->end - c->at), 4096, &frame);
    uint8_t told =
        peer->version ? 0 : mqtt_connect_version(c->at, (size_t)(c->end - c->at));
    c->at += err ? (c->at < c->end) : frame.whole;
    if (!err)
        err = mqtt_decode(&frame, version, &packet);
    if (err == ERR_MORE)
        return;
    if (err) {
        peer->version |= told; /* what is answered to a CONNECT is in its version */
        step(c, (struct core_event){
                    .kind = CORE_BAD, .conn = conn, .version = told, .err = err });
        return;
    }
    if (packet.kind == MQTT_CONNECT)
        note_connect(peer, &packet.connect);
    else if (packet.kind >= MQTT_PUBACK && packet.kind <= MQTT_PUBCOMP)
        note_answer(peer, &packet);
    step(c, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &packet });
}

static uint8_t next_byte(struct conversation *c)
{
    return c->at < c->end ? *c->at++ : 0;
}

static void pass_time(struct conversation *c, uint64_t ms)
{
    c->now_ms += ms;
    step(c, (struct core_event){ .kind = CORE_TICK });
    assert(core_deadline(c->core) > c->now_ms);
}

static void hear_from_mesh(struct conversation *c)
{
    static const char *const topics[] = { "a", "a/b", "b", "$x" };
    uint8_t how = next_byte(c);
    struct message *message = message_new(str_from_c(topics[how & 3]), (struct str){ NULL, 0 },
                                          how & 4 ? STR("far") : STR(""));

    message->qos = (how >> 3) % 3;
    message->retain = how >> 6 & 1;
    message->remote = 1;
    step(c, (struct core_event){ .kind = CORE_REMOTE, .message = message });
    message_unref(message);
}

static struct core_config config_of(uint8_t limit)
{
    return (struct core_config){ .seed = 1,
                                 .inflight_max = INFLIGHT_MAX,
                                 .queue_messages_max = limit,
                                 .receive_max = (uint16_t)(limit + 1),
                                 .subscriptions_max = limit,
                                 .retained_max = limit,
                                 .session_expiry_max_s = limit * 10u };
}

static void turn(struct conversation *c)
{
    uint8_t head = next_byte(c);
    conn_id conn = (head & 7u) + 1;
    struct core_config config;

    switch (head >> 3) {
    case 23: answer(c, conn); break;
    case 24:
        if (c->peers[conn].open) {
            c->peers[conn] = (struct peer){ .open = false };
            step(c, (struct core_event){ .kind = CORE_CLOSED, .conn = conn });
        }
        break;
    case 25: step(c, (struct core_event){ .kind = CORE_CONGESTED, .conn = conn }); break;
    case 26: step(c, (struct core_event){ .kind = CORE_DRAINED, .conn = conn }); break;
    case 27: pass_time(c, next_byte(c) * (uint64_t)250); break;
    case 28: step(c, (struct core_event){ .kind = CORE_DURABLE, .token = c->token }); break;
    case 29: hear_from_mesh(c); break;
    case 30:
        config = config_of(next_byte(c));
        core_reconfigure(c->core, &config);
        break;
    case 31: step(c, (struct core_event){ .kind = CORE_SHUTDOWN }); break;
    default: say(c, conn);
    }
}

void conversation_replay(const uint8_t *data, size_t size)
{
    struct conversation *c = calloc(1, sizeof *c);
    struct core_config config = config_of(5);

    assert(c);
    *c = (struct conversation){ .at = data, .end = data + size, .now_ms = 1000 };
    c->core = core_new(&config, c->now_ms);
    assert(c->core);
    while (c->at < c->end)
        turn(c);
    step(c, (struct core_event){ .kind = CORE_SHUTDOWN });
    for (int day = 0; day < 8; day++)
        pass_time(c, DAY_MS);
    struct core_stats stats = core_stats(c->core);
    assert(stats.connections == 0 && stats.sessions == 0 && stats.subscriptions == 0);
    assert(stats.queued == 0 && stats.queued_bytes == 0 && stats.inflight == 0);
    core_out_finish(&c->out);
    core_free(c->core);
    free(c);
}
