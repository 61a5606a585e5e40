/* SPDX-License-Identifier: Apache-2.0 */
/* A buf is a growing run of bytes that its holder owns.
 *
 * Errors are sticky: after an allocation failed, appends do nothing and failed stays
 * set, so a writer checks once at its end. A zeroed struct is an empty buf. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed; /* an allocation failed; the content is cut there */
};

/* Free the memory and leave an empty buf. Accepts an empty one. */
void buf_finish(struct buf *buf);

/* Forget the content and the failure, keep the memory. */
void buf_clear(struct buf *buf);

/* Room for len more bytes; the place to write them, or NULL (and failed is set).
 * The caller writes and then calls buf_advance. */
uint8_t *buf_reserve(struct buf *buf, size_t len);

/* Count len bytes, already written at the place that buf_reserve gave, as content. */
void buf_advance(struct buf *buf, size_t len);

/* Append bytes. */
void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_str(struct buf *buf, struct str s);
void buf_append_u8(struct buf *buf, uint8_t value);

/* Append printf output, without its NUL. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The content, borrowed until the buf changes. */
struct str buf_str(const struct buf *buf);
