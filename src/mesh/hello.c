/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/hello.h"

#include "base/err.h"
#include "base/hash.h"
#include "mesh/identity.h"
#include "mesh/state.h"
#include "mesh/tlsa.h"
#include "mesh/tlv.h"
#include "mqtt/wire.h"

#include <string.h>

uint32_t hello_mesh_hash(struct str mesh_name)
{
    return (uint32_t)hash_fast(0, mesh_name.ptr, mesh_name.len);
}

int hello_decode(struct str body, struct hello *ret_hello)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    struct hello hello = { 0 };
    struct tlv tlv;

    hello.version_min = wire_get_u8(&r);
    hello.version_max = wire_get_u8(&r);
    node_id_get(&r, &hello.id);
    hello.inc = wire_get_u32(&r);
    hello.boot = wire_get_u64(&r);
    hello.sid = wire_get_u32(&r);
    hello.role = wire_get_u8(&r);
    hello.mesh_hash = wire_get_u32(&r);
    hello.caps = wire_get_u64(&r);
    hello.name = wire_get_utf8(&r);
    for (uint64_t left = wire_get_leb(&r); left && !r.err; left--)
        wire_get_u32(&r); /* namespaces */
    wire_get_u64(&r);     /* wall clock */
    wire_get_u64(&r);     /* hlc */
    hello.nonce = wire_get_u64(&r);
    wire_get_u64(&r); /* resume */
    wire_get_u64(&r);
    hello.bundle_max = wire_get_u32(&r);
    wire_get_u32(&r); /* credit */
    for (uint64_t left = wire_get_leb(&r); left && !r.err; left--)
        wire_get_bytes(&r, NODE_ID_LEN); /* upstream chain */
    while (tlv_next(&r, &tlv)) {
        if (tlv.type == HELLO_TLV_MESH_NAME)
            hello.mesh_name = tlv.value;
        else if (tlv.type & TLV_MUST_UNDERSTAND)
            wire_fail(&r, ERR_MALFORMED);
    }
    int err = wire_finish(&r);
    if (err)
        return err;
    if (hello.name.len > TLSA_NAME_MAX || !str_is_mqtt_utf8(hello.mesh_name))
        return ERR_MALFORMED;
    *ret_hello = hello;
    return ERR_OK;
}

void hello_encode(struct buf *out, const struct hello *hello)
{
    buf_append_u8(out, hello->version_min);
    buf_append_u8(out, hello->version_max);
    buf_append(out, hello->id.bytes, NODE_ID_LEN);
    wire_put_u32(out, hello->inc);
    wire_put_u64(out, hello->boot);
    wire_put_u32(out, hello->sid);
    buf_append_u8(out, hello->role);
    wire_put_u32(out, hello->mesh_hash);
    wire_put_u64(out, hello->caps);
    wire_put_binary(out, hello->name);
    wire_put_leb(out, 0); /* namespaces */
    wire_put_u64(out, 0); /* wall clock */
    wire_put_u64(out, 0); /* hlc */
    wire_put_u64(out, hello->nonce);
    wire_put_u64(out, 0); /* resume */
    wire_put_u64(out, 0);
    wire_put_u32(out, hello->bundle_max);
    wire_put_u32(out, 0); /* credit */
    wire_put_leb(out, 0); /* upstream chain */
    tlv_put(out, HELLO_TLV_MESH_NAME, hello->mesh_name);
}

void hello_send(struct mesh *mesh, struct link *link)
{
    const struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    struct buf *body = mesh_scratch(mesh);
    struct hello hello = {
        .version_min = MESH_VERSION,
        .version_max = MESH_VERSION,
        .id = self->id,
        .inc = mesh->config.inc,
        .boot = mesh->config.boot,
        .sid = self->sid,
        .mesh_hash = hello_mesh_hash(mesh->config.mesh_name),
        .name = mesh->config.name,
        .nonce = link->nonce,
        .bundle_max = MESH_BUNDLE_MAX,
        .mesh_name = mesh->config.mesh_name,
    };
    hello_encode(body, &hello);
    link->hello_us = mesh->now_us;
    link_put(mesh, link, CLASS_CONTROL, FRAME_HELLO, buf_str(body));
}

