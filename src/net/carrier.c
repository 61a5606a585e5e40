/* SPDX-License-Identifier: Apache-2.0 */
#include "net/carrier.h"

#include "base/err.h"
#include "base/log.h"
#include "base/rand.h"
#include "mqtt/wire.h"
#include "net/dial.h"
#include "net/framing.h"
#include "net/handshake.h"
#include "net/tap.h"
#include "net/tls.h"
#include "net/turn.h"
#include "net/web.h"
#include "net/websocket.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { END_TEXT_MAX = 256 };
enum { BINARY = 0x82, PONG = 0x8A }; /* whole frames [RFC6455 5.2] */

static struct carrier *make(struct net *net, enum carrier_phase phase)
{
    struct carrier *carrier = calloc(1, sizeof *carrier);

    if (!carrier)
        return NULL;
    carrier->net = net;
    carrier->phase = phase;
    carrier->seed = MESH_ACCEPTED;
    carrier->due_ms = net->now_ms + net->config.link_timeout_ms;
    list_init(&carrier->dirty);
    list_init(&carrier->ended);
    list_push_back(&net->all_carriers, &carrier->all);
    return carrier;
}

struct carrier *carrier_new(struct net *net, uint32_t seed)
{
    struct carrier *carrier = make(net, CARRIER_OPENING);

    if (carrier)
        carrier->seed = seed;
    return carrier;
}

static void carrier_free(struct carrier *carrier)
{
    list_remove(&carrier->all);
    list_remove(&carrier->dirty);
    list_remove(&carrier->ended);
    intake_finish(&carrier->in);
    buf_finish(&carrier->out);
    buf_finish(&carrier->end);
    dial_drop(carrier->dial);
    SSL_free(carrier->ssl);
    free(carrier);
}

/* Let go of the socket, which closes when it may, or at once. */
static void release_socket(struct carrier *carrier, bool at_once)
{
    struct lws *wsi = carrier->wsi;

    tap_close(carrier->tap);
    carrier->tap = NULL;
    if (!wsi)
        return;
    carrier->wsi = NULL;
    if (carrier->seed == MESH_ACCEPTED)
        websocket_forget_carrier(wsi);
    else
        lws_set_opaque_user_data(wsi, NULL);
    if (at_once)
        web_kill(wsi);
    else
        lws_callback_on_writable(wsi);
}

static void end_now(struct carrier *carrier, bool at_once)
{
    carrier->phase = CARRIER_ENDED;
    list_remove(&carrier->dirty);
    list_push_back(&carrier->net->ended_carriers, &carrier->ended);
    release_socket(carrier, at_once);
}

void carrier_end(struct carrier *carrier, const char *format, ...)
{
    char text[END_TEXT_MAX];
    va_list args;

    if (carrier->phase == CARRIER_ENDED)
        return;
    if (carrier->end.len == 0) {
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        buf_append(&carrier->end, text, strlen(text));
    }
    end_now(carrier, true);
}

void carrier_gone(struct carrier *carrier, const char *why)
{
    carrier->wsi = NULL;
    carrier_end(carrier, "%s", why);
}

void carrier_up(struct carrier *carrier)
{
    struct net *net = carrier->net;

    if (net->links.len == 0 && !vec_push(&net->links)) {
        carrier_end(carrier, "out of memory");
        return;
    }
    if (net->free_links.len > 0) {
        carrier->id = net->free_links.at[--net->free_links.len];
    } else {
        carrier->id = (link_id)net->links.len;
        if (!vec_push(&net->links)) {
            carrier->id = 0;
            carrier_end(carrier, "out of memory");
            return;
        }
    }
    carrier->phase = CARRIER_UP;
    net->links.at[carrier->id] = carrier;
    net->stats.links++;

    struct mesh_event event = { .kind = MESH_LINK_UP,
                                .now_ms = net->now_ms,
                                .now_us = net->now_us,
                                .link = carrier->id,
                                .seed = carrier->seed };

    node_on_link(net->node, &event, &net->out);
}

