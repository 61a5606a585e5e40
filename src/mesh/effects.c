/* SPDX-License-Identifier: Apache-2.0 */
/* What steps put out: actions, facts, bytes; and the pace and scratch that every part of
 * the mesh shares. */
#include "mesh/state.h"

#include "mqtt/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PACE_QUIET_MS = 5000, SCRATCH_KEPT = 65536 };

const char *mesh_fact_name(enum mesh_fact_kind kind)
{
    switch (kind) {
    case MESH_FACT_LINK_FULL: return "link.full";
    case MESH_FACT_LINK_DOWN: return "link.down";
    case MESH_FACT_NODE_REACHABLE: return "node.reachable";
    case MESH_FACT_NODE_LOST: return "node.lost";
    case MESH_FACT_DUPLICATE_ID: return "node.duplicate_id";
    case MESH_FACT_REPAIRED: return "mesh.repaired";
    case MESH_FACT_REFUSED: return "mesh.refused";
    }
    return "?";
}

void mesh_out_clear(struct mesh_out *out)
{
    vec_each (&out->actions, action)
        message_unref(action->message);
    vec_clear(&out->actions);
    vec_clear(&out->facts);
    buf_clear(&out->bytes);
    out->failed = false;
}

void mesh_out_finish(struct mesh_out *out)
{
    mesh_out_clear(out);
    vec_finish(&out->actions);
    vec_finish(&out->facts);
    buf_finish(&out->bytes);
}

struct mesh_action *mesh_act(struct mesh *mesh, enum mesh_action_kind kind)
{
    struct mesh_action *action = vec_push(&mesh->out->actions);

    if (action)
        action->kind = kind;
    else
        mesh->out->failed = true;
    return action;
}

void mesh_act_bytes(struct mesh *mesh, enum mesh_action_kind kind, link_id link,
                    enum mesh_channel channel, const void *bytes, size_t len)
{
    size_t at = mesh->out->bytes.len;

    buf_append(&mesh->out->bytes, bytes, len);
    struct mesh_action *action = mesh->out->bytes.failed ? NULL : mesh_act(mesh, kind);
    if (!action) {
        mesh->out->failed = true;
        return;
    }
    action->link = link;
    action->channel = channel;
    action->at = at;
    action->len = len;
}

void mesh_fact(struct mesh *mesh, enum mesh_fact_kind kind, link_id link, struct str name,
               const char *format, ...)
{
    struct buf *bytes = &mesh->out->bytes;
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct mesh_fact *fact = vec_push(&mesh->out->facts);
    if (!fact) {
        mesh->out->failed = true;
        return;
    }
    fact->kind = kind;
    fact->link = link;
    fact->name_at = bytes->len;
    buf_append_str(bytes, name);
    fact->name_len = bytes->len - fact->name_at;
    fact->text_at = bytes->len;
    buf_append_str(bytes, str_from_c(text));
    fact->text_len = bytes->len - fact->text_at;
}

struct str mesh_node_name(const struct lsdb_node *node, char ret_hex[12])
{
    if (node->name.len)
        return node->name;
    for (int i = 0; i < 4; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", node->id.bytes[i]);
    return (struct str){ ret_hex, 8 };
}

struct buf *mesh_scratch(struct mesh *mesh)
{
    if (mesh->scratch.cap > 2 * SCRATCH_KEPT)
        buf_finish(&mesh->scratch);
    buf_clear(&mesh->scratch);
    return &mesh->scratch;
}

void mesh_pace_ask(struct mesh *mesh, struct pace *pace, uint32_t first_ms)
{
    if (pace->due_ms != UINT64_MAX)
        return;
    if (mesh->now_ms - pace->last_ms > PACE_QUIET_MS)
        pace->gap_ms = 0;
    pace->due_ms = mesh->now_ms + first_ms;
    if (pace->due_ms < pace->last_ms + pace->gap_ms)
        pace->due_ms = pace->last_ms + pace->gap_ms;
    mesh_wake(mesh, pace->due_ms);
}

void mesh_pace_done(struct mesh *mesh, struct pace *pace, uint32_t floor_ms, uint32_t ceiling_ms)
{
    pace->due_ms = UINT64_MAX;
    pace->last_ms = mesh->now_ms;
    pace->gap_ms = pace->gap_ms ? pace->gap_ms * 2 : floor_ms;
    if (pace->gap_ms > ceiling_ms)
        pace->gap_ms = ceiling_ms;
}
