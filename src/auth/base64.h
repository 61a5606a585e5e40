/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with padding, as credentials are written. RFC 4648, 4. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Append bytes as text; failure is sticky in out. */
void base64_append(struct buf *out, const uint8_t *bytes, size_t len);

/* Decode text, strictly: no blanks, nothing behind the padding. False when that is not
 * base64 or gives more than size bytes; out is not touched then. */
bool base64_decode(struct str text, uint8_t *out, size_t size, size_t *ret_len);