void carrier_receive(struct carrier *carrier, const void *bytes, size_t len)
{
    struct net *net = carrier->net;

    net->stats.bytes_in += len;
    if (carrier->phase != CARRIER_ENDED &&
        intake_take(&carrier->in, bytes, len, &net->link_packet_max, handshake_take, carrier) != 0)
        carrier_end(carrier, "peer sent what is not MQTT");
    net_settle(net);
}

/* XOR with a key of four bytes, eight bytes at a time. [RFC6455 5.3] */
static void mask(uint8_t *at, size_t len, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key, word;

    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        word ^= wide;
        memcpy(at, &word, sizeof word);
    }
    for (size_t i = 0; i < len; i++)
        at[i] ^= ((const uint8_t *)&wide)[i];
}

/* OpenSSL writes into memory, a record at a time, and the library sends what lies there. */
static bool send_secure(struct carrier *carrier, const uint8_t *at, size_t len)
{
    BIO *memory = SSL_get_wbio(carrier->ssl);

    for (size_t done = 0; done < len;) {
        size_t part = len - done < TLS_RECORD_BYTES ? len - done : TLS_RECORD_BYTES, taken;
        char *record;
        ERR_clear_error();
        if (SSL_write_ex(carrier->ssl, at + done, part, &taken) != 1)
            return false;
        done += taken;
        long size = BIO_get_mem_data(memory, &record);
        if (lws_write(carrier->wsi, (uint8_t *)record, (size_t)size, LWS_WRITE_RAW) < 0)
            return false;
        BIO_reset(memory); /* clears all that it ever held: it had better stay small */
    }
    return true;
}

/* Send a frame with these bytes, which have LWS_PRE bytes in front that may be overwritten
 * and may change themselves. */
static bool send_frame(struct carrier *carrier, uint8_t kind, uint8_t *at, size_t len)
{
    uint8_t head[WEBSOCKET_HEAD_MAX + sizeof(uint32_t)];
    size_t size = websocket_head(head, len);

    head[0] = kind;
    if (carrier->seed != MESH_ACCEPTED) { /* who dialled masks [RFC6455 5.1] */
        uint32_t key = (uint32_t)rand_next(&carrier->net->rand);
        head[1] |= 0x80;
        memcpy(head + size, &key, sizeof key);
        size += sizeof key;
        mask(at, len, key);
    }
    memcpy(at - size, head, size);
    return carrier->ssl ? send_secure(carrier, at - size, size + len)
                        : lws_write(carrier->wsi, at - size, size + len, LWS_WRITE_RAW) >= 0;
}

/* ---- what the tap hears ---- */

static void on_receive(void *owner, const void *bytes, size_t len)
{
    carrier_receive(owner, bytes, len);
}

/* A peer that is slow to take what we send hears by that that we live. */
static void on_ping(void *owner, const void *bytes, size_t len)
{
    struct carrier *carrier = owner;
    uint8_t pong[LWS_PRE + FRAMING_CONTROL_MAX];

    if (!carrier->wsi || lws_partial_buffered(carrier->wsi))
        return;
    memcpy(pong + LWS_PRE, bytes, len);
    send_frame(carrier, PONG, pong + LWS_PRE, len);
}

static void on_close_heard(void *owner, uint16_t code)
{
    (void)code;
    carrier_end(owner, "connection closed by peer");
}

static void on_failed(void *owner, uint16_t code)
{
    carrier_end(owner, "peer sent a frame that is not allowed (%u)", code);
}

static void on_gone(void *owner)
{
    carrier_end(owner, "connection closed by peer");
}

void carrier_read(struct carrier *carrier, struct str early)
{
    static const struct tap_owner calls = { on_receive, on_ping, on_close_heard, on_failed,
                                            on_gone };
    bool served = carrier->seed == MESH_ACCEPTED;
    SSL *ssl = served ? lws_get_ssl(carrier->wsi) : carrier->ssl;

    carrier->tap = tap_open(&carrier->net->web->taps, carrier->wsi, ssl, served, &calls, carrier);
    if (!carrier->tap || tap_put(carrier->tap, early.ptr, early.len) != ERR_OK ||
        tap_read(carrier->tap, true) != ERR_OK)
        carrier_end(carrier, "out of memory");
}

