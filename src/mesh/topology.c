/* SPDX-License-Identifier: Apache-2.0 */
/* Topology records: the own one is written when links change, others' are kept when they
 * are newer, and each newer one is told on. MESH.md 3.3, 3.4. */
#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/flood.h"
#include "mesh/identity.h"
#include "mesh/interest_sync.h"
#include "mesh/state.h"
#include "mesh/tlsa.h"

#include <stdlib.h>
#include <string.h>

enum { TLSA_GAP_FIRST_MS = 20, TLSA_GAP_MAX_MS = 1000 };

/* Take the edges out of a record. */
static struct lsdb_edge *edges_of(const struct tlsa *tlsa)
{
    struct lsdb_edge *edges = malloc((tlsa->edge_count ? tlsa->edge_count : 1) * sizeof *edges);
    struct str rest = tlsa->edges;

    for (size_t i = 0; edges && i < tlsa->edge_count; i++)
        tlsa_next_edge(&rest, &edges[i]);
    return edges;
}

/* Keep a record in the node's place. ERR_OK or ERR_NOMEM (nothing changed). */
static int keep(struct mesh *mesh, struct lsdb_node *node, struct str bytes)
{
    struct tlsa tlsa;
    uint8_t *record = malloc(bytes.len);

    if (!record)
        return ERR_NOMEM;
    memcpy(record, bytes.ptr, bytes.len);
    int err = tlsa_decode((struct str){ (const char *)record, bytes.len }, &tlsa);
    struct lsdb_edge *edges = err ? NULL : edges_of(&tlsa);
    if (!edges) {
        free(record);
        return err ? err : ERR_NOMEM;
    }
    free(node->record);
    free(node->edges);
    node->record = record;
    node->record_len = (uint32_t)bytes.len;
    node->edges = edges;
    node->edge_count = (uint32_t)tlsa.edge_count;
    node->inc = tlsa.inc;
    node->boot = tlsa.boot;
    node->tseq = tlsa.tseq;
    node->stub = tlsa.flags & (TLSA_STUB_ONLY | TLSA_OVERLOADED);
    node->name = tlsa.name;
    if (!node->sid || node->salt != tlsa.salt) {
        node->salt = tlsa.salt;
        lsdb_set_sid(&mesh->lsdb, node, node_sid(&node->id, tlsa.salt));
    }
    node->edges_open = true;
    lsdb_touch(node);
    spf_ask(mesh);
    return ERR_OK;
}

int topology_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct tlsa tlsa;
    struct lsdb_node *node;
    int err = tlsa_decode(body, &tlsa);

    if (err)
        return err;
    mesh->stats.floods_in++;
    if (node_id_equal(&tlsa.id, &lsdb_self(&mesh->lsdb)->id)) {
        if (identity_seen(mesh, tlsa.inc, tlsa.boot, tlsa.tseq))
            flood_tell_link(mesh, link, lsdb_self(&mesh->lsdb), RECORD_TOPOLOGY, 0, 0,
                            mesh->now_ms);
        return ERR_OK;
    }
    err = lsdb_need(&mesh->lsdb, &tlsa.id, &node);
    if (err) {
        if (err == ERR_LIMIT)
            digest_crowded(mesh, &tlsa.id);
        return ERR_OK;
    }
    int age = lsdb_compare(node, tlsa.inc, tlsa.boot, tlsa.tseq);
    if (age >= 0)
        flood_cancel(link, node, RECORD_TOPOLOGY);
    if (age <= 0) {
        if (age < 0)
            flood_tell_link(mesh, link, node, RECORD_TOPOLOGY, 0, 0, mesh->now_ms);
        return ERR_OK;
    }
    if (keep(mesh, node, body) != ERR_OK)
        return ERR_OK;
    identity_check_sid(mesh);
    digest_got(mesh, node, RECORD_TOPOLOGY);
    interest_watch(mesh, node);
    flood_tell(mesh, link, node, RECORD_TOPOLOGY, 0, 0);
    return ERR_OK;
}

void topology_ask(struct mesh *mesh)
{
    mesh_pace_ask(mesh, &mesh->tlsa_pace, 0);
}

/* The own neighbours in order of id, each with the cost of its link. */
static size_t put_neighbours(struct mesh *mesh, struct buf *out)
{
    size_t count = 0;

    vec_each (&mesh->lsdb.order, at) {
        struct link *link = (*at)->link ? link_at(mesh, (*at)->link) : NULL;
        if (!link || !link->advertised || count == TLSA_EDGES_MAX)
            continue;
        tlsa_put_edge(out, &(*at)->id, (uint16_t)link->cost);
        count++;
    }
    return count;
}

/* Write the own record anew and tell it. */
static void originate(struct mesh *mesh)
{
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    struct buf edges = { 0 }, record = { 0 };
    struct tlsa tlsa = {
        .id = self->id,
        .inc = mesh->config.inc,
        .boot = mesh->config.boot,
        .tseq = mesh->identity.tseq + 1,
        .salt = mesh->identity.salt,
        .flags = mesh->config.stub_only ? TLSA_STUB_ONLY : 0,
        .version_max = MESH_VERSION,
        .name = mesh->config.name,
    };
    tlsa.edge_count = put_neighbours(mesh, &edges);
    tlsa.edges = buf_str(&edges);
    tlsa_encode(&record, &tlsa);
    if (!edges.failed && !record.failed && keep(mesh, self, buf_str(&record)) == ERR_OK) {
        mesh->identity.tseq = tlsa.tseq;
        flood_tell(mesh, NULL, self, RECORD_TOPOLOGY, 0, 0);
    } else {
        mesh->out->failed = true;
        topology_ask(mesh);
    }
    buf_finish(&edges);
    buf_finish(&record);
}

uint64_t topology_run(struct mesh *mesh)
{
    if (mesh->tlsa_pace.due_ms <= mesh->now_ms) {
        mesh_pace_done(mesh, &mesh->tlsa_pace, TLSA_GAP_FIRST_MS, TLSA_GAP_MAX_MS);
        originate(mesh);
    }
    return mesh->tlsa_pace.due_ms;
}
