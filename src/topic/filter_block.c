/* SPDX-License-Identifier: Apache-2.0 */
#include "topic/filter_block.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Memory is taken in steps; an item's head has at most two lengths of three bytes and the
 * value. */
enum { CAP_STEP = 32, HEAD_MAX = 7 };

static size_t block_size(size_t cap)
{
    return offsetof(struct filter_block, data) + cap;
}

/* Such that blocks fill what malloc gives: its chunks are 16 n - 8 bytes. */
static size_t cap_for(size_t len)
{
    size_t size = block_size(len) + 8;

    return (size + CAP_STEP - 1) / CAP_STEP * CAP_STEP - 8 - block_size(0);
}

static int reserve(struct filter_block **block, size_t len)
{
    if (len <= (*block)->cap)
        return ERR_OK;
    size_t cap = cap_for(len);
    struct filter_block *bigger = realloc(*block, block_size(cap));
    if (!bigger)
        return ERR_NOMEM;
    bigger->cap = (uint32_t)cap;
    *block = bigger;
    return ERR_OK;
}

static struct filter_block *block_new(size_t len)
{
    size_t cap = cap_for(len);
    struct filter_block *block = malloc(block_size(cap));

    if (block)
        *block = (struct filter_block){ .refs = 1, .cap = (uint32_t)cap };
    return block;
}

static size_t put_len(uint8_t *out, size_t len)
{
    size_t n = 0;

    for (; len >= 0x80; len >>= 7)
        out[n++] = (uint8_t)(len | 0x80);
    out[n++] = (uint8_t)len;
    return n;
}

/* Write the head of an item; its length. */
static size_t put_head(uint8_t *out, size_t shared, size_t rest, uint8_t value)
{
    size_t n = put_len(out, shared);

    n += put_len(out + n, rest);
    out[n++] = value;
    return n;
}

struct filter_block *filter_block_new(struct str text, uint8_t value)
{
    struct filter_block *block = block_new(HEAD_MAX + text.len);

    if (!block)
        return NULL;
    block->len = (uint32_t)put_head(block->data, 0, text.len, value);
    memcpy(block->data + block->len, text.ptr, text.len);
    block->len += (uint32_t)text.len;
    block->count = 1;
    return block;
}

void filter_block_ref(struct filter_block *block)
{
    block->refs++;
}

void filter_block_unref(struct filter_block *block)
{
    if (--block->refs == 0)
        free(block);
}

int filter_block_own(struct filter_block **block)
{
    struct filter_block *old = *block;

    if (old->refs == 1) {
        old->torn = false; /* whoever was to know is gone */
        return ERR_OK;
    }
    struct filter_block *own = block_new(old->len);
    if (!own)
        return ERR_NOMEM;
    own->len = old->len;
    own->count = old->count;
    memcpy(own->data, old->data, old->len);
    old->refs--;
    *block = own;
    return ERR_OK;
}

void filter_block_tear(struct filter_block *block)
{
    block->torn = true;
}

bool filter_block_is_torn(const struct filter_block *block)
{
    return block->torn;
}

size_t filter_block_bytes(const struct filter_block *block)
{
    return block_size(block->cap);
}

uint16_t filter_block_marks(const struct filter_block *block, uint8_t bit)
{
    uint16_t marks = 0;

    for (uint32_t at = 0; at < block->len;) {
        struct filter_item item = filter_block_item(block, at);
        marks += !!(item.value & bit);
        at = item.next;
    }
    return marks;
}

static size_t shared_len(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t most = a_len < b_len ? a_len : b_len, len = 0;

    while (len < most && a[len] == b[len])
        len++;
    return len;
}

/* All items passed so far come before the text, and `same` is what the last of them has in
 * common with it. An item that has more in common with that one comes before the text too, at
 * the same byte; one that has less comes after it. Only the others are compared. */
struct filter_spot filter_block_search(const struct filter_block *block, struct str text)
{
    struct filter_spot spot = { 0 };
    size_t same = 0;

    while (spot.at < block->len) {
        struct filter_item item = filter_block_item(block, spot.at);
        if (item.shared < same) {
            spot.after = item.shared;
            break;
        }
        if (item.shared == same) {
            size_t more = shared_len(text.ptr + same, text.len - same, item.text, item.rest);
            size_t left = text.len - same - more;
            if (left == 0 ||
                (more < item.rest && (uint8_t)text.ptr[same + more] < (uint8_t)item.text[more])) {
                spot.found = left == 0 && more == item.rest;
                spot.after = same + more;
                break;
            }
            same += more;
        }
        spot.at = item.next;
        spot.index++;
    }
    spot.before = same;
    return spot;
}

bool filter_block_fits(const struct filter_block *block, struct str text,
                       const struct filter_spot *spot)
{
    return block->len + HEAD_MAX + text.len - spot->before <= FILTER_BLOCK_MAX;
}

int filter_block_insert(struct filter_block **block, const struct filter_spot *spot,
                        struct str text, uint8_t value)
{
    uint8_t head[HEAD_MAX], next_head[HEAD_MAX];
    size_t rest = text.len - spot->before, next_len = 0, old = spot->at;
    size_t head_len = put_head(head, spot->before, rest, value);

