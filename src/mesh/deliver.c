/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/deliver.h"

#include "base/err.h"
#include "mesh/state.h"

/* What its origin wrote is not a message: nobody on the way looked. */
static void complain(struct mesh *mesh, struct link *link, const struct frame *frame, int err)
{
    struct lsdb_node *origin = lsdb_by_sid(&mesh->lsdb, frame->origin);
    char hex[12];

    if (err == ERR_NOMEM) {
        mesh->out->failed = true;
        return;
    }
    mesh_fact(mesh, MESH_FACT_REFUSED, link ? link->id : 0,
              origin ? mesh_node_name(origin, hex) : STR("unknown broker"), "%s",
              "a message that is not well formed");
}

static int deliver_tail(struct mesh *mesh, uint8_t flags, struct str tail)
{
    struct message *message;
    int err = frame_message(flags, tail, mesh->now_ms, &message);

    if (err)
        return err;
    struct mesh_action *action = mesh_act(mesh, MESH_DELIVER);
    if (!action) {
        message_unref(message);
        return ERR_NOMEM;
    }
    action->message = message;
    mesh->stats.delivered++;
    return ERR_OK;
}

static int deliver_piece(struct mesh *mesh, const struct frame *frame)
{
    struct lsdb_node *origin = lsdb_by_sid(&mesh->lsdb, frame->origin);
    struct frag_message *whole;
    struct frag frag;
    int err = frag_decode(frame->tail, &frag);

    if (err)
        return err;
    if (!origin)
        return ERR_OK; /* from a broker that was forgotten meanwhile */
    frag.origin = origin->index;
    err = frag_add(&mesh->frags, &frag, mesh->now_ms, &whole);
    mesh_wake(mesh, mesh->now_ms + FRAG_AGE_MS);
    if (err || !whole)
        return err;
    struct str tail = { (const char *)whole->data, (size_t)whole->total };
    err = deliver_tail(mesh, frame->flags, tail);
    frag_release(&mesh->frags, whole);
    return err;
}

void mesh_deliver(struct mesh *mesh, struct link *link, const struct frame *frame)
{
    int err = frame->type == FRAME_FRAG ? deliver_piece(mesh, frame)
                                        : deliver_tail(mesh, frame->flags, frame->tail);

    if (err)
        complain(mesh, link, frame, err);
}
