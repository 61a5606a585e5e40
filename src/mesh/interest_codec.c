/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/interest_codec.h"

#include "base/err.h"
#include "mesh/tlv.h"
#include "topic/topic.h"

enum { ENTRY_QOS = 3, ENTRY_PERSISTENT = 4 };

static size_t shared_len(struct str a, struct str b)
{
    size_t most = a.len < b.len ? a.len : b.len, len = 0;

    while (len < most && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

void interest_put_removal(struct buf *out, struct str before, struct str filter)
{
    size_t shared = shared_len(before, filter);

    wire_put_leb(out, shared);
    wire_put_leb(out, filter.len - shared);
    buf_append_str(out, str_slice(filter, shared, filter.len));
}

void interest_put(struct buf *out, struct str before, const struct interest *interest)
{
    interest_put_removal(out, before, interest->filter);
    buf_append_u8(out, (uint8_t)(interest->qos | (interest->persistent ? ENTRY_PERSISTENT : 0)));
}

bool interest_get_removal(struct wire_reader *r, struct buf *text, struct str *ret_filter)
{
    uint64_t shared = wire_get_leb(r), rest = wire_get_leb(r);

    if (r->err || shared > text->len || rest > INTEREST_FILTER_MAX - shared) {
        wire_fail(r, ERR_MALFORMED);
        return false;
    }
    text->len = (size_t)shared;
    buf_append_str(text, wire_get_bytes(r, (size_t)rest));
    if (text->failed)
        wire_fail(r, ERR_NOMEM);
    *ret_filter = buf_str(text);
    if (!r->err && (topic_filter_check(*ret_filter) != ERR_OK || !str_is_mqtt_utf8(*ret_filter)))
        wire_fail(r, ERR_MALFORMED);
    return !r->err;
}

bool interest_get(struct wire_reader *r, struct buf *text, struct interest *ret_interest)
{
    if (!interest_get_removal(r, text, &ret_interest->filter))
        return false;
    uint8_t flags = wire_get_u8(r);
    ret_interest->qos = flags & ENTRY_QOS;
    ret_interest->persistent = flags & ENTRY_PERSISTENT;
    if (ret_interest->qos > 2 || flags & ~(ENTRY_QOS | ENTRY_PERSISTENT))
        wire_fail(r, ERR_MALFORMED);
    return !r->err;
}

/* Walk over all entries once, before anything is changed. */
static int check(const struct interest_head *head, struct buf *text)
{
    struct wire_reader r = head->entries;
    struct interest interest;
    struct str filter;

    buf_clear(text);
    for (uint64_t left = head->adds; left && !r.err; left--)
        interest_get(&r, text, &interest);
    buf_clear(text);
    for (uint64_t left = head->removals; left && !r.err; left--)
        interest_get_removal(&r, text, &filter);
    buf_clear(text);
    tlv_check(&r);
    return wire_finish(&r);
}

void idelta_put_head(struct buf *out, const struct interest_head *head)
{
    buf_append(out, head->id.bytes, NODE_ID_LEN);
    wire_put_u32(out, head->inc);
    wire_put_leb(out, head->prev);
    wire_put_leb(out, head->iver);
    buf_append_u8(out, head->flags);
    wire_put_u64(out, head->hash);
    wire_put_leb(out, head->adds);
    wire_put_leb(out, head->removals);
}

int idelta_decode(struct str body, struct buf *text, struct interest_head *ret_head)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    struct interest_head head = { 0 };

    node_id_get(&r, &head.id);
    head.inc = wire_get_u32(&r);
    head.prev = wire_get_leb(&r);
    head.iver = wire_get_leb(&r);
    head.flags = wire_get_u8(&r);
    head.hash = wire_get_u64(&r);
    head.adds = wire_get_leb(&r);
    head.removals = wire_get_leb(&r);
    head.entries = r;
    int err = r.err ? r.err : check(&head, text);
    if (err)
        return err;
    if (!(head.flags & IDELTA_NOTICE) && head.iver <= head.prev)
        return ERR_MALFORMED;
    *ret_head = head;
    return ERR_OK;
}

void isnap_put_head(struct buf *out, const struct interest_head *head)
{
    buf_append(out, head->id.bytes, NODE_ID_LEN);
    wire_put_u32(out, head->inc);
    wire_put_leb(out, head->iver);
    wire_put_u64(out, head->hash);
    wire_put_leb(out, head->chunk);
    wire_put_leb(out, head->chunks);
    wire_put_leb(out, head->adds);
}

int isnap_decode(struct str body, struct buf *text, struct interest_head *ret_head)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    struct interest_head head = { 0 };

    node_id_get(&r, &head.id);
    head.inc = wire_get_u32(&r);
    head.iver = wire_get_leb(&r);
    head.hash = wire_get_u64(&r);
    head.chunk = wire_get_leb(&r);
    head.chunks = wire_get_leb(&r);
    head.adds = wire_get_leb(&r);
    head.entries = r;
    int err = r.err ? r.err : check(&head, text);
    if (err)
        return err;
    if (head.chunk >= head.chunks)
        return ERR_MALFORMED;
    *ret_head = head;
    return ERR_OK;
}
