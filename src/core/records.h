/* SPDX-License-Identifier: Apache-2.0 */
/* What the store is told, one function for each kind of record. All do nothing where there
 * is no store, and mark the step's output as failed when memory runs out.
 *
 * Most are waited for: acknowledgements look at core->urgent, the token of the last operation
 * that somebody waits for (see ack_after). The others are lazy. */
#pragma once

#include "core/broker.h"

/* The session as it is now: kept if it outlives its connection or has a will, else gone. */
void record_session(struct core *core, struct session *session);

/* The session has ended. */
void record_session_end(struct core *core, struct session *session);

/* A subscription of a session that is kept; text as the client wrote it. */
void record_sub(struct core *core, const struct session *session, struct str text,
                const struct sub_entry *entry);
void record_unsub(struct core *core, const struct session *session, struct str text);

/* A message waits at a place of the session's queue; its sub_ids are in core_out. The
 * token, or 0. */
uint64_t record_queued(struct core *core, const struct session *session, uint64_t seq,
                       struct message *message, const struct copy *copy);

/* PUBREC came for the message at a place. The token, or 0. */
uint64_t record_received(struct core *core, const struct session *session, uint64_t seq);

/* The message at a place is done with. put: the token of its record_queued, or 0. */
void record_done(struct core *core, const struct session *session, uint64_t seq, uint64_t put);

/* A QoS 2 publish of this packet identifier was taken over; and was released. */
void record_incoming(struct core *core, const struct session *session, uint16_t packet_id);
void record_released(struct core *core, const struct session *session, uint16_t packet_id);

/* A message is retained; nothing is, of this topic. */
void record_retained(struct core *core, struct message *message);
void record_forgotten(struct core *core, struct str topic, bool lazy);