bool carrier_attach(struct carrier *carrier, int fd, SSL *ssl)
{
    carrier->ssl = ssl;
    carrier->wsi = web_attach(carrier->net->web, fd, carrier);
    return carrier->wsi;
}

void carrier_put_early(struct carrier *carrier, struct str early)
{
    if (carrier->tap && tap_put(carrier->tap, early.ptr, early.len) != ERR_OK)
        carrier_end(carrier, "out of memory");
}

struct carrier *carrier_accept(struct net *net, struct lws *wsi)
{
    struct carrier *carrier = make(net, CARRIER_CONNECT);

    if (!carrier)
        return NULL;
    carrier->wsi = wsi;
    return carrier;
}

/* ---- sending ---- */

/* Room at the end of the out-queue; NULL ends the carrier. */
static uint8_t *reserve(struct carrier *carrier, size_t len)
{
    if (!carrier->out.data && buf_reserve(&carrier->out, LWS_PRE + len))
        buf_advance(&carrier->out, LWS_PRE);
    uint8_t *at = buf_reserve(&carrier->out, len);

    if (!at)
        carrier_end(carrier, "out of memory");
    else if (!list_linked(&carrier->dirty))
        list_push_back(&carrier->net->dirty_carriers, &carrier->dirty);
    return at;
}

void carrier_put(struct carrier *carrier, const void *bytes, size_t len)
{
    uint8_t *at = reserve(carrier, len);

    if (!at)
        return;
    memcpy(at, bytes, len);
    buf_advance(&carrier->out, len);
}

/* The head of a PUBLISH at QoS 0 with a topic alias: the topic itself only goes along the
 * first time. [MQTT5 3.3.2.3.4] */
static size_t publish_head(uint8_t *head, enum mesh_channel channel, bool known, size_t len)
{
    static const char topics[][8] = {
        [MESH_CONTROL] = "$mesh/c", [MESH_DATA] = "$mesh/d", [MESH_BULK] = "$mesh/b"
    };
    size_t topic_len = known ? 0 : sizeof "$mesh/c" - 1;
    size_t at = 0;

    head[at++] = MQTT_PUBLISH << 4;
    at += wire_store_varint(head + at, (uint32_t)(2 + topic_len + 4 + len));
    head[at++] = 0;
    head[at++] = (uint8_t)topic_len;
    memcpy(head + at, topics[channel], topic_len);
    at += topic_len;
    head[at++] = 3;
    head[at++] = PROP_TOPIC_ALIAS;
    head[at++] = 0;
    head[at++] = (uint8_t)channel;
    return at;
}

static struct carrier *by_id(const struct net *net, link_id link)
{
    return link < net->links.len ? net->links.at[link] : NULL;
}

void carrier_send(struct net *net, link_id link, enum mesh_channel channel, struct str bundle)
{
    enum { HEAD_MAX = 32 };
    struct carrier *carrier = by_id(net, link);

    if (!carrier || carrier->phase != CARRIER_UP || carrier->closing)
        return;
    uint8_t *at = reserve(carrier, HEAD_MAX + bundle.len);

    if (!at)
        return;
    size_t head = publish_head(at, channel, carrier->aliases_sent >> channel & 1, bundle.len);

    memcpy(at + head, bundle.ptr, bundle.len);
    buf_advance(&carrier->out, head + bundle.len);
    carrier->aliases_sent |= (uint8_t)(1u << channel);
    carrier->owes = true;
}

void carrier_close(struct net *net, link_id link, struct str why)
{
    struct carrier *carrier = by_id(net, link);

    if (!carrier || carrier->phase != CARRIER_UP || carrier->closing)
        return;
    handshake_goodbye(carrier, why);
    buf_append_str(&carrier->end, why);
    carrier->closing = true;
    carrier->due_ms = net->now_ms + net->config.close_wait_ms;
}

