/* SPDX-License-Identifier: Apache-2.0 */
/* A share is a shared subscription: one group's wish for one topic filter, whose messages
 * its members divide among themselves. In the subscription index a share stands as one
 * entry, with a session number of its own kind; who its members are, stands here.
 * [MQTT5 4.8.2] */
#pragma once

#include "base/hash.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "core/sub_index.h"

#include <stdbool.h>
#include <stdint.h>

/* Session numbers from here on are shares' and not sessions': they sort behind all. */
#define SHARE_FIRST ((session_id)1 << 31)

/* Among the filter numbers of a session, one with this bit is a share's number. */
#define SHARE_MARK ((filter_id)1 << 31)

struct share {
    struct {
        VEC(struct sub_entry);
    } members;           /* in order of session */
    uint32_t number;     /* small, reused */
    filter_id filter;    /* in the subscription index */
    uint32_t cursor;     /* the member whose turn is next */
    uint32_t by_qos[3];  /* members */
    uint32_t persistent; /* members that outlive their connections */
    uint32_t filter_at;  /* where the filter begins in text */
    uint32_t text_len;
    char text[]; /* $share/GROUP/FILTER */
};

struct shares {
    struct hash_key key;
    struct map by_text;
    struct {
        VEC(struct share *);
    } at; /* by number; NULL: free */
    struct {
        VEC(uint32_t);
    } free_numbers;
    size_t members; /* of all */
};

/* No shares; allocates nothing. key: secret, for texts that strangers choose. */
void shares_init(struct shares *shares, struct hash_key key);

/* Free them all. Accepts a zeroed struct. */
void shares_finish(struct shares *shares);

/* The share of a text as a client writes it, or NULL. */
struct share *shares_find(const struct shares *shares, struct str text);

/* Make the share of a text that has none, without members; filter is its last part. NULL
 * when out of memory. */
struct share *shares_add(struct shares *shares, struct str text, struct str filter);

/* Free a share without members. */
void shares_remove(struct shares *shares, struct share *share);

/* The share of a number that one has, and of such a session number in the index. */
static inline struct share *shares_at(const struct shares *shares, uint32_t number)
{
    return shares->at.at[number];
}

static inline struct share *shares_of_entry(const struct shares *shares,
                                            const struct sub_entry *entry)
{
    return shares->at.at[entry->session - SHARE_FIRST];
}

/* The whole text and the filter in it, borrowed. */
static inline struct str share_text(const struct share *share)
{
    return (struct str){ share->text, share->text_len };
}

static inline struct str share_filter(const struct share *share)
{
    return (struct str){ share->text + share->filter_at, share->text_len - share->filter_at };
}

/* Add the member or replace what it asked for. ERR_OK or ERR_NOMEM (nothing changed). */
int share_put(struct shares *shares, struct share *share, const struct sub_entry *member,
              bool *ret_existed);

/* What the session asked for, borrowed until the share changes, or NULL. */
const struct sub_entry *share_member(const struct share *share, session_id session);

/* Remove a member; false if it is none. */
bool share_remove(struct shares *shares, struct share *share, session_id session);

/* The entry that stands for the share in the index: as much as any member wants. */
struct sub_entry share_entry(const struct share *share);
