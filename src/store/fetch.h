/* SPDX-License-Identifier: Apache-2.0 */
/* A fetch reads bodies of messages back from the journal. They were written one behind the
 * other, and are mostly read so: what is read at once grows while that holds. */
#pragma once

#include "base/buf.h"
#include "store/delta.h"
#include "store/disk.h"

struct fetch {
    const struct disk *disk;
    struct buf window;
    const struct segment *segment; /* of the window; NULL: it is empty */
    uint64_t offset;
    size_t ahead; /* how much to read at once */
};

/* The body of a message, borrowed until the next one. ERR_OK, ERR_NOMEM, ERR_IO, or
 * ERR_CHECKSUM: it is not what was written. */
int fetch_body(struct fetch *fetch, uint64_t id, const struct delta_message *message,
               struct str *ret_body);

/* Free the memory. */
void fetch_finish(struct fetch *fetch);
