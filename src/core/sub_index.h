/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription index: which sessions want a topic.
 *
 * Made for a million subscriptions. Each distinct filter is stored once and has a small
 * number, its filter_id; a session remembers the numbers of its filters. Matching walks
 * levels without recursion and costs nothing for subscriptions that don't match: at most
 * one probe per pattern of wildcards that exists. Results are cached per topic under a
 * generation number, so a topic published twice costs one look-up. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sub_index;

/* The number of a session: dense, reused after the session has ended. */
typedef uint32_t session_id;

/* The number of a distinct filter in the index: dense, reused when its last subscription
 * has gone. */
typedef uint32_t filter_id;

#define FILTER_NONE UINT32_MAX

/* One session's subscription to one filter, as the index keeps it. 12 bytes: there may be
 * a million. */
struct sub_entry {
    session_id session;
    uint32_t sub_id; /* subscription identifier, 0: none. [MQTT5 3.8.2.1.2] */
    uint8_t qos;
    uint8_t no_local : 1;
    uint8_t retain_as_published : 1;
    uint8_t persistent : 1; /* the session outlives its connection */
    uint8_t retain_handling : 2;
};

/* What all subscriptions to one filter want together: what the mesh needs to know. */
struct sub_interest {
    uint8_t qos;     /* the highest */
    bool persistent; /* any */
    uint32_t count;  /* of subscriptions; 0: nobody */
};

/* An empty index, or NULL when out of memory. seed: secret, for its hashes. */
struct sub_index *sub_index_new(uint64_t seed);

/* Free it all. Accepts NULL. */
void sub_index_free(struct sub_index *index);

/* Add or replace the session's subscription to a valid filter (without $share prefix).
 * *ret_id: the filter's number; *ret_existed: the session had subscribed to it before.
 * *ret_interest: what the filter's subscribers want now. ERR_OK or ERR_NOMEM (nothing
 * changed). */
int sub_index_add(struct sub_index *index, struct str filter, const struct sub_entry *entry,
                  filter_id *ret_id, bool *ret_existed, struct sub_interest *ret_interest);

/* The number of a filter, or FILTER_NONE. */
filter_id sub_index_find(const struct sub_index *index, struct str filter);

/* Remove the session's subscription to a filter, if there is one (false if not).
 * *ret_interest: what is left. When its count is 0, the number is free again and the text
 * is gone: copy it before. */
bool sub_index_remove(struct sub_index *index, filter_id id, session_id session,
                      struct sub_interest *ret_interest);

/* The filter's text and what its subscribers want; valid numbers only. The text is
 * borrowed until the index changes. */
struct str sub_index_filter(const struct sub_index *index, filter_id id);
struct sub_interest sub_index_interest(const struct sub_index *index, filter_id id);

/* Is there a filter with the number *cursor or a higher one? Then *cursor becomes its number
 * plus one. */
bool sub_index_next(const struct sub_index *index, uint32_t *cursor);

/* The session's own entry for a filter, or NULL. Borrowed until the index changes. */
const struct sub_entry *sub_index_entry(const struct sub_index *index, filter_id id,
                                        session_id session);

/* All subscriptions that match a valid topic name, ordered by session so that overlapping
 * ones of a session stand together. hash: any good 64-bit hash of the topic. Borrowed until
 * the next call that takes a non-const index. An empty result has *ret_count 0. When out of
 * memory returns NULL and *ret_count SIZE_MAX. */
const struct sub_entry *sub_index_match(struct sub_index *index, struct str topic, uint64_t hash,
                                        size_t *ret_count);

/* Distinct filters, subscriptions, and bytes of memory held, for status and limits. */
struct sub_index_stats {
    size_t filters;
    size_t subscriptions;
    size_t bytes;
};
struct sub_index_stats sub_index_stats(const struct sub_index *index);
