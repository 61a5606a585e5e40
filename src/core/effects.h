/* SPDX-License-Identifier: Apache-2.0 */
/* Effects are what a step wants done: these put them into a core_out. Failure to do so is
 * sticky in core_out.failed. */
#pragma once

#include "core/core.h"

/* A place for one more send, not cleared: the caller writes all of it. NULL when out of
 * memory. */
struct core_send *effects_send_slow(struct core_out *out);

static inline struct core_send *effects_send(struct core_out *out)
{
    if (out->sends.len < out->sends.cap)
        return &out->sends.at[out->sends.len++];
    return effects_send_slow(out);
}

/* Say one of CORE_SEND_PAUSE, _RESUME, _CLOSE. */
void effects_order(struct core_out *out, conn_id conn, enum core_send_kind kind);

/* Encode a packet for the connection; runs of packets for one connection become one send. */
void effects_packet(struct core_out *out, conn_id conn, enum mqtt_version version,
                    const struct mqtt_packet *packet);

/* A packet that was encoded before. */
void effects_encoded(struct core_out *out, conn_id conn, const uint8_t *bytes, size_t len);

/* One of the four acknowledgements, without properties. */
void effects_ack(struct core_out *out, conn_id conn, enum mqtt_version version,
                 const struct mqtt_puback *ack, enum mqtt_kind kind);

/* Let the packet that was sent last, if it goes to the connection, overtake the messages that
 * go to it since the sends were mark: a client hears that its own message came before it
 * hears the message. */
void effects_overtake(struct core_out *out, conn_id conn, size_t mark);

/* Offer a message to the mesh; takes a reference. */
void effects_forward(struct core_out *out, struct message *message);

/* Say what clients here want of a filter; its text is copied. */
void effects_interest(struct core_out *out, struct str filter, struct core_interest interest);

/* Say what happened to a client; its id is copied. */
void effects_fact(struct core_out *out, struct core_fact fact, struct str client_id);

/* The texts that a question holds. */
struct core_ask_texts {
    struct str client_id, username, password, method, data;
};

/* Ask something; the texts are copied. */
void effects_ask(struct core_out *out, struct core_ask ask, const struct core_ask_texts *texts);

/* Ask the store for something; what the operation owns goes along. False when out of memory:
 * nothing is asked, and the caller still has it. */
bool effects_store(struct core_out *out, const struct durable_op *op);

/* Ask the store to read. */
void effects_load(struct core_out *out, struct core_load load);
