/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fact.h"

#include "base/log.h"
#include "core/core.h"
#include "mqtt/reason.h"
#include "net/stream.h"
#include "net/turn.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 512, ADDRESS_MAX = 64, NAME_MAX_LEN = 48 };

static enum log_level level_of_core(enum core_fact_kind kind)
{
    switch (kind) {
    case CORE_FACT_CONNECTED:
    case CORE_FACT_DISCONNECTED:
    case CORE_FACT_TAKEN_OVER: return LOG_INFO;
    case CORE_FACT_REFUSED:
    case CORE_FACT_DROPPED: return LOG_WARN;
    case CORE_FACT_SESSION_EXPIRED:
    case CORE_FACT_WILL: return LOG_DEBUG;
    }
    return LOG_INFO;
}

void fact_of_core(struct net *net, const struct core_fact *fact)
{
    enum log_level level = level_of_core(fact->kind);
    char name[NAME_MAX_LEN], client[TEXT_MAX], peer[ADDRESS_MAX] = "-", reason[TEXT_MAX];

    if (!log_enabled(level))
        return;
    const struct stream *stream =
        fact->conn < net->streams.len ? net->streams.at[fact->conn] : NULL;
    struct str id = { (const char *)net->out.core.bytes.data + fact->at, fact->len };

    if (stream)
        stream->transport->peer(stream, peer, sizeof peer);
    snprintf(name, sizeof name, "client.%s", core_fact_name(fact->kind));
    for (char *at = name; (at = strchr(at, ' '));) /* an event's name is one word */
        *at = '_';
    log_quoted(id, client, sizeof client);
    switch (fact->kind) {
    case CORE_FACT_CONNECTED:
        log_event(level, name, "client=%s address=%s version=%d", client, peer,
                  stream ? stream->version : 0);
        break;
    case CORE_FACT_REFUSED:
    case CORE_FACT_DISCONNECTED:
    case CORE_FACT_TAKEN_OVER:
        log_quoted(str_from_c(reason_text(fact->reason)), reason, sizeof reason);
        log_event(level, name, "client=%s address=%s reason=%s code=0x%02X", client, peer, reason,
                  fact->reason);
        break;
    case CORE_FACT_DROPPED:
        log_event(level, name, "client=%s messages=%llu", client, (unsigned long long)fact->count);
        break;
    case CORE_FACT_SESSION_EXPIRED:
    case CORE_FACT_WILL: log_event(level, name, "client=%s", client); break;
    }
}

static enum log_level level_of_mesh(enum mesh_fact_kind kind)
{
    switch (kind) {
    case MESH_FACT_LINK_FULL:
    case MESH_FACT_NODE_REACHABLE: return LOG_INFO;
    case MESH_FACT_LINK_DOWN:
    case MESH_FACT_NODE_LOST:
    case MESH_FACT_REPAIRED:
    case MESH_FACT_REFUSED: return LOG_WARN;
    case MESH_FACT_DUPLICATE_ID: return LOG_ERROR;
    }
    return LOG_INFO;
}

void fact_of_mesh(struct net *net, const struct mesh_fact *fact)
{
    enum log_level level = level_of_mesh(fact->kind);
    const char *bytes = (const char *)net->out.mesh.bytes.data;
    char peer[TEXT_MAX], text[TEXT_MAX];

    if (!log_enabled(level))
        return;
    log_quoted((struct str){ bytes + fact->name_at, fact->name_len }, peer, sizeof peer);
    if (fact->text_len == 0) {
        log_event(level, mesh_fact_name(fact->kind), "peer=%s", peer);
        return;
    }
    log_quoted((struct str){ bytes + fact->text_at, fact->text_len }, text, sizeof text);
    log_event(level, mesh_fact_name(fact->kind), "peer=%s reason=%s", peer, text);
}

void fact_slow(const struct stream *stream)
{
    char peer[ADDRESS_MAX] = "-";

    stream->transport->peer(stream, peer, sizeof peer);
    log_warn("client.slow", "address=%s queued_bytes=%zu", peer, stream->out.bytes);
}