    /* The item after it has at least as much in common with it as with the one before. */
    if (spot->at < (*block)->len) {
        struct filter_item next = filter_block_item(*block, spot->at);
        size_t less = spot->after - next.shared;
        next_len = put_head(next_head, spot->after, next.rest - less, next.value);
        old = (size_t)(next.text - (const char *)(*block)->data) + less;
    }
    size_t fresh = spot->at + head_len + rest + next_len;
    if (reserve(block, (*block)->len - old + fresh))
        return ERR_NOMEM;
    struct filter_block *to = *block;
    memmove(to->data + fresh, to->data + old, to->len - old);
    memcpy(to->data + spot->at, head, head_len);
    memcpy(to->data + spot->at + head_len, text.ptr + spot->before, rest);
    memcpy(to->data + spot->at + head_len + rest, next_head, next_len);
    to->len = (uint32_t)(to->len - old + fresh);
    to->count++;
    return ERR_OK;
}

void filter_block_remove(struct filter_block *block, uint32_t at)
{
    struct filter_item gone = filter_block_item(block, at);
    uint32_t to = at, from = gone.next;

    /* What the item after it shared with it and not with the one before it, it keeps. */
    if (gone.next < block->len) {
        struct filter_item next = filter_block_item(block, gone.next);
        size_t more = next.shared > gone.shared ? next.shared - gone.shared : 0;
        uint8_t head[HEAD_MAX];
        size_t n = put_head(head, next.shared - more, next.rest + more, next.value);
        from = (uint32_t)((const uint8_t *)next.text - block->data);
        memmove(block->data + at + n, gone.text, more);
        memcpy(block->data + at, head, n);
        to = (uint32_t)(at + n + more);
    }
    assert(block->count > 1 && to <= from);
    memmove(block->data + to, block->data + from, block->len - from);
    block->len -= from - to;
    block->count--;
}

uint8_t filter_block_value(const struct filter_block *block, uint32_t at)
{
    return filter_block_item(block, at).value;
}

void filter_block_set_value(struct filter_block *block, uint32_t at, uint8_t value)
{
    block->data[filter_block_item(block, at).value_at] = value;
}

/* Write the first len bytes of the text of the item at `end` to out: all items before it
 * leave theirs there. */
static void spell(const struct filter_block *block, uint32_t end, char *out, size_t len)
{
    for (uint32_t at = 0; at <= end;) {
        struct filter_item item = filter_block_item(block, at);
        if (item.shared < len)
            memcpy(out + item.shared, item.text,
                   item.rest < len - item.shared ? item.rest : len - item.shared);
        at = item.next;
    }
}

/* The first item that begins in the second half, or the last one. */
static uint32_t middle_of(const struct filter_block *block, uint16_t *ret_index)
{
    uint32_t at = filter_block_item(block, 0).next;
    uint16_t index = 1;

    while (at < block->len / 2 && filter_block_item(block, at).next < block->len) {
        at = filter_block_item(block, at).next;
        index++;
    }
    *ret_index = index;
    return at;
}

int filter_block_split(struct filter_block **block, struct filter_block **ret_right)
{
    struct filter_block *left = *block;
    uint16_t index;
    uint32_t at = middle_of(left, &index);
    struct filter_item item = filter_block_item(left, at);
    size_t len = item.shared + item.rest, tail = left->len - item.next;
    struct filter_block *right = block_new(HEAD_MAX + len + tail);

    assert(left->count > 1);
    if (!right)
        return ERR_NOMEM;
    size_t n = put_head(right->data, 0, len, item.value);
    spell(left, at, (char *)right->data + n, len);
    memcpy(right->data + n + len, left->data + item.next, tail);
    right->len = (uint32_t)(n + len + tail);
    right->count = left->count - index;
    left->len = at;
    left->count = index;
    size_t cap = cap_for(left->len);
    struct filter_block *smaller = cap < left->cap ? realloc(left, block_size(cap)) : NULL;
    if (smaller) {
        smaller->cap = (uint32_t)cap;
        *block = smaller;
    }
    *ret_right = right;
    return ERR_OK;
}

int filter_block_append(struct filter_block **block, const struct filter_block *right)
{
    struct filter_item first = filter_block_item(right, 0);
    uint32_t last = 0, tail = right->len - first.next;

    if (reserve(block, (*block)->len + right->len + HEAD_MAX))
        return ERR_NOMEM;
    struct filter_block *left = *block;
    for (uint32_t at = 0; at < left->len; at = filter_block_item(left, at).next)
        last = at;
    struct filter_item item = filter_block_item(left, last);
    size_t len = item.shared + item.rest;
    char *text = (char *)left->data + left->len; /* scratch: what is shared fits */
    size_t most = len < first.rest ? len : first.rest;
    spell(left, last, text, most);
    size_t shared = shared_len(text, most, first.text, first.rest);
    left->len +=
        (uint32_t)put_head(left->data + left->len, shared, first.rest - shared, first.value);
    memcpy(left->data + left->len, first.text + shared, first.rest - shared);
    left->len += (uint32_t)(first.rest - shared);
    memcpy(left->data + left->len, right->data + first.next, tail);
    left->len += tail;
    left->count = (uint16_t)(left->count + right->count);
    return ERR_OK;
}
