/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/tlv.h"

#include "base/err.h"

#include <string.h>

bool tlv_next(struct wire_reader *r, struct tlv *ret_tlv)
{
    if (wire_left(r) == 0)
        return false;
    ret_tlv->type = wire_get_u8(r);
    uint64_t len = wire_get_leb(r);
    if (len > wire_left(r))
        wire_fail(r, ERR_MALFORMED);
    ret_tlv->value = wire_get_bytes(r, r->err ? 0 : (size_t)len);
    return r->err == ERR_OK;
}

void tlv_check(struct wire_reader *r)
{
    struct tlv tlv;

    while (tlv_next(r, &tlv)) {
        if (tlv.type & TLV_MUST_UNDERSTAND)
            wire_fail(r, ERR_MALFORMED);
    }
}

void tlv_put(struct buf *out, uint8_t type, struct str value)
{
    buf_append_u8(out, type);
    wire_put_leb(out, value.len);
    buf_append_str(out, value);
}

void node_id_get(struct wire_reader *r, struct node_id *ret_id)
{
    struct str bytes = wire_get_bytes(r, NODE_ID_LEN);

    if (bytes.len)
        memcpy(ret_id->bytes, bytes.ptr, NODE_ID_LEN);
}
