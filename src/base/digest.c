/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/sha.h>

void digest_sha256(const void *bytes, size_t len, uint8_t ret_digest[DIGEST_LEN])
{
    SHA256(bytes, len, ret_digest);
}
