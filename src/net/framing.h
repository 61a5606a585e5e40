/* SPDX-License-Identifier: Apache-2.0 */
/* Framing takes the bytes of a WebSocket apart, as they come, and knows what a peer may
 * not send. It reads no socket and keeps nothing but the payload of one control frame: a
 * message goes on in pieces, since where its frames begin and end means nothing to MQTT.
 * [RFC6455 5] [MQTT-6.0.0-2] */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAMING_HEAD_MAX = 14,
    FRAMING_CONTROL_MAX = 125, /* [RFC6455 5.5] */
};

/* Why a WebSocket is closed. [RFC6455 7.4.1] */
enum framing_code {
    FRAMING_NORMAL = 1000,
    FRAMING_PROTOCOL_ERROR = 1002,
    FRAMING_UNACCEPTABLE = 1003,
    FRAMING_INCONSISTENT = 1007,
    FRAMING_TOO_LARGE = 1009,
};

enum framing_kind {
    FRAMING_MORE,  /* all is taken; nothing yet that concerns anybody */
    FRAMING_DATA,  /* a piece of a message */
    FRAMING_PING,  /* to be answered with these bytes */
    FRAMING_CLOSE, /* the peer closes; code is what to answer */
    FRAMING_BAD,   /* the peer broke the rules; code says which: read no further */
};

/* What framing_next found. */
struct framing_part {
    uint8_t *at; /* unmasked where it lay, or in the framing */
    size_t len;
    uint16_t code;
};

struct framing {
    uint64_t left;        /* of the current frame's payload, still to come */
    uint64_t message_len; /* of the message, up to the end of the current frame */
    uint32_t message_max;
    bool masked;     /* the peer must mask: it dialled [RFC6455 5.1] */
    bool in_frame;   /* its head is known */
    bool in_message; /* frames that continue it are to come */
    uint8_t head_len, control_len;
    uint8_t key[4]; /* the next byte is masked with key[0] */
    uint8_t head[FRAMING_HEAD_MAX];
    uint8_t control[FRAMING_CONTROL_MAX];
};

/* Begin with the first byte after the handshake. masked: the peer is the one that dialled.
 * message_max: bytes of a message, and so of a frame, at most. */
void framing_init(struct framing *framing, bool masked, uint32_t message_max);

/* What comes next in the len bytes at *at, which are advanced behind it and changed by
 * unmasking. ret_part is written unless it is FRAMING_MORE, and valid until the next call. */
enum framing_kind framing_next(struct framing *framing, uint8_t **at, size_t *len,
                               struct framing_part *ret_part);
