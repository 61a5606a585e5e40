/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_finish(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = (struct buf){ 0 };
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->failed)
        return NULL;
    if (buf->cap - buf->len < len || !buf->data) {
        size_t cap = buf->cap ? buf->cap : 64;

        while (cap - buf->len < len) {
            if (cap > SIZE_MAX / 2) {
                buf->failed = true;
                return NULL;
            }
            cap *= 2;
        }
        uint8_t *data = realloc(buf->data, cap);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_advance(struct buf *buf, size_t len)
{
    assert(buf->cap - buf->len >= len);
    buf->len += len;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
    uint8_t *at = buf_reserve(buf, len);

    if (!at || len == 0)
        return;
    memcpy(at, bytes, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, struct str s)
{
    buf_append(buf, s.ptr, s.len);
}

void buf_append_u8(struct buf *buf, uint8_t value)
{
    buf_append(buf, &value, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0) {
        uint8_t *at = buf_reserve(buf, (size_t)len + 1);
        if (at) {
            vsnprintf((char *)at, (size_t)len + 1, format, again);
            buf->len += (size_t)len;
        }
    }
    va_end(again);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){ (const char *)buf->data, buf->len };
}
