/* SPDX-License-Identifier: Apache-2.0 */
/* Looking in: what status pages, the simulator and tests see of a mesh. Nothing here
 * changes anything. */
#include "mesh/state.h"

#include "mesh/interest_sync.h"

#include <stdlib.h>
#include <string.h>

bool mesh_next_node(const struct mesh *mesh, size_t *cursor, struct mesh_node_view *ret_node)
{
    if (*cursor >= mesh->lsdb.order.len)
        return false;
    const struct lsdb_node *node = mesh->lsdb.order.at[(*cursor)++];
    *ret_node = (struct mesh_node_view){
        .name = node->name,
        .id = node->id,
        .inc = node->inc,
        .boot = node->boot,
        .tseq = node->tseq,
        .iver = node->iver,
        .ihash = interest_hash(node),
        .self = node->index == NODE_SELF,
        .reachable = node->reachable || node->index == NODE_SELF,
        .hops = node->reachable ? node->hops : 0,
        .cost = node->reachable ? node->dist : 0,
        .filters = node->set ? iset_count(node->set) : 0,
    };
    return true;
}

static void view_link(const struct link *link, struct mesh_link_view *ret_link)
{
    *ret_link = (struct mesh_link_view){
        .link = link->closing ? 0 : link->id,
        .peer = str_from_c(link->peer_name),
        .state = link->state,
        .rtt_us = link->srtt_us,
        .cost = link->cost,
        .reason = str_from_c(link->reason),
    };
}

bool mesh_next_link(const struct mesh *mesh, size_t *cursor, struct mesh_link_view *ret_link)
{
    for (; *cursor < mesh->links.len; (*cursor)++) {
        const struct link *link = mesh->links.at[*cursor];
        if (!link || (link->closing && link->seed != MESH_ACCEPTED))
            continue;
        view_link(link, ret_link);
        if (ret_link->peer.len == 0 && link->seed != MESH_ACCEPTED)
            ret_link->peer = mesh->config.seeds[link->seed];
        (*cursor)++;
        return true;
    }
    while (*cursor - mesh->links.len < mesh->seeds.list.len) {
        size_t at = (*cursor)++ - mesh->links.len;
        const struct seed *seed = &mesh->seeds.list.at[at];
        if (seed->link)
            continue;
        *ret_link = (struct mesh_link_view){
            .peer = mesh->config.seeds[at],
            .state = seed->dialing ? LINK_DIALING : LINK_DOWN,
            .reason = str_from_c(seed->reason),
        };
        return true;
    }
    return false;
}

bool mesh_next_filter(const struct mesh *mesh, const struct node_id *id, size_t *cursor,
                      struct str *ret_filter, uint8_t *ret_qos)
{
    const struct lsdb_node *node = lsdb_find(&mesh->lsdb, id);
    struct interest interest;

    if (!node || !node->set || !iset_next(node->set, cursor, &interest))
        return false;
    *ret_filter = interest.filter;
    *ret_qos = interest.qos;
    return true;
}

struct mesh_stats mesh_stats(const struct mesh *mesh)
{
    struct mesh_stats stats = mesh->stats;

    stats.dropped_queue = mesh->pool.dropped_full;
    stats.dropped_age = mesh->pool.dropped_age;
    stats.queue_bytes = mesh->pool.bytes;
    stats.queue_bytes_peak = mesh->pool.bytes_peak;
    return stats;
}

/* ---- audit ---- */

/* What SPF says of a node, to compare. */
struct path {
    uint32_t dist;
    uint16_t hops;
    uint8_t hop_count;
    uint32_t next_hops[NEXT_HOPS_MAX];
};

static struct path path_of(const struct lsdb_node *node)
{
    struct path path = { 0 }; /* zeroed: compared by bytes */

    path.dist = node->dist;
    path.hops = node->hops;
    path.hop_count = node->hop_count;
    memcpy(path.next_hops, node->next_hops, node->hop_count * sizeof node->next_hops[0]);
    return path;
}

static const char *audit_paths(const struct mesh *mesh)
{
    struct lsdb lsdb = mesh->lsdb; /* the nodes are shared, and get what they have */
    struct path *before = calloc(lsdb.order.len, sizeof *before);
    struct spf spf = { 0 };
    const char *wrong = NULL;

    if (mesh->spf_pace.due_ms != UINT64_MAX || !before) {
        free(before);
        return NULL; /* about to change anyway */
    }
    for (size_t i = 0; i < lsdb.order.len; i++)
        before[i] = path_of(lsdb.order.at[i]);
    if (spf_compute(&spf, &lsdb) != 0)
        wrong = "out of memory";
    for (size_t i = 0; i < lsdb.order.len && !wrong; i++) {
        struct path after = path_of(lsdb.order.at[i]);
        if (memcmp(&before[i], &after, sizeof after) != 0)
            wrong = "the path to a broker is not what SPF computes";
    }
    spf_finish(&spf);
    free(before);
    return wrong;
}

static const char *audit_interest(const struct mesh *mesh)
{
    size_t pairs = 0;
    bool bad = false;

    vec_each (&mesh->lsdb.order, at) {
        const struct lsdb_node *node = *at;
        bad = bad || node->set_bad;
        if (node->set && iset_hash(node->set) != iset_hash_recompute(node->set))
            return "the hash of a broker's interest is not that of its entries";
        if (node->index != NODE_SELF && node->set)
            pairs += iset_count(node->set);
    }
    bool settled = !bad && list_empty(&mesh->installing);
    if (settled && interest_index_stats(mesh->index).pairs != pairs)
        return "the interest index does not hold the entries of all sets";
    return NULL;
}

const char *mesh_audit(const struct mesh *mesh)
{
    size_t bytes = 0, links = 0;
    const char *wrong = audit_interest(mesh);

    link_each(mesh, link)
    {
        size_t here = link_queue_recount(&link->queue);
        size_t counted = 0;
        for (int class = 0; class < CLASS_COUNT; class ++)
            counted += link->queue.bytes[class];
        if (here != counted)
            return "a link's queue does not hold the bytes it counts";
        bytes += here;
        links++;
    }
    if (bytes != mesh->pool.bytes)
        return "the queues do not hold the bytes that are counted";
    if (links != mesh->link_count)
        return "there are more or fewer links than are counted";
    return wrong ? wrong : audit_paths(mesh);
}
