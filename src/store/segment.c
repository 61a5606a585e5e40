/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/err.h"
#include "mqtt/wire.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MAGIC = 0x706c6578756a726eu; /* "plexujrn" */

enum { CRC_FROM = 16, CRC_LEN = SEGMENT_HEADER_LEN - CRC_FROM };

void segment_name(uint64_t number, char name[SEGMENT_NAME_MAX])
{
    snprintf(name, SEGMENT_NAME_MAX, "journal-%016" PRIx64 ".log", number);
}

uint64_t segment_name_number(const char *name)
{
    char same[SEGMENT_NAME_MAX];
    uint64_t number;

    if (sscanf(name, "journal-%16" SCNx64 ".log", &number) != 1)
        return 0;
    segment_name(number, same);
    return strcmp(name, same) == 0 ? number : 0;
}

static void u32_store(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void u64_store(uint8_t *at, uint64_t value)
{
    u32_store(at, (uint32_t)(value >> 32));
    u32_store(at + 4, (uint32_t)value);
}

void segment_header_write(uint8_t *bytes, const struct segment_header *header)
{
    memset(bytes, 0, SEGMENT_HEADER_LEN);
    u64_store(bytes, MAGIC);
    u32_store(bytes + 8, header->version);
    u64_store(bytes + 16, header->number);
    u64_store(bytes + 24, header->first_group);
    u64_store(bytes + 32, header->before);
    u64_store(bytes + 40, header->before_end);
    u32_store(bytes + 12, crc32c(header->version, bytes + CRC_FROM, CRC_LEN));
}

int segment_header_read(const uint8_t *bytes, struct segment_header *ret_header)
{
    struct wire_reader r = wire_reader(bytes, SEGMENT_HEADER_LEN, 0);
    uint64_t magic = wire_get_u64(&r);
    struct segment_header header = { .version = wire_get_u32(&r) };
    uint32_t crc = wire_get_u32(&r);

    if (magic != MAGIC || crc != crc32c(header.version, bytes + CRC_FROM, CRC_LEN))
        return ERR_CHECKSUM;
    if (header.version > SEGMENT_VERSION)
        return ERR_VERSION;
    header.number = wire_get_u64(&r);
    header.first_group = wire_get_u64(&r);
    header.before = wire_get_u64(&r);
    header.before_end = wire_get_u64(&r);
    *ret_header = header;
    return ERR_OK;
}

static void path_of(const char *dir, uint64_t number, char path[PATH_MAX])
{
    char name[SEGMENT_NAME_MAX];

    segment_name(number, name);
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

static int open_file(const struct disk *disk, const char *dir, uint64_t number, bool create,
                     struct segment **ret_segment)
{
    char path[PATH_MAX];
    struct segment *segment = calloc(1, sizeof *segment);

    if (!segment)
        return ERR_NOMEM;
    segment->number = number;
    path_of(dir, number, path);
    int err = disk->open(disk, path, create, &segment->file);
    if (err) {
        free(segment);
        return err;
    }
    *ret_segment = segment;
    return ERR_OK;
}

int segment_create(const struct disk *disk, const char *dir, uint64_t number, uint64_t size,
                   struct segment **ret_segment)
{
    struct segment *segment;
    int err = open_file(disk, dir, number, true, &segment);

    if (err)
        return err;
    segment->size = size;
    err = disk->allocate(disk, segment->file, size);
    if (!err)
        err = disk->sync(disk, segment->file);
    if (!err)
        err = disk->sync_dir(disk, dir);
    if (err) {
        segment_free(disk, dir, segment, true);
        return err;
    }
    *ret_segment = segment;
    return ERR_OK;
}

int segment_open(const struct disk *disk, const char *dir, uint64_t number,
                 struct segment **ret_segment)
{
    struct segment *segment;
    int err = open_file(disk, dir, number, false, &segment);

    if (err)
        return err;
    err = disk->size(disk, segment->file, &segment->size);
    if (err) {
        segment_free(disk, dir, segment, false);
        return err;
    }
    *ret_segment = segment;
    return ERR_OK;
}

void segment_free(const struct disk *disk, const char *dir, struct segment *segment, bool remove)
{
    char path[PATH_MAX];

    if (!segment)
        return;
    disk->close(disk, segment->file);
    if (remove) {
        path_of(dir, segment->number, path);
        disk->remove(disk, path);
    }
    free(segment);
}
