/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing messages to the brokers that want them. Where a message enters, it is matched
 * once and gets the set of its destinations; every broker on the way splits the set by
 * next hop and sends each part on, so that each destination is in one copy only.
 * MESH.md 3.8. */
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "base/vec.h"
#include "mesh/frame.h"

#include <stddef.h>
#include <stdint.h>

struct mesh;
struct link;

enum { LIMBO_MS = 50, LIMBO_BYTES_MAX = 1024 * 1024 };

struct forward {
    struct {
        VEC(struct hop);
    } hops; /* scratch: to be sent */
    struct {
        VEC(struct hop);
    } parked;          /* scratch: to wait a moment */
    struct list limbo; /* frames whose way is not clear, oldest first */
    size_t limbo_bytes;
    uint64_t frag_id;
};

/* Nothing on the way. */
void forward_init(struct forward *forward);

/* Drop everything. */
void forward_finish(struct forward *forward);

/* A message was published here. */
void forward_publish(struct mesh *mesh, struct message *message);

/* A DATA or FRAG came. ERR_OK or ERR_MALFORMED. */
int forward_on_frame(struct mesh *mesh, struct link *link, uint8_t type, struct str body);

/* Paths are new: send what waited for that. */
void forward_rerouted(struct mesh *mesh);

/* Look again at what has waited long enough; when to come back. */
uint64_t forward_run(struct mesh *mesh);
