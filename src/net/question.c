/* SPDX-License-Identifier: Apache-2.0 */
#include "net/question.h"

#include "base/log.h"
#include "net/stream.h"
#include "net/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Has the transport found out who it is already? Then no password is asked for. */
static bool is_vouched(const struct net *net, const struct core_ask *ask)
{
    const struct stream *stream = ask->conn < net->streams.len ? net->streams.at[ask->conn] : NULL;

    return stream && ask->method.len == 0 && stream_username(stream).len > 0;
}

void net_peer(const struct net *net, uint32_t conn, char *out, size_t size)
{
    const struct stream *stream = conn < net->streams.len ? net->streams.at[conn] : NULL;

    snprintf(out, size, "-");
    if (stream)
        stream->transport->peer(stream, out, size);
}

void question_pass_all(struct net *net)
{
    const uint8_t *bytes = net->out.core.bytes.data;

    vec_each (&net->out.core.asks, ask) {
        if (is_vouched(net, ask) || !net->config.ask)
            net_answer(
                net, ask->conn,
                &(struct core_answer){ .ask = ask->ask,
                                       .verdict = is_vouched(net, ask) ? CORE_ALLOW : CORE_DENY });
        else
            net->config.ask(net->config.context, ask, bytes);
    }
}

void net_answer(struct net *net, uint32_t conn, const struct core_answer *answer)
{
    char *data = answer->data.len ? malloc(answer->data.len) : NULL;
    struct answer *slot = answer->data.len && !data ? NULL : vec_push(&net->answers);

    if (!slot) { /* the client waits in vain, until its time is up */
        free(data);
        log_error("memory.exhausted", "what=answer");
        return;
    }
    *slot = (struct answer){ .conn = conn, .answer = *answer };
    slot->answer.data.ptr = data ? memcpy(data, answer->data.ptr, answer->data.len) : NULL;
}

bool question_tell_core(struct net *net)
{
    bool any = net->answers.len > 0;

    vec_each (&net->answers, answer) {
        struct core_event event = { .kind = CORE_ANSWER,
                                    .now_ms = net->now_ms,
                                    .conn = answer->conn,
                                    .answer = &answer->answer };
        node_on_client(net->node, &event, &net->out);
        free((char *)answer->answer.data.ptr);
    }
    vec_clear(&net->answers);
    return any;
}

void question_finish(struct net *net)
{
    vec_each (&net->answers, answer)
        free((char *)answer->answer.data.ptr);
    vec_finish(&net->answers);
}
