/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/base64.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

enum { BYTES_MAX = 96 }; /* salts and keys are shorter */

void base64_append(struct buf *out, const uint8_t *bytes, size_t len)
{
    size_t size = (len + 2) / 3 * 4;
    uint8_t *to = buf_reserve(out, size + 1); /* and a NUL */

    if (!to)
        return;
    EVP_EncodeBlock(to, bytes, (int)len);
    buf_advance(out, size);
}

bool base64_decode(struct str text, uint8_t *out, size_t size, size_t *ret_len)
{
    uint8_t bytes[BYTES_MAX];
    size_t padding = 0;

    if (text.len % 4 != 0 || text.len / 4 * 3 > sizeof bytes)
        return false;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.len - padding; i++) { /* OpenSSL passes over blanks */
        if (!isalnum((unsigned char)text.ptr[i]) && text.ptr[i] != '+' && text.ptr[i] != '/')
            return false;
    }
    size_t len = text.len / 4 * 3 - padding;
    if (len > size ||
        (text.len && EVP_DecodeBlock(bytes, (const uint8_t *)text.ptr, (int)text.len) < 0))
        return false;
    memcpy(out, bytes, len);
    *ret_len = len;
    return true;
}