/* Why there can be no link with this peer, said and done; false when there can. */
static bool unfit(struct mesh *mesh, struct link *link, const struct hello *hello)
{
    if (hello->mesh_hash != hello_mesh_hash(mesh->config.mesh_name)) {
        link_close(mesh, link, "another mesh: %.*s", STR_ARG(hello->mesh_name));
    } else if (hello->version_min > MESH_VERSION || hello->version_max < MESH_VERSION) {
        link_close(mesh, link, "no common version: this side has 1, the peer %u to %u",
                   hello->version_min, hello->version_max);
    } else if (node_id_equal(&hello->id, &lsdb_self(&mesh->lsdb)->id)) {
        if (hello->boot == mesh->config.boot) {
            if (link->seed != MESH_ACCEPTED)
                seed_is_self(mesh, link->seed);
            link_close(mesh, link, "this is the same broker");
        } else {
            identity_met(mesh, link, hello->inc, hello->boot);
        }
    } else if (hello->bundle_max < MESH_BUNDLE_MAX) {
        link_close(mesh, link, "the peer takes bundles of %u bytes only",
                   (unsigned)hello->bundle_max);
    }
    return link->closing;
}

/* Two links that the same side dialled: the newer one replaces the other at once. Is this
 * one to go? */
static bool replaced(struct mesh *mesh, struct link *link)
{
    bool dialled = link->seed != MESH_ACCEPTED;

    link_each(mesh, other)
    {
        if (other == link || other->closing || !other->hello_in ||
            !node_id_equal(&other->peer, &link->peer) || (other->seed != MESH_ACCEPTED) != dialled)
            continue;
        uint64_t ours = dialled ? link->nonce : link->peer_nonce;
        uint64_t theirs = dialled ? other->nonce : other->peer_nonce;
        bool newer =
            link->peer_inc != other->peer_inc ? link->peer_inc > other->peer_inc : ours > theirs;
        link_close(mesh, newer ? other : link, "duplicate link: a newer one replaces it");
        if (!newer)
            return true;
    }
    return false;
}

/* Both sides know each other? */
static void check_done(struct mesh *mesh, struct link *link)
{
    if (link->hello_in && link->ack_in)
        link_handle(mesh, link, LINK_EVENT_HELLO);
}

int hello_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct hello hello;
    struct lsdb_node *node;
    int err = hello_decode(body, &hello);

    if (err)
        return err;
    if (link->hello_in)
        return ERR_PROTOCOL;
    memcpy(link->peer_name, hello.name.ptr, hello.name.len);
    link->peer_name[hello.name.len] = '\0';
    if (unfit(mesh, link, &hello))
        return ERR_OK;
    if (lsdb_need(&mesh->lsdb, &hello.id, &node) != ERR_OK) {
        link_close(mesh, link, "too many brokers are known");
        return ERR_OK;
    }
    link->hello_in = true;
    link->peer = hello.id;
    link->peer_inc = hello.inc;
    link->peer_nonce = hello.nonce;
    if (!link->peer_name[0]) {
        char hex[12];
        struct str name = mesh_node_name(node, hex);
        memcpy(link->peer_name, name.ptr, name.len);
        link->peer_name[name.len] = '\0';
    }
    if (link->seed != MESH_ACCEPTED)
        seed_met(mesh, link->seed, &link->peer);
    if (replaced(mesh, link))
        return ERR_OK;
    struct buf *ack = mesh_scratch(mesh);
    wire_put_u64(ack, hello.nonce);
    buf_append_u8(ack, MESH_VERSION);
    wire_put_u64(ack, 0);
    link_put(mesh, link, CLASS_CONTROL, FRAME_HELLO_ACK, buf_str(ack));
    check_done(mesh, link);
    return ERR_OK;
}

int hello_ack_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    uint64_t nonce = wire_get_u64(&r);
    uint8_t version = wire_get_u8(&r);

    wire_get_u64(&r); /* capabilities in use */
    tlv_check(&r);
    int err = wire_finish(&r);
    if (err)
        return err;
    if (nonce != link->nonce || version != MESH_VERSION || link->ack_in)
        return ERR_PROTOCOL;
    link->ack_in = true;
    link->srtt_us = link->rtt_min_us = mesh->now_us - link->hello_us;
    link->ping_ms = mesh->now_ms;
    mesh_wake(mesh, link->ping_ms);
    check_done(mesh, link);
    return ERR_OK;
}
