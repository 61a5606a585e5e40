/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, as iSCSI has it in RFC 3720): finds what a disk or a wire changed,
 * not what an attacker did. Uses the processor's instruction where there is one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Go on from crc, which begins as 0, over more bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
