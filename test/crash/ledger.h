/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of a simulation with stores: who publishes, what was promised about it, and what
 * went wrong. One for all its brokers and clients.
 *
 * A payload ends with the name of its message: author, stream, number and how often it was sent
 * before, so that whoever meets it knows which one it is, on any wire. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "topic/topic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUTHORS_MAX = 18, MESSAGES_MAX = 400, NAME_CHARS = 8, TAG_LEN = 11 };

/* What an author publishes: each has a topic of its own and numbers from 1. */
enum stream {
    STREAM_SURE,     /* m/NAME: QoS 1 and 2, never lost */
    STREAM_LOOSE,    /* q/NAME: QoS 0 */
    STREAM_RETAINED, /* r/NAME: QoS 1 or 2, retained; some take away what is */
    STREAM_COUNT
};

struct tag {
    enum stream stream;
    uint32_t author, number, attempt; /* attempt: sent so many times before */
};

struct author {
    char name[NAME_CHARS];
    uint32_t home; /* the broker it publishes at */
    uint32_t sent[STREAM_COUNT];
    uint8_t qos_of[MESSAGES_MAX]; /* STREAM_SURE, by number */
    bool acked_of[MESSAGES_MAX];
    bool refused_of[MESSAGES_MAX]; /* or may have been, by a store that was full */
    uint32_t retained_acked;
    bool retained_refused; /* one may have been, and came again behind later ones */
};

struct client;

/* Who looks on where brokers are joined. All three or none. */
struct witness {
    /* A broker took this message of its client's as a new one. */
    void (*accepted)(void *context, struct client *client, const struct tag *tag, uint8_t qos);
    /* A client got a message of an author at another broker. */
    void (*taken)(void *context, struct client *client, const struct tag *tag, uint8_t qos);
    /* A client is owed no more of what this filter brings it; NULL: of anything. */
    void (*let_go)(void *context, struct client *client, const char *filter);
    void *context;
};

struct ledger {
    uint64_t seed;
    struct author authors[AUTHORS_MAX];
    size_t author_count;
    struct witness witness;
    struct buf wrong; /* violations, a line each */
};

/* Note a violation. */
__attribute__((format(printf, 2, 3))) void ledger_wrong(struct ledger *ledger, const char *format,
                                                        ...);

/* The author with this name, or NULL. */
struct author *ledger_author(struct ledger *ledger, struct str name);

/* The topic of an author's stream. out: STREAM_TOPIC_CHARS. */
enum { STREAM_TOPIC_CHARS = NAME_CHARS + 8 };
const char *stream_topic(const struct author *author, enum stream stream, char *out);

/* What is retained after this one of an author's: its number, or 0 if it has no payload and
 * takes away what is. */
uint32_t retained_value(uint32_t number);

/* A tag as text, TAG_LEN characters and NUL, and back from the end of a payload; false: there
 * is none. */
void tag_write(const struct tag *tag, char out[TAG_LEN + 1]);
bool tag_read(struct str text, struct tag *ret_tag);

/* The number that a text is. */
uint32_t number_of(struct str text);
