/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) by libcrypto, for identities that must be the same everywhere. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_LEN = 32 };

/* The SHA-256 of the bytes into ret_digest. Always succeeds. */
void digest_sha256(const void *bytes, size_t len, uint8_t ret_digest[DIGEST_LEN]);
