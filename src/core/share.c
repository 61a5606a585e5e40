/* SPDX-License-Identifier: Apache-2.0 */
#include "core/share.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool share_has_text(const void *entry, const void *key)
{
    return str_equal(share_text(entry), *(const struct str *)key);
}

static uint64_t text_hash(const struct shares *shares, struct str text)
{
    return hash_sip(shares->key, text.ptr, text.len);
}

static void share_free(struct share *share)
{
    if (!share)
        return;
    vec_finish(&share->members);
    free(share);
}

void shares_init(struct shares *shares, struct hash_key key)
{
    *shares = (struct shares){ .key = key };
    map_init(&shares->by_text, share_has_text);
}

void shares_finish(struct shares *shares)
{
    vec_each (&shares->at, share)
        share_free(*share);
    vec_finish(&shares->at);
    vec_finish(&shares->free_numbers);
    map_finish(&shares->by_text);
}

struct share *shares_find(const struct shares *shares, struct str text)
{
    return map_find(&shares->by_text, text_hash(shares, text), &text);
}

/* A number for one more share, and room to give it back. */
static bool take_number(struct shares *shares, uint32_t *ret_number)
{
    if (shares->free_numbers.len) {
        *ret_number = shares->free_numbers.at[--shares->free_numbers.len];
        return true;
    }
    while (shares->free_numbers.cap <= shares->at.len) {
        shares->free_numbers.len = shares->free_numbers.cap;
        uint32_t *slot = vec_push(&shares->free_numbers);
        shares->free_numbers.len = 0;
        if (!slot)
            return false;
    }
    if (!vec_push(&shares->at))
        return false;
    *ret_number = (uint32_t)(shares->at.len - 1);
    return true;
}

static void give_number(struct shares *shares, uint32_t number)
{
    shares->at.at[number] = NULL;
    uint32_t *slot = vec_push(&shares->free_numbers);
    assert(slot);
    *slot = number;
}

struct share *shares_add(struct shares *shares, struct str text, struct str filter)
{
    struct share *share = calloc(1, sizeof *share + text.len);

    assert(filter.ptr + filter.len == text.ptr + text.len);
    if (!share || !take_number(shares, &share->number)) {
        free(share);
        return NULL;
    }
    share->filter = FILTER_NONE;
    share->text_len = (uint32_t)text.len;
    share->filter_at = (uint32_t)(text.len - filter.len);
    memcpy(share->text, text.ptr, text.len);
    if (map_insert(&shares->by_text, text_hash(shares, text), share)) {
        give_number(shares, share->number);
        free(share);
        return NULL;
    }
    shares->at.at[share->number] = share;
    return share;
}

void shares_remove(struct shares *shares, struct share *share)
{
    struct str text = share_text(share);

    assert(share->members.len == 0);
    map_remove(&shares->by_text, text_hash(shares, text), &text);
    give_number(shares, share->number);
    share_free(share);
}

/* Where the session's entry is or would be. */
static size_t search(const struct share *share, session_id session)
{
    size_t low = 0, high = share->members.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (share->members.at[middle].session < session)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void count(struct share *share, const struct sub_entry *member, uint32_t by)
{
    share->by_qos[member->qos] += by;
    share->persistent += member->persistent ? by : 0;
}

const struct sub_entry *share_member(const struct share *share, session_id session)
{
    size_t at = search(share, session);

    if (at == share->members.len || share->members.at[at].session != session)
        return NULL;
    return &share->members.at[at];
}

int share_put(struct shares *shares, struct share *share, const struct sub_entry *member,
              bool *ret_existed)
{
    size_t at = search(share, member->session);
    bool existed = at < share->members.len && share->members.at[at].session == member->session;

    if (existed) {
        count(share, &share->members.at[at], UINT32_MAX); /* one less */
    } else {
        if (!vec_push(&share->members))
            return ERR_NOMEM;
        struct sub_entry *there = &share->members.at[at];
        memmove(there + 1, there, (share->members.len - 1 - at) * sizeof *there);
        shares->members++;
    }
    share->members.at[at] = *member;
    count(share, member, 1);
    *ret_existed = existed;
    return ERR_OK;
}

bool share_remove(struct shares *shares, struct share *share, session_id session)
{
    size_t at = search(share, session);

    if (at == share->members.len || share->members.at[at].session != session)
        return false;
    struct sub_entry *there = &share->members.at[at];
    count(share, there, UINT32_MAX); /* one less */
    share->members.len--;
    memmove(there, there + 1, (share->members.len - at) * sizeof *there);
    if (share->cursor > at)
        share->cursor--;
    shares->members--;
    return true;
}

struct sub_entry share_entry(const struct share *share)
{
    return (struct sub_entry){ .session = SHARE_FIRST + share->number,
                               .qos = share->by_qos[2]   ? 2
                                      : share->by_qos[1] ? 1
                                                         : 0,
                               .persistent = share->persistent > 0 };
}
