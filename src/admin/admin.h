/* SPDX-License-Identifier: Apache-2.0 */
/* What a running broker tells people: its state as JSON, and a page for browsers. The
 * server puts these behind HTTP routes. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>

struct node;
struct store_stats;

/* What is looked at. Everything is borrowed for the call. */
struct admin_view {
    struct node *node;
    struct str name; /* of this broker */
    struct node_id id;
    bool ready; /* clients are let in */
    uint64_t uptime_ms;
    size_t resident_bytes;
    const struct store_stats *store; /* NULL: nothing survives */
    uint32_t recovery_ms;            /* how long its restore took */
    struct {
        uint64_t connections, links, accepted, refused;
        uint64_t bytes_in, bytes_out, out_queue_bytes, slow_closed;
    } transport;
    struct {
        uint64_t verified, remembered, wrong; /* with work, without it; those that failed */
        uint64_t refused_busy, refused_early; /* too many at once; too many failed before */
        uint64_t checks_waiting, refusals_waiting, addresses;
    } passwords;
};

/* GET /api/v1/status: this broker's counters. Appended to out; ERR_OK or ERR_NOMEM. */
int admin_status_json(const struct admin_view *view, struct buf *out);

/* GET /api/v1/mesh: who is in the mesh, and this broker's links:
 *     {"self": NAME,
 *      "nodes": [{"name", "id", "reachable", "hops", "cost", "filters"}],
 *      "links": [{"peer", "state", "rtt_us", "cost", "reason"}]}
 * Stable: tools outside the tree rely on it. Appended to out; ERR_OK or ERR_NOMEM. */
int admin_mesh_json(const struct admin_view *view, struct buf *out);

/* GET /: the page, one file without anything from elsewhere. Static. */
struct str admin_page(void);
