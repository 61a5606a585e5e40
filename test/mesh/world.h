/* SPDX-License-Identifier: Apache-2.0 */
/* A few meshes in one process, joined by links of one millisecond, for conversations in
 * tests. Each broker is a letter: 0 is "a". */
#pragma once

#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>

enum { WORLD_NODES = 6, WORLD_LINKS = 32, WORLD_TEXT = 65536 };

/* One bundle, or the end of a link, on its way. */
struct world_packet {
    struct world_packet *next;
    uint64_t due_ms;
    int to;
    link_id link;
    bool down;
    size_t len;
    uint8_t bytes[];
};

/* A link between two brokers: the numbers it has at its ends. */
struct world_link {
    bool up, cut; /* cut: what is sent vanishes */
    int node[2];
    link_id id[2];
};

struct world_node {
    struct mesh *mesh;
    struct mesh_config config;
    link_id next_link;
    char inbox[WORLD_TEXT]; /* "topic=payload " of each delivery */
    char facts[WORLD_TEXT]; /* "name text\n" of each fact */
    struct message *last;   /* the last delivery */
    uint32_t persisted;
    uint64_t sent; /* bundles */
    uint64_t bytes;
};

struct world {
    void (*around)(bool before); /* called around each step, or NULL */
    bool failed;                 /* some step ran out of memory */
    uint64_t now_ms;
    int count;
    struct world_node nodes[WORLD_NODES];
    struct world_link links[WORLD_LINKS];
    int link_count;
    struct world_packet *first, **last;
};

/* Brokers without links. configure, or NULL, may change a broker's configuration. */
struct world *world_new(int count, void (*configure)(int node, struct mesh_config *config));
void world_free(struct world *world);

/* Join two: a dialled b. The number of the link in world. */
int world_join(struct world *world, int a, int b);

/* The transport of a link ends at both sides. */
void world_cut(struct world *world, int link);

/* Let time pass. */
void world_run(struct world *world, uint64_t ms);

/* A client subscribes, the last one unsubscribes, one publishes. */
void world_subscribe(struct world *world, int node, const char *filter);
void world_unsubscribe(struct world *world, int node, const char *filter);
void world_publish(struct world *world, int node, const char *topic, const char *payload);
void world_publish_message(struct world *world, int node, struct message *message);

/* The broker stops and starts anew with nothing, its incarnation one higher. */
void world_restart(struct world *world, int node, uint32_t inc, uint64_t boot);

/* Raw bytes come to a broker on a link as if its peer had sent them. */
void world_inject(struct world *world, int link, int side, const void *bytes, size_t len);

/* One event for a broker, and what follows. */
void world_event(struct world *world, int node, struct mesh_event event);

/* How b sees a: by a's id; false when it does not know it. */
bool world_view(struct world *world, int b, int a, struct mesh_node_view *ret_view);

/* Do all agree on everything, and do all audits pass? */
bool world_agrees(struct world *world);

/* The state of the link at one side. */
enum link_state world_link_state(struct world *world, int link, int side);
