/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include "base/err.h"
#include "node/node.h"
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* The page as the assembler put it there, see page.sh. */
extern const char admin_page_begin[], admin_page_end[];

struct str admin_page(void)
{
    return (struct str){ admin_page_begin, (size_t)(admin_page_end - admin_page_begin) };
}

/* A name as JSON. Names come from peers: what is no text is shown as such. */
static json_t *text_json(struct str text)
{
    json_t *value = json_stringn(text.len ? text.ptr : "", text.len);

    return value ? value : json_string("(not UTF-8)");
}

static json_t *id_json(const struct node_id *id)
{
    char hex[2 * NODE_ID_LEN + 1];

    for (size_t i = 0; i < NODE_ID_LEN; i++)
        snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
    return json_string(hex);
}

/* Append root as text and release it. */
static int dump(json_t *root, struct buf *out)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    if (text)
        buf_append_str(out, str_from_c(text));
    free(text);
    json_decref(root);
    return text && !out->failed ? ERR_OK : ERR_NOMEM;
}

static json_t *node_json(const struct mesh_node_view *node)
{
    return json_pack("{s:o, s:o, s:b, s:I, s:I, s:I}", "name", text_json(node->name), "id",
                     id_json(&node->id), "reachable", node->self || node->reachable, "hops",
                     (json_int_t)node->hops, "cost", (json_int_t)node->cost, "filters",
                     (json_int_t)node->filters);
}

static json_t *link_json(const struct mesh_link_view *link)
{
    return json_pack("{s:o, s:s, s:I, s:I, s:o}", "peer", text_json(link->peer), "state",
                     link_state_name(link->state), "rtt_us", (json_int_t)link->rtt_us, "cost",
                     (json_int_t)link->cost, "reason", text_json(link->reason));
}

int admin_mesh_json(const struct admin_view *view, struct buf *out)
{
    const struct mesh *mesh = node_mesh(view->node);
    json_t *nodes = json_array(), *links = json_array();
    struct mesh_node_view node;
    struct mesh_link_view link;
    int failed = 0;

    for (size_t cursor = 0; mesh_next_node(mesh, &cursor, &node);)
        failed |= json_array_append_new(nodes, node_json(&node));
    for (size_t cursor = 0; mesh_next_link(mesh, &cursor, &link);)
        failed |= json_array_append_new(links, link_json(&link));
    json_t *root =
        json_pack("{s:o, s:o, s:o}", "self", text_json(view->name), "nodes", nodes, "links", links);
    int err = dump(root, out);
    return failed ? ERR_NOMEM : err;
}

/* A counter of a struct that is all uint64_t members, by name. */
struct counter {
    const char *name;
    uint64_t value;
};

static json_t *counters_json(const struct counter *counters, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, counters[i].name, json_integer((json_int_t)counters[i].value));
    return object;
}

static json_t *broker_json(const struct admin_view *view)
{
    const struct core_stats stats = core_stats(node_core(view->node));
    const struct counter counters[] = {
        { "connections", stats.connections },
        { "connections_total", stats.connections_total },
        { "sessions", stats.sessions },
        { "subscriptions", stats.subscriptions },
        { "filters", stats.filters },
        { "subscription_bytes", stats.subscription_bytes },
        { "messages_in", stats.messages_in },
        { "messages_out", stats.messages_out },
        { "messages_dropped", stats.messages_dropped },
        { "bytes_in", stats.bytes_in },
        { "bytes_out", stats.bytes_out },
        { "publishes_in_qos0", stats.publishes_in[0] },
        { "publishes_in_qos1", stats.publishes_in[1] },
        { "publishes_in_qos2", stats.publishes_in[2] },
        { "publishes_out_qos0", stats.publishes_out[0] },
        { "publishes_out_qos1", stats.publishes_out[1] },
        { "publishes_out_qos2", stats.publishes_out[2] },
        { "retained", stats.retained },
        { "retained_bytes", stats.retained_bytes },
        { "queued", stats.queued },
        { "queued_bytes", stats.queued_bytes },
        { "inflight", stats.inflight },
    };

    return counters_json(counters, sizeof counters / sizeof counters[0]);
}

