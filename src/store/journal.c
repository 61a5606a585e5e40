/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

void journal_init(struct journal *journal, const struct disk *disk, const char *dir,
                  uint64_t bytes_max)
{
    *journal = (struct journal){ .disk = disk,
                                 .dir = dir,
                                 .sealed = true,
                                 .next_number = 1,
                                 .segment_bytes = JOURNAL_SEGMENT_BYTES,
                                 .bytes_max = bytes_max };
}

void journal_finish(struct journal *journal)
{
    if (!journal->disk)
        return;
    vec_each (&journal->segments, segment)
        segment_free(journal->disk, journal->dir, *segment, false);
    vec_finish(&journal->segments);
    segment_free(journal->disk, journal->dir, journal->spare, false);
    journal->spare = NULL;
}

static struct segment *last_segment(const struct journal *journal)
{
    return journal->segments.len > 0 ? journal->segments.at[journal->segments.len - 1] : NULL;
}

uint64_t journal_bytes(const struct journal *journal)
{
    uint64_t bytes = 0;

    vec_each (&journal->segments, segment)
        bytes += (*segment)->end;
    return bytes;
}

/* Make the next segment, or take the spare, and put it at the end. */
static int segment_next(struct journal *journal, uint64_t size)
{
    struct segment *segment = journal->spare;

    if (segment && segment->size < size) {
        segment_free(journal->disk, journal->dir, segment, true);
        segment = NULL;
    }
    journal->spare = NULL;
    if (!segment) {
        int err = segment_create(journal->disk, journal->dir, journal->next_number, size,
                                 &segment);
        if (err)
            return err;
        journal->next_number++;
    }
    struct segment **slot = vec_push(&journal->segments);
    if (!slot) {
        segment_free(journal->disk, journal->dir, segment, true);
        return ERR_NOMEM;
    }
    *slot = segment;
    journal->sealed = false;
    return ERR_OK;
}

/* The segment that this many bytes go to. */
static int segment_for(struct journal *journal, uint64_t bytes, struct segment **ret_segment)
{
    struct segment *last = last_segment(journal);
    uint64_t size = SEGMENT_HEADER_LEN + bytes;

    if (journal->sealed || last->end + bytes > last->size ||
        (last->end == 0 && size > last->size)) {
        int err = segment_next(journal, size > journal->segment_bytes ? size
                                                                      : journal->segment_bytes);
        if (err)
            return err;
    }
    *ret_segment = last_segment(journal);
    return ERR_OK;
}

/* The header of a segment that begins with this batch, into the room before it. */
static void header_put(const struct journal *journal, struct batch *batch)
{
    size_t count = journal->segments.len;
    const struct segment *before = count > 1 ? journal->segments.at[count - 2] : NULL;
    const struct segment_header header = { .version = SEGMENT_VERSION,
                                           .number = last_segment(journal)->number,
                                           .first_group = batch->header.number,
                                           .before = before ? before->number : 0,
                                           .before_end = before ? before->end : 0 };

    segment_header_write(batch->bytes.data, &header);
}

int journal_append(struct journal *journal, struct batch *batch, struct journal_place *ret_place)
{
    size_t size = batch_size(&batch->header), from = SEGMENT_HEADER_LEN;
    struct segment *segment;

    assert(batch->bytes.len == SEGMENT_HEADER_LEN + size);
    if (journal_bytes(journal) + size > journal->bytes_max && journal->segments.len > 0)
        return ERR_LIMIT;
    int err = segment_for(journal, size, &segment);
    if (err)
        return err;
    if (segment->end == 0) {
        header_put(journal, batch);
        from = 0;
    }
    size_t len = batch->bytes.len - from;
    err = disk_write_all(journal->disk, segment->file, batch->bytes.data + from, len, segment->end);
    if (!err)
        err = journal->disk->sync(journal->disk, segment->file);
    journal->written_bytes += len;
    if (err == ERR_LIMIT)
        return err;
    if (err) { /* what is on the disk behind the end is not known: never believe it */
        journal->sealed = true;
        return ERR_IO;
    }
    *ret_place = (struct journal_place){ segment,
                                         segment->end + SEGMENT_HEADER_LEN - from +
                                             BATCH_HEADER_LEN };
    segment->end += len;
    segment->last_group = batch->header.number;
    return ERR_OK;
}

int journal_read(const struct disk *disk, struct journal_place place, void *bytes, size_t len)
{
    size_t got = 0;
    int err = disk_read_all(disk, place.segment->file, bytes, len, place.offset, &got);

    return err ? err : got == len ? ERR_OK : ERR_IO;
}

struct segment *journal_release(struct journal *journal, uint64_t applied)
{
    if (journal->segments.len == 0)
        return NULL;
    struct segment *first = journal->segments.at[0];
    bool takes_more = journal->segments.len == 1 && !journal->sealed;
    if (takes_more || first->last_group > applied)
        return NULL;
    journal->segments.len--;
    memmove(journal->segments.at, journal->segments.at + 1,
            journal->segments.len * sizeof *journal->segments.at);
    return first;
}

bool journal_wants_spare(const struct journal *journal)
{
    const struct segment *last = last_segment(journal);

    return !journal->spare && last && (journal->sealed || last->end > last->size / 4);
}

void journal_spare_put(struct journal *journal, struct segment *spare)
{
    const struct segment *last = last_segment(journal);

    if (journal->spare || (last && last->number > spare->number)) {
        segment_free(journal->disk, journal->dir, spare, true);
        return;
    }
    journal->spare = spare;
}
