/* SPDX-License-Identifier: Apache-2.0 */
/* A delta is what the journal says beyond the tables: an index in memory of a run of batches.
 * Bodies of messages stay in the journal. What was put and done within the run is not in it
 * any more, and never gets to the tables.
 *
 * Below a delta lies an older layer (another delta, the tables) that it does not know. What
 * it takes out of there it remembers: sessions dropped, positions done or received, ... */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/journal.h"
#include "store/record.h"
#include "store/span.h"

#include <stdbool.h>
#include <stddef.h>

/* A message whose body is in the journal. */
struct delta_message {
    struct segment *segment;
    uint32_t offset;
    uint32_t len;
    uint32_t crc;
    uint32_t size; /* message_size */
    uint32_t refs; /* queue entries of this delta that wait with it */
};

/* A queue entry that was put in this run. */
struct delta_entry {
    uint64_t seq;
    uint64_t message;
    union {
        uint32_t sub_id;
        uint32_t *sub_ids; /* owned, where sub_id_count > 1 */
    };
    uint16_t sub_id_count;
    uint8_t qos : 2;
    uint8_t retain : 1;
    uint8_t received : 1;
    uint8_t gone : 1; /* done: only its place is left */
};

struct delta_sub {
    struct list in_session;
    uint64_t session;
    uint32_t sub_id;
    uint8_t options;
    bool deleted;
    size_t len;
    char filter[];
};

struct delta_incoming {
    uint16_t packet_id;
    bool deleted;
};

struct delta_session {
    uint64_t number;
    bool dropped; /* all that older layers know of it is void */
    char *about;  /* owned, or NULL: not said in this run */
    size_t about_len;
    struct {
        VEC(struct delta_entry);
    } entries;    /* by seq */
    size_t head;  /* those before it are gone */
    size_t live;
    struct spans done, received; /* positions of older layers */
    struct list subs;            /* of struct delta_sub */
    struct {
        VEC(struct delta_incoming);
    } incoming; /* by packet identifier */
};

struct delta_retained {
    struct list in_delta;
    bool deleted;
    uint64_t id;
    struct delta_message message;
    size_t len;
    char topic[];
};

struct delta {
    struct map sessions; /* of struct delta_session, by number */
    struct map subs;     /* of struct delta_sub, by session and filter */
    struct map retained; /* of struct delta_retained, by topic */
    struct list topics;  /* of the same, as they came: map order depends on the secret */
    uint64_t secret;     /* strangers choose topics and filters */
    uint64_t first_message;
    struct {
        VEC(struct delta_message);
    } messages; /* by id - first_message */
    struct delta_session *recent;
    size_t marks;         /* live entries and everything else that takes memory here */
    size_t removals;      /* positions taken out of older layers */
    uint64_t live_bytes;  /* of messages that wait */
    uint64_t last_group;  /* 0: empty */
    uint64_t batch_bytes; /* of the run's batches */
};

/* An empty delta whose first message will have this id, or NULL when out of memory. secret: a
 * number that strangers don't know, for its hashes. */
struct delta *delta_new(uint64_t first_message, uint64_t secret);

/* Free it. Accepts NULL. */
void delta_free(struct delta *delta);

/* Apply the records of the next batch, which stand at place in the journal. ERR_OK;
 * ERR_MALFORMED: a record makes no sense, and those behind it are left out; ERR_NOMEM: the
 * delta is only good for delta_free. */
int delta_apply(struct delta *delta, const struct batch_header *header, struct str records,
                struct journal_place place);

/* What it knows of a session, or NULL: nothing. */
struct delta_session *delta_session_find(const struct delta *delta, uint64_t number);

/* What it says of a retained topic, or NULL: nothing. */
struct delta_retained *delta_retained_find(const struct delta *delta, struct str topic);

/* What it says of a subscription, or NULL: nothing. */
struct delta_sub *delta_sub_find(const struct delta *delta, uint64_t session, struct str filter);

/* What it says of a packet identifier, or NULL: nothing. */
struct delta_incoming *delta_incoming_find(const struct delta_session *session,
                                           uint16_t packet_id);

/* Index of the first entry at or behind seq; the entries' length when there is none. */
size_t delta_entry_at(const struct delta_session *session, uint64_t seq);

/* A message of this run. */
struct delta_message *delta_message_find(const struct delta *delta, uint64_t id);