static json_t *mesh_counters_json(const struct admin_view *view)
{
    const struct mesh_stats stats = mesh_stats(node_mesh(view->node));
    const struct counter counters[] = {
        { "frames_in", stats.frames_in },
        { "frames_out", stats.frames_out },
        { "frames_forwarded", stats.frames_forwarded },
        { "bytes_in", stats.bytes_in },
        { "bytes_out", stats.bytes_out },
        { "delivered", stats.delivered },
        { "published", stats.published },
        { "dropped_ttl", stats.dropped_ttl },
        { "dropped_uturn", stats.dropped_uturn },
        { "dropped_unreachable", stats.dropped_unreachable },
        { "dropped_queue", stats.dropped_queue },
        { "dropped_age", stats.dropped_age },
        { "spf_runs", stats.spf_runs },
        { "floods_in", stats.floods_in },
        { "floods_out", stats.floods_out },
        { "repairs", stats.repairs },
        { "queue_bytes", stats.queue_bytes },
        { "queue_bytes_peak", stats.queue_bytes_peak },
    };

    return counters_json(counters, sizeof counters / sizeof counters[0]);
}

static json_t *transport_json(const struct admin_view *view)
{
    const struct counter counters[] = {
        { "connections", view->transport.connections },
        { "links", view->transport.links },
        { "accepted", view->transport.accepted },
        { "refused", view->transport.refused },
        { "bytes_in", view->transport.bytes_in },
        { "bytes_out", view->transport.bytes_out },
        { "out_queue_bytes", view->transport.out_queue_bytes },
        { "slow_closed", view->transport.slow_closed },
    };

    return counters_json(counters, sizeof counters / sizeof counters[0]);
}

static json_t *passwords_json(const struct admin_view *view)
{
    const struct counter counters[] = {
        { "verified", view->passwords.verified },
        { "remembered", view->passwords.remembered },
        { "wrong", view->passwords.wrong },
        { "refused_busy", view->passwords.refused_busy },
        { "refused_early", view->passwords.refused_early },
        { "checks_waiting", view->passwords.checks_waiting },
        { "refusals_waiting", view->passwords.refusals_waiting },
        { "addresses", view->passwords.addresses },
    };

    return counters_json(counters, sizeof counters / sizeof counters[0]);
}

/* The bucket that this share of all commits does not exceed, as microseconds. */
static uint64_t commit_us(const struct store_stats *stats, unsigned percent)
{
    uint64_t all = 0, seen = 0;

    for (size_t i = 0; i < STORE_LATENCY_BUCKETS; i++)
        all += stats->commit_us[i];
    for (size_t i = 0; i < STORE_LATENCY_BUCKETS; i++) {
        seen += stats->commit_us[i];
        if (all && seen * 100 >= all * percent)
            return (uint64_t)64 << i;
    }
    return 0;
}

static json_t *store_json(const struct admin_view *view)
{
    static const struct store_stats none;
    const struct store_stats *stats = view->store ? view->store : &none;
    const struct counter counters[] = {
        { "groups", stats->groups },
        { "operations", stats->ops },
        { "operations_undone", stats->ops_undone },
        { "pending", stats->pending_ops },
        { "oldest_pending_ms", stats->oldest_pending_ms },
        { "journal_bytes", stats->journal_bytes },
        { "table_bytes", stats->table_bytes },
        { "written_bytes", stats->written_bytes },
        { "commit_us_p50", commit_us(stats, 50) },
        { "commit_us_p99", commit_us(stats, 99) },
        { "commit_us_mean", stats->groups ? stats->commit_us_sum / stats->groups : 0 },
        { "checkpoints", stats->checkpoints },
        { "loads", stats->loads },
        { "damaged", stats->damaged },
        { "full", stats->health == STORE_FULL },
        { "recovery_ms", view->recovery_ms },
    };
    json_t *root = counters_json(counters, sizeof counters / sizeof counters[0]);
    json_t *histogram = json_array();

    for (size_t i = 0; i < STORE_LATENCY_BUCKETS; i++)
        json_array_append_new(histogram, json_integer((json_int_t)stats->commit_us[i]));
    json_object_set_new(root, "commit_us_histogram", histogram);
    json_object_set_new(root, "durable", json_boolean(view->store != NULL));
    return root;
}

int admin_status_json(const struct admin_view *view, struct buf *out)
{
    json_t *root = json_pack(
        "{s:o, s:o, s:s, s:b, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "name", text_json(view->name), "id",
        id_json(&view->id), "version", PLEXUS_VERSION, "ready", view->ready, "uptime_ms",
        (json_int_t)view->uptime_ms, "resident_bytes", (json_int_t)view->resident_bytes, "broker",
        broker_json(view), "mesh", mesh_counters_json(view), "transport", transport_json(view), "passwords",
        passwords_json(view), "store", store_json(view));

    return dump(root, out);
}
