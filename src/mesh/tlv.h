/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions at the end of records and frames: type u8, length leb, bytes. A type with
 * bit 7 must be understood by whoever reads it; others are skipped. MESH.md 3.16. */
#pragma once

#include "base/buf.h"
#include "mesh/mesh.h"
#include "mqtt/wire.h"

enum { TLV_MUST_UNDERSTAND = 0x80 };

struct tlv {
    uint8_t type;
    struct str value;
};

/* Take the next extension; false at the end, or after an error of the reader. */
bool tlv_next(struct wire_reader *r, struct tlv *ret_tlv);

/* Walk to the end of r: well-formed extensions, none that must be understood. */
void tlv_check(struct wire_reader *r);

/* Append one extension. */
void tlv_put(struct buf *out, uint8_t type, struct str value);

/* A broker's id on the wire. */
void node_id_get(struct wire_reader *r, struct node_id *ret_id);
