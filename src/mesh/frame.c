/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/frame.h"

#include "base/err.h"
#include "mesh/tlv.h"
#include "mqtt/props.h"
#include "topic/topic.h"

#include <stdlib.h>
#include <string.h>

static uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *store_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

static size_t leb_len(uint64_t value)
{
    size_t len = 1;

    while (value >>= 7)
        len++;
    return len;
}

static uint8_t *store_leb(uint8_t *at, uint64_t value)
{
    while (value > 127) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* ---- head ---- */

/* Walk over the set so that the reader stands behind it. */
static void check_set(struct wire_reader *r, struct frame_dests *ret_dests)
{
    struct frame_dests dests = { .left = 1 };

    dests.kind = wire_get_u8(r);
    if (dests.kind > DS_LONG)
        wire_fail(r, ERR_MALFORMED);
    if (dests.kind != DS_ONE)
        dests.left = wire_get_leb(r);
    if (dests.left == 0 || dests.left > UINT16_MAX)
        wire_fail(r, ERR_MALFORMED);
    dests.r = *r;
    uint64_t sid = 0;
    struct str id = { NULL, 0 };
    for (uint64_t i = 0; i < dests.left && !r->err; i++) {
        if (dests.kind == DS_LONG) {
            const char *before = id.ptr;
            id = wire_get_bytes(r, NODE_ID_LEN);
            if (!r->err && before && memcmp(before, id.ptr, NODE_ID_LEN) >= 0)
                wire_fail(r, ERR_MALFORMED); /* ids are ascending: each once */
            continue;
        }
        uint64_t step = i == 0 ? wire_get_u32(r) : wire_get_leb(r);
        sid += step;
        if (step == 0 || step > UINT32_MAX || sid > UINT32_MAX)
            wire_fail(r, ERR_MALFORMED); /* sids are ascending and never 0 */
    }
    *ret_dests = dests;
}

int frame_decode(uint8_t type, struct str body, struct frame *ret_frame,
                 struct frame_dests *ret_dests)
{
    const uint8_t *p = (const uint8_t *)body.ptr;
    struct wire_reader r;
    struct frame frame = { .type = type };

    if (body.len < 7)
        return ERR_MALFORMED;
    frame.flags = p[0];
    frame.ttl = p[1];
    frame.flow = p[2];
    frame.origin = load_u32(p + 3);
    if ((frame.flags & FRAME_QOS) == FRAME_QOS)
        return ERR_MALFORMED; /* there is no QoS 3 */
    if (!(frame.flags & FRAME_REL) && body.len >= 12 && p[7] == DS_ONE) {
        /* The common case, without a walk. */
        *ret_dests = (struct frame_dests){ .left = 1, .kind = DS_ONE };
        ret_dests->r = wire_reader(p + 8, 4, 0);
        frame.tail = str_slice(body, 12, body.len);
        *ret_frame = frame;
        return load_u32(p + 8) ? ERR_OK : ERR_MALFORMED;
    }
    r = wire_reader(p + 7, body.len - 7, 0);
    if (frame.flags & FRAME_REL) {
        wire_get_u32(&r);
        wire_get_leb(&r);
        frame.ident = (struct str){ (const char *)p + 7, (size_t)(r.at - (p + 7)) };
    }
    check_set(&r, ret_dests);
    frame.tail = wire_get_rest(&r);
    if (r.err)
        return r.err;
    *ret_frame = frame;
    return ERR_OK;
}

bool frame_next_dest(struct frame_dests *dests, struct frame_dest *ret_dest)
{
    if (dests->left == 0)
        return false;
    dests->left--;
    if (dests->kind == DS_LONG) {
        struct str id = wire_get_bytes(&dests->r, NODE_ID_LEN);
        *ret_dest = (struct frame_dest){ .id = (const uint8_t *)id.ptr };
        return true;
    }
    dests->sid =
        dests->sid ? dests->sid + (uint32_t)wire_get_leb(&dests->r) : wire_get_u32(&dests->r);
    *ret_dest = (struct frame_dest){ .sid = dests->sid };
    return true;
}

/* The shortest set that names these hops without doubt. */
static enum dest_set choose(const struct hop *hops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hops[i].node->sid_lost)
            return DS_LONG;
    }
    return count == 1 ? DS_ONE : DS_LIST;
}

static int compare_sids(const void *a, const void *b)
{
    const struct hop *x = a, *y = b;

    return (x->sid > y->sid) - (x->sid < y->sid);
}

static int compare_ids(const void *a, const void *b)
{
    const struct hop *x = a, *y = b;

    return node_id_compare(&x->node->id, &y->node->id);
}

void frame_order_hops(struct hop *hops, size_t count)
{
    qsort(hops, count, sizeof *hops, choose(hops, count) == DS_LONG ? compare_ids : compare_sids);
}

size_t frame_head_len(const struct frame *frame, const struct hop *hops, size_t count)
{
    size_t len = 8 + frame->ident.len + 1;

    switch (choose(hops, count)) {
    case DS_ONE: return len + 4;
    case DS_LONG: return len + leb_len(count) + count * NODE_ID_LEN;
    case DS_LIST:
    case DS_MAP: break;
    }
    len += leb_len(count) + 4;
    for (size_t i = 1; i < count; i++)
        len += leb_len(hops[i].sid - hops[i - 1].sid);
    return len;
}

