/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that travel over several links, DATA and FRAG: who sent them, to whom they go,
 * and a tail that nobody on the way reads. MESH.md 3.6, 3.7.
 *
 * head: flags u8 | ttl u8 | flow u8 | origin sid u32 | [rel: inc u32, oseq leb] | set
 * set: 0, sid u32 | 1, n leb, first sid u32, differences leb | 2, n leb, ids 16
 * tail of DATA: namespace leb | topic varint+n | properties varint+n | [ext leb+n] | payload
 * tail of FRAG: id leb | index leb | count leb | total leb | a piece of the tail of DATA */
#pragma once

#include "base/str.h"
#include "mesh/lsdb.h"
#include "mqtt/message.h"
#include "mqtt/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_flag {
    FRAME_REL = 0x01,
    FRAME_QOS = 0x06,
    FRAME_RETAIN = 0x08,
    FRAME_DUP = 0x10,
    FRAME_EXT = 0x20,
    FRAME_ALIAS = 0x40,
    FRAME_QOS_SHIFT = 1,
};

enum { FRAME_TTL = 32, FRAME_TAIL_MAX = 32768, FRAME_DESTS_MAX = 1024, FRAG_HEAD_MAX = 40 };

/* Length, type and head of a frame at most, without its destinations. */
enum { FRAME_HEAD_MAX = 48 };

enum dest_set { DS_ONE, DS_LIST, DS_LONG, DS_MAP };

/* Everything but the destinations and the tail. */
struct frame {
    uint8_t type; /* FRAME_DATA or FRAME_FRAG */
    uint8_t flags, ttl, flow;
    uint32_t origin;
    struct str ident; /* of reliable frames, as it stands */
    struct str tail;
};

/* The destinations of a frame that was read. */
struct frame_dests {
    struct wire_reader r;
    uint64_t left;
    uint32_t sid; /* the last one */
    uint8_t kind;
};

/* One of them: by sid, or by id when that is not NULL. */
struct frame_dest {
    uint32_t sid;
    const uint8_t *id;
};

/* A destination to write, and the link that leads there. */
struct hop {
    link_id link;
    uint32_t sid;
    const struct lsdb_node *node;
};

/* Read a frame: ERR_OK or ERR_MALFORMED. The set is checked as a whole. */
int frame_decode(uint8_t type, struct str body, struct frame *ret_frame,
                 struct frame_dests *ret_dests);

/* The next destination; false at the end. */
bool frame_next_dest(struct frame_dests *dests, struct frame_dest *ret_dest);

/* Put hops into the order in which one frame names them: by sid, or by id when a sid does
 * not say who is meant. */
void frame_order_hops(struct hop *hops, size_t count);

/* How long type, head and set for these hops are (1 to FRAME_DESTS_MAX, in that order),
 * and writing them: returns the place behind. */
size_t frame_head_len(const struct frame *frame, const struct hop *hops, size_t count);
uint8_t *frame_put_head(uint8_t *at, const struct frame *frame, const struct hop *hops,
                        size_t count);

/* The tail of a message's DATA frame, in pieces that borrow the message. */
struct frame_tail {
    struct str pieces[4];
    size_t len;
    uint8_t topic_head[8], expiry[16];
};

/* Make the tail. now_ms: a message that expires says how many seconds are left. */
void frame_tail_of(const struct message *message, uint64_t now_ms, struct frame_tail *ret_tail);

/* Copy the pieces; returns the place behind. */
uint8_t *frame_put_tail(uint8_t *at, const struct frame_tail *tail);

/* A message from the flags and tail of a DATA frame: ERR_OK, ERR_MALFORMED or ERR_NOMEM. */
int frame_message(uint8_t flags, struct str tail, uint64_t now_ms, struct message **ret_message);
