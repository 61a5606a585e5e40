/* SPDX-License-Identifier: Apache-2.0 */
/* A message as bytes: the same in the journal and in the tables, so that a checkpoint copies
 * it as it is.
 *
 *     flags         qos (2 bits), retain, remote, expires, published by a session
 *     expires_ms    LEB128, if it expires
 *     publisher     LEB128, if a session published it
 *     the message's data: topic with its length, properties with theirs, payload */
#pragma once

#include "base/buf.h"
#include "mqtt/message.h"

/* How many bytes body_write writes. */
size_t body_len(const struct message *message);

/* Append the message; a failure is left in out. */
void body_write(struct buf *out, const struct message *message);

/* Make the message again, its topic_hash 0. ERR_OK, ERR_MALFORMED or ERR_NOMEM. */
int body_read(struct str body, struct message **ret_message);

/* What message_size will say of the message; 0: malformed. */
size_t body_message_size(struct str body);

/* The topic, borrowed; empty: malformed. */
struct str body_topic(struct str body);

/* The checksum that goes with a body and its number. */
uint32_t body_crc(uint64_t id, struct str body);
