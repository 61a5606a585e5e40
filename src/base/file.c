/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 16 * 1024, PATH_CHARS_MAX = 4200 };

int file_read(const char *path, size_t max, struct buf *text)
{
    FILE *file = fopen(path, "re");
    size_t got = 1, before = text->len;

    if (!file)
        return ERR_IO;
    while (got > 0 && text->len - before <= max) {
        uint8_t *room = buf_reserve(text, PIECE_BYTES);
        if (!room)
            break;
        got = fread(room, 1, PIECE_BYTES, file);
        buf_advance(text, got);
    }
    int err = ferror(file) ? ERR_IO : text->failed ? ERR_NOMEM : got ? ERR_TOO_LARGE : ERR_OK;
    int saved = errno;
    fclose(file);
    errno = saved;
    return err;
}

static bool write_all(int fd, struct str text)
{
    for (size_t at = 0; at < text.len;) {
        ssize_t written = write(fd, text.ptr + at, text.len - at);
        if (written < 0 && errno != EINTR)
            return false;
        at += written > 0 ? (size_t)written : 0;
    }
    return true;
}

int file_sync_name(const char *path)
{
    char directory[PATH_CHARS_MAX] = ".";
    const char *slash = strrchr(path, '/');

    if (slash)
        snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path),
                 path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    bool synced = fsync(fd) == 0;
    close(fd);
    return synced ? ERR_OK : ERR_IO;
}

/* Owner and mode as the file has them that is to be replaced, or this mode. */
static bool take_after(int fd, const char *path, unsigned mode)
{
    struct stat old, own;

    if (stat(path, &old) != 0)
        return errno == ENOENT && fchmod(fd, mode) == 0;
    if (fstat(fd, &own) != 0)
        return false;
    if ((own.st_uid != old.st_uid || own.st_gid != old.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) != 0)
        return false;
    return fchmod(fd, old.st_mode & 07777) == 0;
}

/* Make a file beside path, whose name goes to fresh, with this content, synced. */
static bool write_beside(const char *path, struct str text, unsigned mode,
                         char fresh[PATH_CHARS_MAX])
{
    if (snprintf(fresh, PATH_CHARS_MAX, "%s.XXXXXX", path) >= PATH_CHARS_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return false;
    bool well = take_after(fd, path, mode) && write_all(fd, text) && fsync(fd) == 0;
    well = close(fd) == 0 && well;
    if (!well) {
        int saved = errno;
        unlink(fresh);
        errno = saved;
    }
    return well;
}

int file_replace(const char *path, struct str text, unsigned mode)
{
    char real[PATH_MAX], fresh[PATH_CHARS_MAX];

    if (realpath(path, real))
        path = real;
    if (!write_beside(path, text, mode, fresh))
        return ERR_IO;
    if (rename(fresh, path) != 0) {
        int saved = errno;
        unlink(fresh);
        errno = saved;
        return ERR_IO;
    }
    return file_sync_name(path);
}