uint8_t *frame_put_head(uint8_t *at, const struct frame *frame, const struct hop *hops,
                        size_t count)
{
    enum dest_set kind = choose(hops, count);

    at[0] = frame->type;
    at[1] = frame->flags;
    at[2] = frame->ttl;
    at[3] = frame->flow;
    at = store_u32(at + 4, frame->origin);
    if (frame->ident.len)
        memcpy(at, frame->ident.ptr, frame->ident.len);
    at += frame->ident.len;
    *at++ = (uint8_t)kind;
    if (kind == DS_ONE)
        return store_u32(at, hops[0].sid);
    at = store_leb(at, count);
    for (size_t i = 0; i < count; i++) {
        if (kind == DS_LONG) {
            memcpy(at, hops[i].node->id.bytes, NODE_ID_LEN);
            at += NODE_ID_LEN;
        } else if (i == 0) {
            at = store_u32(at, hops[0].sid);
        } else {
            at = store_leb(at, hops[i].sid - hops[i - 1].sid);
        }
    }
    return at;
}

/* ---- tail ---- */

void frame_tail_of(const struct message *message, uint64_t now_ms, struct frame_tail *ret_tail)
{
    struct frame_tail *tail = ret_tail;
    const char *topic = (const char *)message->data + 2;
    size_t rest = (size_t)message->props_prefix + message->props_len + message->payload_len;
    size_t head;

    tail->topic_head[0] = 0; /* namespace */
    head = 1 + wire_store_varint(tail->topic_head + 1, message->topic_len);
    tail->pieces[0] = (struct str){ (const char *)tail->topic_head, head };
    tail->pieces[2] = tail->pieces[3] = (struct str){ NULL, 0 };
    if (message->expires_ms == MESSAGE_NEVER) {
        /* The rest of the frame stands in the message as it must. */
        tail->pieces[1] = (struct str){ topic, message->topic_len + rest };
        tail->len = head + message->topic_len + rest;
        return;
    }
    uint64_t left_ms = message->expires_ms > now_ms ? message->expires_ms - now_ms : 0;
    uint64_t left_s = (left_ms + 999) / 1000;
    uint8_t *at = tail->expiry;
    at += wire_store_varint(at, message->props_len + 5);
    *at++ = PROP_MESSAGE_EXPIRY_INTERVAL;
    at = store_u32(at, left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s);
    rest -= message->props_prefix;
    tail->pieces[1] = (struct str){ topic, message->topic_len };
    tail->pieces[2] = (struct str){ (const char *)tail->expiry, (size_t)(at - tail->expiry) };
    tail->pieces[3] = (struct str){ topic + message->topic_len + message->props_prefix, rest };
    tail->len = head + message->topic_len + tail->pieces[2].len + rest;
}

uint8_t *frame_put_tail(uint8_t *at, const struct frame_tail *tail)
{
    for (int i = 0; i < 4 && tail->pieces[i].len; i++) {
        memcpy(at, tail->pieces[i].ptr, tail->pieces[i].len);
        at += tail->pieces[i].len;
    }
    return at;
}

/* The properties of a message from afar: well formed, and what expires stands first. */
static int check_props(struct str *raw, uint64_t now_ms, uint64_t *ret_expires_ms)
{
    uint8_t head[4];
    struct buf whole = { 0 };
    struct props props;

    if (raw->len == 0)
        return ERR_OK;
    buf_append(&whole, head, wire_store_varint(head, (uint32_t)raw->len));
    buf_append_str(&whole, *raw);
    struct wire_reader r = wire_reader(whole.data, whole.len, MQTT_5);
    props_decode(&r, PROPS_PUBLISH, &props);
    int err = whole.failed ? ERR_NOMEM : wire_finish(&r);
    buf_finish(&whole);
    if (err)
        return err == ERR_NOMEM ? err : ERR_MALFORMED;
    if (props_has(&props, PROP_TOPIC_ALIAS) || props_has(&props, PROP_SUBSCRIPTION_IDENTIFIER))
        return ERR_MALFORMED;
    if (!props_has(&props, PROP_MESSAGE_EXPIRY_INTERVAL))
        return ERR_OK;
    if ((uint8_t)raw->ptr[0] != PROP_MESSAGE_EXPIRY_INTERVAL)
        return ERR_MALFORMED;
    *ret_expires_ms = now_ms + (uint64_t)props.message_expiry_interval * 1000;
    *raw = str_slice(*raw, 5, raw->len);
    return ERR_OK;
}

int frame_message(uint8_t flags, struct str tail, uint64_t now_ms, struct message **ret_message)
{
    struct wire_reader r = wire_reader(tail.ptr, tail.len, MQTT_5);
    uint64_t expires_ms = MESSAGE_NEVER;

    uint64_t namespace = wire_get_leb(&r);
    uint32_t topic_len = wire_get_varint(&r);
    struct str topic = wire_get_bytes(&r, topic_len);
    uint32_t props_len = wire_get_varint(&r);
    struct str props = wire_get_bytes(&r, props_len);
    if (flags & FRAME_EXT) {
        uint64_t len = wire_get_leb(&r);
        struct str ext = wire_get_bytes(&r, len <= wire_left(&r) ? (size_t)len : SIZE_MAX);
        struct wire_reader extensions = wire_reader(ext.ptr, ext.len, 0);
        tlv_check(&extensions);
        if (extensions.err)
            wire_fail(&r, ERR_MALFORMED);
    }
    struct str payload = wire_get_rest(&r);
    if (r.err || namespace != 0 || flags & FRAME_ALIAS || topic_name_check(topic) != ERR_OK ||
        !str_is_mqtt_utf8(topic))
        return ERR_MALFORMED;
    int err = check_props(&props, now_ms, &expires_ms);
    if (err)
        return err;
    struct message *message = message_new(topic, props, payload);
    if (!message)
        return ERR_NOMEM;
    message->expires_ms = expires_ms;
    message->qos = (flags & FRAME_QOS) >> FRAME_QOS_SHIFT & 3;
    message->retain = (flags & FRAME_RETAIN) != 0;
    message->remote = 1;
    *ret_message = message;
    return ERR_OK;
}
