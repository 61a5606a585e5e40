/* SPDX-License-Identifier: Apache-2.0 */
/* The peers that the configuration names: each is dialled until there is a link to it,
 * with growing pauses. A seed whose broker has dialled us is served by that link. */
#pragma once

#include "base/str.h"
#include "base/vec.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stdint.h>

enum { SEED_STABLE_MS = 30000, SEED_REASON_MAX = 120 };

struct seed {
    link_id link; /* its own link, or 0 */
    bool dialing;
    bool known; /* peer is */
    bool self;  /* leads back to this broker */
    struct node_id peer;
    uint64_t next_ms;
    uint64_t backoff_ms;
    char reason[SEED_REASON_MAX]; /* why there is no link, in words */
};

struct seeds {
    struct {
        VEC(struct seed);
    } list;
};

/* The seeds of the configuration, to be dialled at once. ERR_OK or ERR_NOMEM. */
int seeds_init(struct mesh *mesh);

/* Its transport is ready. */
void seed_up(struct mesh *mesh, uint32_t seed, link_id link);

/* Its peer has said who it is. */
void seed_met(struct mesh *mesh, uint32_t seed, const struct node_id *peer);

/* It leads to this broker itself: try seldom. */
void seed_is_self(struct mesh *mesh, uint32_t seed);

/* Its link is gone: dial again later; soon when it lasted. */
void seed_lost(struct mesh *mesh, uint32_t seed, struct str why, bool lasted);

/* Dialling it came to nothing. */
void seed_failed(struct mesh *mesh, uint32_t seed, struct str why);

/* A link went: a seed that it served may have to be dialled. */
void seed_wake(struct mesh *mesh);

/* Dial what is due; when to come back. */
uint64_t seeds_run(struct mesh *mesh);