/* Everything is out of our hands: the mesh may fill the link again. */
static void give_room(struct carrier *carrier)
{
    struct net *net = carrier->net;
    struct mesh_event event = { .kind = MESH_LINK_WRITABLE,
                                .now_ms = net->now_ms,
                                .now_us = net->now_us,
                                .link = carrier->id,
                                .room = MESH_LINK_ROOM };

    if (!carrier->owes || !carrier->id)
        return;
    carrier->owes = false;
    node_on_link(net->node, &event, &net->out);
}

static void flush(struct carrier *carrier)
{
    struct buf *out = &carrier->out;

    list_remove(&carrier->dirty);
    if (!carrier->wsi)
        return;
    while (out->len > LWS_PRE + carrier->out_sent && !lws_partial_buffered(carrier->wsi)) {
        size_t left = out->len - LWS_PRE - carrier->out_sent;
        size_t len = left < WEB_CHUNK ? left : WEB_CHUNK;
        if (!send_frame(carrier, BINARY, out->data + LWS_PRE + carrier->out_sent, len)) {
            carrier_end(carrier, "connection broken");
            return;
        }
        carrier->out_sent += len;
        carrier->net->stats.bytes_out += len;
    }
    if (out->len > LWS_PRE + carrier->out_sent || lws_partial_buffered(carrier->wsi)) {
        lws_callback_on_writable(carrier->wsi);
        return;
    }
    buf_finish(out);
    carrier->out_sent = 0;
    give_room(carrier);
    if (carrier->closing)
        end_now(carrier, false);
}

void carrier_writable(struct carrier *carrier)
{
    struct net *net = carrier->net;

    flush(carrier);
    net_settle(net);
}

void carrier_flush_all(struct net *net)
{
    struct list *node;

    while ((node = list_pop_front(&net->dirty_carriers)))
        flush(list_entry(node, struct carrier, dirty));
}

/* ---- the end ---- */

/* Free the carrier and tell the mesh what became of it. */
static void tell_end(struct net *net, struct carrier *carrier)
{
    struct mesh_event event = { .now_ms = net->now_ms,
                                .now_us = net->now_us,
                                .link = carrier->id,
                                .seed = carrier->seed,
                                .text = buf_str(&carrier->end) };

    if (carrier->id) {
        event.kind = MESH_LINK_DOWN;
        net->links.at[carrier->id] = NULL;
        net->stats.links--;
        node_on_link(net->node, &event, &net->out);
        link_id *slot = vec_push(&net->free_links);
        if (slot)
            *slot = carrier->id;
    } else if (carrier->seed != MESH_ACCEPTED) {
        event.kind = MESH_DIAL_FAILED;
        node_on_link(net->node, &event, &net->out);
    } else {
        char text[END_TEXT_MAX * 2];
        log_info("link.refused", "reason=%s", log_quoted(event.text, text, sizeof text));
    }
    carrier_free(carrier);
}

bool carrier_tell_mesh(struct net *net)
{
    struct list *node;
    bool any = dial_tell_lost(net);

    while ((node = list_pop_front(&net->ended_carriers))) {
        struct carrier *carrier = list_entry(node, struct carrier, ended);
        any = true;
        if (!carrier->id && carrier->dial && dial_again(carrier))
            continue;
        tell_end(net, carrier);
    }
    return any;
}

void carrier_expire(struct net *net)
{
    list_each_safe (&net->all_carriers, node, after) {
        struct carrier *carrier = list_entry(node, struct carrier, all);
        if ((carrier->phase != CARRIER_UP || carrier->closing) && carrier->due_ms <= net->now_ms)
            carrier_end(carrier, "timed out");
    }
}

bool carrier_any_waiting(const struct net *net)
{
    list_each (&net->all_carriers, node) {
        const struct carrier *carrier = list_entry(node, struct carrier, all);
        if (carrier->phase != CARRIER_UP || carrier->closing)
            return true;
    }
    return false;
}

void carrier_drop_all(struct net *net)
{
    list_each_safe (&net->all_carriers, node, after) {
        struct carrier *carrier = list_entry(node, struct carrier, all);
        release_socket(carrier, true);
        carrier_free(carrier);
    }
}
