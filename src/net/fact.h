/* SPDX-License-Identifier: Apache-2.0 */
/* Facts go to the log: what happened to clients, in the mesh, and to connections. Event
 * names are stable: "client.connected", "link.full", ... */
#pragma once

struct core_fact;
struct mesh_fact;
struct net;
struct stream;

/* A fact of the core, with the peer's address while there is one. */
void fact_of_core(struct net *net, const struct core_fact *fact);

/* A fact of the mesh. */
void fact_of_mesh(struct net *net, const struct mesh_fact *fact);

/* This client does not take what it is sent: it is closed. */
void fact_slow(const struct stream *stream);
