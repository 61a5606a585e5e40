/* SPDX-License-Identifier: Apache-2.0 */
#include "store/disk.h"

#include "base/err.h"

int disk_write_all(const struct disk *disk, int file, const void *bytes, size_t len, uint64_t at)
{
    const uint8_t *p = bytes;

    while (len > 0) {
        size_t written = 0;
        int err = disk->write(disk, file, p, len, at, &written);
        if (err)
            return err;
        p += written;
        len -= written;
        at += written;
    }
    return ERR_OK;
}

int disk_read_all(const struct disk *disk, int file, void *bytes, size_t len, uint64_t at,
                  size_t *ret_read)
{
    uint8_t *p = bytes;
    size_t done = 0, got = 1;

    while (done < len && got > 0) {
        int err = disk->read(disk, file, p + done, len - done, at + done, &got);
        if (err)
            return err;
        done += got;
    }
    *ret_read = done;
    return ERR_OK;
}
