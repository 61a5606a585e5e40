/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A growable run of bytes. The bench shares nothing with the broker's own code, so
 * that an error there cannot hide itself here. Memory that runs out ends the run. */
struct bytes {
    uint8_t *data;
    size_t len, cap;
};

/* Room for n more bytes behind the last one; returns where they go. The caller adds to
 * len what it wrote. */
static inline uint8_t *bytes_reserve(struct bytes *b, size_t n)
{
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap - b->len < n)
            cap *= 2;
        b->data = realloc(b->data, cap);
        assert(b->data);
        b->cap = cap;
    }
    return b->data + b->len;
}

/* Append len bytes. */
static inline void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(bytes_reserve(b, len), data, len);
    b->len += len;
}

/* Give the memory back; empty afterwards. */
static inline void bytes_finish(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){ 0 };
}
