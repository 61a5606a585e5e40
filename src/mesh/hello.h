/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of a link. Each side sends HELLO as soon as the transport is up and
 * answers the other's with HELLO_ACK; who has both knows the peer. MESH.md 3.2.
 *
 * HELLO: ver_min u8 | ver_max u8 | id 16 | inc u32 | boot u64 | sid u32 | role u8
 *     | mesh_hash u32 | caps u64 | name u16+n | namespaces leb { u32 } | wall_ms u64
 *     | hlc u64 | nonce u64 | resume nonce u64 | resume lseq u64 | max_bundle u32
 *     | credit u32 | upstream leb { id 16 } | TLVs (1: name of the mesh)
 * HELLO_ACK: nonce of the other's HELLO u64 | version u8 | caps u64 | TLVs */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mesh/mesh.h"

struct link;

enum { HELLO_TLV_MESH_NAME = 1 };

/* A HELLO, its text borrowed. What M1 has no use for is not kept. */
struct hello {
    uint8_t version_min, version_max;
    struct node_id id;
    uint32_t inc;
    uint64_t boot;
    uint32_t sid;
    uint8_t role;
    uint32_t mesh_hash;
    uint64_t caps;
    struct str name;
    uint64_t nonce;
    uint32_t bundle_max;
    struct str mesh_name;
};

/* Read the body of a HELLO: ERR_OK or ERR_MALFORMED. */
int hello_decode(struct str body, struct hello *ret_hello);

/* Write the body of a HELLO. */
void hello_encode(struct buf *out, const struct hello *hello);

/* The number that stands for a mesh's name. */
uint32_t hello_mesh_hash(struct str mesh_name);

/* Send HELLO. */
void hello_send(struct mesh *mesh, struct link *link);

/* A HELLO or a HELLO_ACK came. ERR_OK (the link may be closing then), ERR_MALFORMED or
 * ERR_PROTOCOL. */
int hello_on_frame(struct mesh *mesh, struct link *link, struct str body);
int hello_ack_on_frame(struct mesh *mesh, struct link *link, struct str body);
