/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.1 message, taken apart: a request, or the answer to one of ours.
 * Pure, and strict: what two readers could take for two things is none. [RFC9112 11.2] */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_FIELDS_MAX = 100 };

/* The fields that somebody here asks for; others are checked and forgotten. */
enum head_name {
    HEAD_AUTHORIZATION,
    HEAD_CONNECTION,
    HEAD_CONTENT_LENGTH,
    HEAD_EXPECT,
    HEAD_FORWARDED,
    HEAD_FORWARDED_FOR, /* X-Forwarded-For */
    HEAD_HOST,
    HEAD_ORIGIN,
    HEAD_TRANSFER_ENCODING,
    HEAD_UPGRADE,
    HEAD_WEBSOCKET_ACCEPT,
    HEAD_WEBSOCKET_EXTENSIONS,
    HEAD_WEBSOCKET_KEY,
    HEAD_WEBSOCKET_PROTOCOL,
    HEAD_WEBSOCKET_VERSION,
    HEAD_NAMES
};

/* Everything is borrowed from the bytes that were read. */
struct head {
    struct str method, target; /* of a request */
    unsigned status;           /* of an answer */
    unsigned minor;            /* of HTTP/1.x: 0, or 1 for all that came later */
    size_t field_count;        /* of those kept */
    struct {
        enum head_name name;
        struct str value; /* without blanks around it */
    } fields[HEAD_FIELDS_MAX];
};

/* Does a head end in these bytes, of which those before seen were looked at already?
 * ERR_OK: its length goes to *ret_len. ERR_MORE: not yet. ERR_MALFORMED: there is a byte
 * that no head has. */
int head_find(struct str bytes, size_t seen, size_t *ret_len);

/* Take apart a whole head. ERR_OK; ERR_MALFORMED; ERR_VERSION: not HTTP/1.x; ERR_LIMIT:
 * more than HEAD_FIELDS_MAX fields. */
int head_read_request(struct str bytes, struct head *ret_head);

/* The same for an answer. */
int head_read_answer(struct str bytes, struct head *ret_head);

/* How many fields of this name there are. */
size_t head_count(const struct head *head, enum head_name name);

/* The value of the first one; empty where there is none. */
struct str head_value(const struct head *head, enum head_name name);

/* Walks over the words of a list, "chat, mqtt", which may go on in a further field of the
 * same name. [RFC9110 5.6.1] */
struct head_walk {
    const struct head *head;
    enum head_name name;
    size_t field, at;
};

/* The next word, without blanks; false: there are no more. */
bool head_next(struct head_walk *walk, struct str *ret_word);

/* Is this one of the words, in whatever case? */
bool head_lists(const struct head *head, enum head_name name, struct str word);
