/* SPDX-License-Identifier: Apache-2.0 */
#include "store/replay.h"

#include "base/err.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The batch at an offset. ERR_OK, or ERR_CHECKSUM: there is none that is whole. */
static int batch_at(const struct replay *replay, const uint8_t *bytes, size_t len, size_t offset,
                    struct batch_header *ret_header)
{
    struct batch_header header;
    uint8_t mark[8];

    for (int i = 0; i < 8; i++)
        mark[i] = (uint8_t)(replay->mark >> (56 - 8 * i));
    if (len - offset < BATCH_HEADER_LEN || memcmp(bytes + offset, mark, sizeof mark) != 0 ||
        batch_header_read(bytes + offset, &header) != ERR_OK ||
        batch_size(&header) > len - offset ||
        batch_crc(bytes + offset + BATCH_HEADER_LEN, header.len) != header.crc)
        return ERR_CHECKSUM;
    *ret_header = header;
    return ERR_OK;
}

static void damage_note(struct replay *replay, const struct segment *segment, size_t from,
                        size_t end)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(segment->number, name);
    buf_printf(replay->report, "%s: bytes %zu to %zu are damaged, and skipped\n", name, from, end);
    replay->damaged++;
}

static void hole_note(struct replay *replay, const struct segment *segment, uint64_t number)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(segment->number, name);
    buf_printf(replay->report, "%s: batches %" PRIu64 " to %" PRIu64 " are missing before it\n",
               name, replay->last + 1, number - 1);
    replay->damaged++;
}

static int batch_take(struct replay *replay, struct segment *segment, const uint8_t *bytes,
                      size_t offset, const struct batch_header *header)
{
    struct str records = { (const char *)bytes + offset + BATCH_HEADER_LEN, header->len };
    struct journal_place place = { segment, offset + BATCH_HEADER_LEN };

    segment->end = offset + batch_size(header);
    segment->last_group = header->number;
    replay->tail = (struct journal_place){ segment, offset };
    replay->tail_len = batch_size(header);
    if (header->number <= replay->last)
        return ERR_OK; /* in the tables, or written twice because a sync failed */
    replay->last = header->number;
    replay->batches++;
    return replay->batch(replay->context, header, records, place);
}

/* The next whole batch that is newer, beginning in [offset, used); len when there is none. */
static size_t batch_search(const struct replay *replay, const uint8_t *bytes, size_t used,
                           size_t len, size_t offset)
{
    struct batch_header header;

    for (; offset < used; offset += BATCH_ALIGN) {
        if (batch_at(replay, bytes, len, offset, &header) == ERR_OK &&
            header.number > replay->last)
            return offset;
    }
    return len;
}

/* Behind the last byte that is not zero, or a few more. */
static size_t used_end(const uint8_t *bytes, size_t len)
{
    static const uint8_t zeroes[4096] = { 0 };

    while (len >= sizeof zeroes && memcmp(bytes + len - sizeof zeroes, zeroes, sizeof zeroes) == 0)
        len -= sizeof zeroes;
    while (len > 0 && bytes[len - 1] == 0)
        len--;
    return len;
}

int replay_scan(struct replay *replay, struct segment *segment, const uint8_t *bytes, size_t len,
                bool complete)
{
    size_t offset = SEGMENT_HEADER_LEN, used = used_end(bytes, len);
    bool skipped = false;
    int err = ERR_OK;

    while (offset < (complete ? len : used) && !err) {
        struct batch_header header;
        if (batch_at(replay, bytes, len, offset, &header) == ERR_OK) {
            if (header.number > replay->last + 1 && !skipped)
                hole_note(replay, segment, header.number);
            skipped = false;
            err = batch_take(replay, segment, bytes, offset, &header);
            offset += batch_size(&header);
            continue;
        }
        size_t next = batch_search(replay, bytes, used, len, offset + BATCH_ALIGN);
        if (next < len || complete)
            damage_note(replay, segment, offset, next);
        else
            replay->torn_bytes += used - offset;
        skipped = true;
        offset = next;
    }
    return err;
}

/* ---- the files ---- */

struct found {
    VEC(uint64_t);
};

