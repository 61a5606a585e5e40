/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/tlsa.h"

#include "base/err.h"
#include "mesh/tlv.h"
#include "mqtt/wire.h"

#include <string.h>

bool tlsa_next_edge(struct str *rest, struct lsdb_edge *ret_edge)
{
    if (rest->len < TLSA_EDGE_LEN)
        return false;
    const uint8_t *p = (const uint8_t *)rest->ptr;
    memcpy(ret_edge->id.bytes, p, NODE_ID_LEN);
    ret_edge->cost = (uint16_t)(p[NODE_ID_LEN] << 8 | p[NODE_ID_LEN + 1]);
    ret_edge->node = NODE_NONE;
    *rest = str_slice(*rest, TLSA_EDGE_LEN, rest->len);
    return true;
}

/* The neighbours stand in order, each once, and cost something. */
static bool edges_fit(struct str rest)
{
    struct lsdb_edge edge, before;

    for (bool first = true; tlsa_next_edge(&rest, &edge); first = false) {
        if (edge.cost == 0 || (!first && node_id_compare(&before.id, &edge.id) >= 0))
            return false;
        before = edge;
    }
    return true;
}

/* Skip a list of texts, each behind a number of so many bytes. */
static void skip_list(struct wire_reader *r, size_t number_len)
{
    for (uint64_t left = wire_get_leb(r); left && !r->err; left--) {
        wire_get_bytes(r, number_len);
        wire_get_binary(r);
    }
}

int tlsa_decode(struct str bytes, struct tlsa *ret_tlsa)
{
    struct wire_reader r = wire_reader(bytes.ptr, bytes.len, 0);
    struct tlsa tlsa = { 0 };

    node_id_get(&r, &tlsa.id);
    tlsa.inc = wire_get_u32(&r);
    tlsa.boot = wire_get_u64(&r);
    tlsa.tseq = wire_get_u32(&r);
    tlsa.salt = wire_get_u8(&r);
    tlsa.role = wire_get_u8(&r);
    tlsa.flags = wire_get_u16(&r);
    tlsa.version_max = wire_get_u8(&r);
    tlsa.caps = wire_get_u64(&r);
    tlsa.region = wire_get_u16(&r);
    tlsa.domain = wire_get_u16(&r);
    tlsa.name = wire_get_utf8(&r);
    skip_list(&r, 0); /* locators */
    skip_list(&r, 4); /* namespaces */
    uint64_t count = wire_get_leb(&r);
    if (count > TLSA_EDGES_MAX)
        wire_fail(&r, ERR_MALFORMED);
    tlsa.edge_count = (size_t)count;
    tlsa.edges = wire_get_bytes(&r, r.err ? 0 : tlsa.edge_count * TLSA_EDGE_LEN);
    skip_list(&r, 0); /* policy tags */
    tlv_check(&r);
    int err = wire_finish(&r);
    if (err)
        return err;
    if (tlsa.tseq == 0 || tlsa.name.len > TLSA_NAME_MAX || !edges_fit(tlsa.edges))
        return ERR_MALFORMED;
    *ret_tlsa = tlsa;
    return ERR_OK;
}

void tlsa_put_edge(struct buf *out, const struct node_id *id, uint16_t cost)
{
    buf_append(out, id->bytes, NODE_ID_LEN);
    wire_put_u16(out, cost);
    buf_append_u8(out, 0);
}

void tlsa_encode(struct buf *out, const struct tlsa *tlsa)
{
    buf_append(out, tlsa->id.bytes, NODE_ID_LEN);
    wire_put_u32(out, tlsa->inc);
    wire_put_u64(out, tlsa->boot);
    wire_put_u32(out, tlsa->tseq);
    buf_append_u8(out, tlsa->salt);
    buf_append_u8(out, tlsa->role);
    wire_put_u16(out, tlsa->flags);
    buf_append_u8(out, tlsa->version_max);
    wire_put_u64(out, tlsa->caps);
    wire_put_u16(out, tlsa->region);
    wire_put_u16(out, tlsa->domain);
    wire_put_binary(out, tlsa->name);
    wire_put_leb(out, 0); /* locators */
    wire_put_leb(out, 0); /* namespaces */
    wire_put_leb(out, tlsa->edge_count);
    buf_append_str(out, tlsa->edges);
    wire_put_leb(out, 0); /* policy tags */
}
