/* SPDX-License-Identifier: Apache-2.0 */
#include "store/group.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

/* What an operation takes beside its message and text, about. */
enum { OP_BYTES = 24 };

struct group *group_new(uint64_t first_token, uint64_t now_ms)
{
    struct group *group = calloc(1, sizeof *group);

    if (!group)
        return NULL;
    list_init(&group->work.link);
    group->work.kind = WORK_GROUP;
    group->first_token = first_token;
    group->since_ms = now_ms;
    return group;
}

void group_free(struct group *group)
{
    if (!group)
        return;
    vec_each (&group->ops, op) {
        if (op->kind != GROUP_UNDONE)
            durable_op_finish(op);
    }
    vec_finish(&group->ops);
    free(group);
}

static uint64_t op_bytes(const struct durable_op *op)
{
    uint64_t bytes = OP_BYTES;

    if (op->message)
        bytes += message_size(op->message);
    if (op->kind == DURABLE_SUB_PUT || op->kind == DURABLE_SUB_DEL ||
        op->kind == DURABLE_RETAIN_DEL)
        bytes += op->text.len;
    if (op->kind == DURABLE_SESSION_PUT)
        bytes += op->about->client_id.len + (op->about->will ? message_size(op->about->will) : 0);
    return bytes;
}

/* The QUEUE_PUT in this group that op undoes, or NULL. */
static struct durable_op *undone_by(struct group *group, const struct durable_op *op)
{
    if (op->kind != DURABLE_QUEUE_DEL || op->undoes < group->first_token)
        return NULL;
    assert(op->undoes - group->first_token < group->ops.len);
    struct durable_op *put = &group->ops.at[op->undoes - group->first_token];
    return put->kind == DURABLE_QUEUE_PUT && put->session == op->session && put->seq == op->seq
               ? put
               : NULL;
}

int group_add(struct group *group, const struct durable_op *op)
{
    assert(op->token == group->first_token + group->ops.len);
    struct durable_op *slot = vec_push(&group->ops);
    if (!slot)
        return ERR_NOMEM;
    *slot = *op;
    struct durable_op *put = undone_by(group, op);
    if (!put) {
        group->live++;
        group->waiting += !op->lazy;
        group->bytes += op_bytes(op);
        return ERR_OK;
    }
    group->live--;
    group->waiting -= !put->lazy;
    group->bytes -= op_bytes(put);
    durable_op_finish(put);
    durable_op_finish(slot);
    put->kind = slot->kind = GROUP_UNDONE;
    return ERR_OK;
}

uint64_t group_last_token(const struct group *group)
{
    return group->first_token + group->ops.len - 1;
}