static int name_note(void *context, const char *name)
{
    struct found *found = context;
    uint64_t number = segment_name_number(name);

    if (number == 0)
        return ERR_OK;
    uint64_t *slot = vec_push(found);
    if (!slot)
        return ERR_NOMEM;
    *slot = number;
    return ERR_OK;
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* A segment as it was found. */
struct opened {
    struct segment *segment;
    struct segment_header header;
    bool has_header;
};

static int header_load(struct replay *replay, const struct disk *disk, struct opened *o)
{
    uint8_t bytes[SEGMENT_HEADER_LEN];
    char name[SEGMENT_NAME_MAX];
    size_t got = 0;
    int err = disk_read_all(disk, o->segment->file, bytes, sizeof bytes, 0, &got);

    if (err)
        return err;
    err = got == sizeof bytes ? segment_header_read(bytes, &o->header) : ERR_CHECKSUM;
    o->has_header = err == ERR_OK;
    if (err != ERR_VERSION)
        return ERR_OK;
    segment_name(o->segment->number, name);
    buf_printf(replay->report, "%s: made by a newer version, whose format this one can't read\n",
               name);
    return err;
}

/* Is all of it in the tables, as the next one says? Then it needs no reading. */
static bool is_applied(const struct replay *replay, const struct opened *o,
                       const struct opened *next)
{
    return next && next->header.before == o->segment->number && next->header.before_end > 0 &&
           next->header.first_group <= replay->applied + 1;
}

/* Scan one segment up to where it is known to end. */
static int segment_scan(struct replay *replay, const struct disk *disk, struct opened *o,
                        const struct opened *next)
{
    bool ends = next && next->header.before == o->segment->number;
    uint64_t len = ends ? next->header.before_end : o->segment->size;
    size_t got = 0;

    if (is_applied(replay, o, next) && !replay->look_only) {
        o->segment->end = next->header.before_end;
        o->segment->last_group = next->header.first_group - 1;
        return ERR_OK;
    }
    if (len > o->segment->size)
        len = o->segment->size;
    uint8_t *bytes = malloc((size_t)len + 1);
    if (!bytes)
        return ERR_NOMEM;
    int err = disk_read_all(disk, o->segment->file, bytes, (size_t)len, 0, &got);
    if (!err)
        err = replay_scan(replay, o->segment, bytes, got, ends);
    free(bytes);
    return err;
}

static int segments_scan(struct replay *replay, struct journal *journal, struct opened *opened,
                         size_t count)
{
    int err = ERR_OK;

    for (size_t i = 0; i < count && !err; i++)
        err = header_load(replay, journal->disk, &opened[i]);
    for (size_t i = 0; i < count && !err; i++) {
        const struct opened *next = NULL;
        for (size_t j = i + 1; j < count && !next; j++)
            next = opened[j].has_header ? &opened[j] : NULL;
        err = segment_scan(replay, journal->disk, &opened[i], next);
        if (err)
            break;
        /* One without a batch is a spare, or was begun: the next one gets a new number. */
        if (opened[i].segment->end == 0) {
            segment_free(journal->disk, journal->dir, opened[i].segment,
                         !replay->look_only);
            opened[i].segment = NULL;
            continue;
        }
        struct segment **slot = vec_push(&journal->segments);
        if (!slot)
            return ERR_NOMEM;
        *slot = opened[i].segment;
        opened[i].segment = NULL;
    }
    return err;
}

/* A batch whose sync failed may be readable and yet not on the disk. So what is believed last
 * is written again in its place and synced: only then is it durable. */
static int tail_make_sure(struct replay *replay, const struct disk *disk)
{
    struct journal_place tail = replay->tail;

    if (!tail.segment || replay->look_only)
        return ERR_OK;
    uint8_t *bytes = malloc(replay->tail_len);
    if (!bytes)
        return ERR_NOMEM;
    int err = journal_read(disk, tail, bytes, replay->tail_len);
    if (!err)
        err = disk_write_all(disk, tail.segment->file, bytes, replay->tail_len, tail.offset);
    if (!err)
        err = disk->sync(disk, tail.segment->file);
    free(bytes);
    return err;
}

int replay_run(struct replay *replay, struct journal *journal)
{
    struct found found = { 0 };
    struct opened *opened = NULL;
    int err = journal->disk->list(journal->disk, journal->dir, name_note, &found);

    replay->last = replay->applied;
    if (!err && found.len > 0) {
        qsort(found.at, found.len, sizeof *found.at, number_compare);
        journal->next_number = found.at[found.len - 1] + 1;
        opened = calloc(found.len, sizeof *opened);
        err = opened ? ERR_OK : ERR_NOMEM;
    }
    for (size_t i = 0; i < found.len && !err; i++)
        err = segment_open(journal->disk, journal->dir, found.at[i], &opened[i].segment);
    if (!err)
        err = segments_scan(replay, journal, opened, found.len);
    for (size_t i = 0; opened && i < found.len; i++)
        segment_free(journal->disk, journal->dir, opened[i].segment, false);
    free(opened);
    vec_finish(&found);
    return err ? err : tail_make_sure(replay, journal->disk);
}
