/* SPDX-License-Identifier: Apache-2.0 */
/* The store between the net, which hands over what must survive, and the node, which gets
 * back what did. */
#pragma once

#include "base/buf.h"

struct core_load;
struct durable_op;
struct server;

/* Open the store in the server's data directory and give the node back what it holds; says
 * in the log what that was. Nothing to do without a directory. ERR_OK, or an error with a
 * line in errors. */
int storage_open(struct server *server, struct buf *errors);

/* Begin to work, on the net's loop. ERR_OK, or an error. */
int storage_start(struct server *server);

/* For the net: its store, load and turn. */
void storage_put(void *context, const struct durable_op *ops, size_t count);
void storage_load(void *context, const struct core_load *loads, size_t count);
void storage_turn(void *context, uint64_t now_ms);

/* Copy the store into a new directory beside it, named after the time, while it works; the log
 * says where, and how that went. */
void storage_backup(struct server *server);

/* Make everything durable and close the store; before the net's loop ends. */
void storage_stop(struct server *server);
