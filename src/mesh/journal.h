/* SPDX-License-Identifier: Apache-2.0 */
/* The latest changes of interest of all brokers, as they came: what a neighbour that is a
 * little behind is told instead of a whole snapshot. Bounded in bytes and age. */
#pragma once

#include "base/list.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct lsdb_node;

/* A change from one version to the next: the body of its IDELTA. */
struct delta {
    struct list of_node; /* in lsdb_node.journal */
    struct list of_all;  /* in journal.deltas, oldest first */
    uint64_t prev, iver;
    uint64_t at_ms;
    uint32_t len;
    uint8_t body[];
};

struct delta_journal {
    struct list deltas;
    size_t bytes;
};

/* An empty journal. */
void delta_journal_init(struct delta_journal *journal);

/* Remember a change of the node that follows its last one. Being out of memory only means
 * that it is not remembered. */
void delta_journal_add(struct delta_journal *journal, struct lsdb_node *node, uint64_t prev,
                       uint64_t iver, struct str body, uint64_t now_ms);

/* Forget the node's changes. */
void delta_journal_forget(struct delta_journal *journal, struct lsdb_node *node);

/* Forget everything. */
void delta_journal_finish(struct delta_journal *journal);

/* Forget what is too old; when to come back. */
uint64_t delta_journal_run(struct delta_journal *journal, uint64_t now_ms);

/* The first of the changes that lead from this version to the node's present one, and
 * their bytes; NULL when they are not all here. */
struct delta *delta_journal_from(const struct lsdb_node *node, uint64_t from, size_t *ret_bytes);

/* The change after this one of the same node, or NULL. */
struct delta *delta_journal_next(const struct lsdb_node *node, const struct delta *delta);
