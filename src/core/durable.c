/* SPDX-License-Identifier: Apache-2.0 */
#include "core/durable.h"

#include <stdlib.h>

void durable_op_finish(struct durable_op *op)
{
    switch ((enum durable_kind)op->kind) {
    case DURABLE_SUB_PUT:
    case DURABLE_SUB_DEL:
    case DURABLE_RETAIN_DEL: free((char *)op->text.ptr); break;
    case DURABLE_SESSION_PUT:
        message_unref(op->about->will);
        free(op->about);
        break;
    case DURABLE_QUEUE_PUT:
        if (op->sub_id_count > 1)
            free(op->sub_ids);
        break;
    case DURABLE_SESSION_DEL:
    case DURABLE_QUEUE_RECEIVED:
    case DURABLE_QUEUE_DEL:
    case DURABLE_INCOMING_PUT:
    case DURABLE_INCOMING_DEL:
    case DURABLE_RETAIN_PUT:
    case DURABLE_QUEUE_STATE: break;
    }
    message_unref(op->message);
    op->message = NULL;
}
