/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what is durable before it is in the tables. Batches go to its end, one write
 * and one sync each; segments whose batches are all in the tables are removed.
 *
 * The store thread owns it. The only thing another thread may do is to read from segments
 * that are not released yet (journal_read), and to make the spare. */
#pragma once

#include "base/vec.h"
#include "store/batch.h"
#include "store/disk.h"
#include "store/segment.h"

#include <stdbool.h>
#include <stddef.h>

enum { JOURNAL_SEGMENT_BYTES = 16 * 1024 * 1024 };

/* Where something is in the journal. */
struct journal_place {
    struct segment *segment;
    uint64_t offset;
};

struct journal {
    const struct disk *disk;
    const char *dir;
    struct {
        VEC(struct segment *);
    } segments; /* in order; the last one takes batches unless sealed */
    bool sealed;
    struct segment *spare;   /* made ahead, or NULL */
    uint64_t next_number;    /* of the next segment that is made */
    uint64_t segment_bytes;
    uint64_t bytes_max;
    uint64_t written_bytes;
};

/* An empty journal. */
void journal_init(struct journal *journal, const struct disk *disk, const char *dir,
                  uint64_t bytes_max);

/* Close all files. Accepts a zeroed journal. */
void journal_finish(struct journal *journal);

/* Write the batch and sync. ERR_OK: it is durable, and ret_place is that of its records.
 * ERR_LIMIT: no room, try again later. ERR_IO: the segment is sealed in front of it; the
 * next attempt goes to a new one. ERR_NOMEM. */
int journal_append(struct journal *journal, struct batch *batch, struct journal_place *ret_place);

/* Read len bytes of a place. ERR_OK or ERR_IO. From any thread. */
int journal_read(const struct disk *disk, struct journal_place place, void *bytes, size_t len);

/* Bytes that its batches take. */
uint64_t journal_bytes(const struct journal *journal);

/* Take the first segment out whose batches are all applied up to this number and which takes
 * no more; NULL: there is none. The caller removes it. */
struct segment *journal_release(struct journal *journal, uint64_t applied);

/* Would a spare be of use? Then segment_create makes it, numbered next_number, which is counted
 * up at once; and journal_spare_put takes it over. It is removed when it is not needed: there
 * is one, or a later segment, made without waiting for it. */
bool journal_wants_spare(const struct journal *journal);
void journal_spare_put(struct journal *journal, struct segment *spare);
