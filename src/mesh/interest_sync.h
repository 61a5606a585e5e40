/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping everybody's interest the same everywhere: the own set is told as versioned
 * changes, others' changes are applied in order and told on, and whoever missed one asks.
 * Nothing is counted on the wire: every change says the hash of the set after it.
 * MESH.md 3.4, 3.5. */
#pragma once

#include "base/str.h"
#include "mesh/iset.h"
#include "mesh/lsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct mesh;
struct link;
struct interest_head;

/* The version of the empty set that a life begins with. Lives of one incarnation are told
 * apart by their boot numbers, so that a broker without a disk is not taken for what it
 * was: the version's upper half is that of the boot number. MESH.md 3.3. */
static inline uint64_t interest_base(uint64_t boot)
{
    return boot >> 32 << 32;
}

/* Is this the version of a set that has never been anything but empty? */
static inline bool interest_is_base(uint64_t version)
{
    return (uint32_t)version == 0;
}

/* Is what is known of the node's interest from a life before its topology record's? */
static inline bool interest_is_former(const struct lsdb_node *node)
{
    return node->inc > node->iinc ||
           (node->inc == node->iinc && interest_base(node->boot) > node->iver);
}

/* Does the node want nothing? */
static inline bool interest_is_none(const struct lsdb_node *node)
{
    return !node->set || iset_count(node->set) == 0;
}

/* The hash of what the node wants; 0 for nothing. */
static inline uint64_t interest_hash(const struct lsdb_node *node)
{
    return node->set ? iset_hash(node->set) : 0;
}

/* Local clients' wishes changed. */
void interest_changed(struct mesh *mesh, const struct interest *interest, bool wanted);

/* Tell what has gathered when it is time; when to come back. */
uint64_t interest_run(struct mesh *mesh);

/* Is much of what local clients want not in the own set yet? */
bool interest_is_behind(const struct mesh *mesh);

/* This broker has a new incarnation: its set goes on under it. */
void interest_reborn(struct mesh *mesh);

/* An IDELTA or ISNAP came. ERR_OK or ERR_MALFORMED. */
int idelta_on_frame(struct mesh *mesh, struct link *link, struct str body);
int isnap_on_frame(struct mesh *mesh, struct link *link, struct str body);

/* The node whose interest a frame tells, noted as heard of; NULL when there is nothing to
 * do with it. */
struct lsdb_node *interest_subject(struct mesh *mesh, struct link *link,
                                   const struct interest_head *head);

/* After a change of the node's record or set: a set of a former life serves for a while,
 * until a word of the new one comes. MESH.md 3.5. */
void interest_watch(struct mesh *mesh, struct lsdb_node *node);

/* Let the set, which the index has, take the place of the node's. The set is ours then; NULL:
 * empty. */
void interest_replace(struct mesh *mesh, struct lsdb_node *node, struct iset *set, uint32_t inc,
                      uint64_t iver);

/* A change that was kept while a snapshot came: apply it, if it still follows. */
void interest_follow(struct mesh *mesh, struct link *link, struct lsdb_node *node, struct str body);

/* The node's interest is now this version, by way of the link (or NULL: that is gone): tell it
 * on, from the version before. */
void interest_advanced(struct mesh *mesh, struct link *link, struct lsdb_node *node,
                       uint32_t from_inc, uint64_t from);

/* When more is known of, ask for it: who said so first, or on the link (or NULL). */
void interest_catch_up(struct mesh *mesh, struct link *link, const struct lsdb_node *node);

/* Write the frames that bring a neighbour from this version to the present one: changes
 * when they are remembered, else a small snapshot, else a notice. */
void interest_send(struct mesh *mesh, struct link *link, struct lsdb_node *node, uint32_t from_inc,
                   uint64_t from);

/* A neighbour has this version of the node's set and wants the present one. */
void interest_answer(struct mesh *mesh, struct link *link, struct lsdb_node *node, uint32_t inc,
                     uint64_t version);

/* Drop a former incarnation's set. */
void interest_expire(struct mesh *mesh, struct lsdb_node *node);

/* Forget everything of the node's interest; false as long as the index still holds some. */
bool interest_forget(struct mesh *mesh, struct lsdb_node *node);
