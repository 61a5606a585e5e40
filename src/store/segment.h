/* SPDX-License-Identifier: Apache-2.0 */
/* A segment is one file of the journal: a header, then groups one behind the other, then
 * zeroes up to the size that was allocated. It is written from front to back and never
 * again; the header goes out with the first group.
 *
 *     magic u64, version u32, crc u32 of the rest, number u64, first group u64,
 *     the segment before u64 and where its groups end u64; zeroes up to 64 bytes
 *
 * Where a segment ends is said by the one behind it, because a write or sync that failed may
 * have left something there that must not be believed. */
#pragma once

#include "base/str.h"
#include "store/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_HEADER_LEN = 64, SEGMENT_VERSION = 1, SEGMENT_NAME_MAX = 40 };

struct segment {
    uint64_t number;
    int file;
    uint64_t size;        /* allocated */
    uint64_t end;         /* where the next group goes; 0: the header is not written */
    uint64_t last_group;  /* 0: none */
};

struct segment_header {
    uint32_t version;
    uint64_t number;
    uint64_t first_group;
    uint64_t before;     /* number of the segment before, 0: none */
    uint64_t before_end; /* where its groups end */
};

/* "journal-0000000000000001.log" into name. */
void segment_name(uint64_t number, char name[SEGMENT_NAME_MAX]);

/* The number in a name, 0: no segment's name. */
uint64_t segment_name_number(const char *name);

/* Write the header into SEGMENT_HEADER_LEN bytes. */
void segment_header_write(uint8_t *bytes, const struct segment_header *header);

/* ERR_OK, ERR_CHECKSUM, or ERR_VERSION: written by a newer one (number is not told). */
int segment_header_read(const uint8_t *bytes, struct segment_header *ret_header);

/* Make the file, allocated and there to stay. On failure nothing of it is left behind. */
int segment_create(const struct disk *disk, const char *dir, uint64_t number, uint64_t size,
                   struct segment **ret_segment);

/* Open an existing one. */
int segment_open(const struct disk *disk, const char *dir, uint64_t number,
                 struct segment **ret_segment);

/* Close the file and free; remove: and remove it. Accepts NULL. */
void segment_free(const struct disk *disk, const char *dir, struct segment *segment, bool remove);
