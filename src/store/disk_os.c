/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/err.h"
#include "store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int err_of(int error)
{
    switch (error) {
    case 0: return ERR_OK;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_LIMIT;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ENOMEM: return ERR_NOMEM;
    default: return ERR_IO;
    }
}

static int os_open(const struct disk *disk, const char *path, bool create, int *ret_file)
{
    int file = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);

    (void)disk;
    if (file < 0)
        return err_of(errno);
    *ret_file = file;
    return ERR_OK;
}

static int os_allocate(const struct disk *disk, int file, uint64_t size)
{
    int error;

    (void)disk;
    do
        error = posix_fallocate(file, 0, (off_t)size);
    while (error == EINTR);
    return err_of(error);
}

static int os_write(const struct disk *disk, int file, const void *bytes, size_t len, uint64_t at,
                    size_t *ret_written)
{
    ssize_t n;

    (void)disk;
    do
        n = pwrite(file, bytes, len, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_of(errno);
    *ret_written = (size_t)n;
    return n == 0 && len > 0 ? ERR_IO : ERR_OK;
}

static int os_read(const struct disk *disk, int file, void *bytes, size_t len, uint64_t at,
                   size_t *ret_read)
{
    ssize_t n;

    (void)disk;
    do
        n = pread(file, bytes, len, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_of(errno);
    *ret_read = (size_t)n;
    return ERR_OK;
}

static int os_size(const struct disk *disk, int file, uint64_t *ret_size)
{
    struct stat stat;

    (void)disk;
    if (fstat(file, &stat) != 0)
        return err_of(errno);
    *ret_size = (uint64_t)stat.st_size;
    return ERR_OK;
}

static int os_sync(const struct disk *disk, int file)
{
    (void)disk;
    /* Not tried again when interrupted or failed: the kernel forgets what it could not
     * write, so that a second success would mean nothing. */
    return fdatasync(file) == 0 ? ERR_OK : err_of(errno);
}

static void os_close(const struct disk *disk, int file)
{
    (void)disk;
    close(file);
}

static int os_remove(const struct disk *disk, const char *path)
{
    (void)disk;
    return unlink(path) == 0 ? ERR_OK : err_of(errno);
}

static int os_list(const struct disk *disk, const char *path,
                   int (*fn)(void *context, const char *name), void *context)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int err = ERR_OK;

    (void)disk;
    if (!dir)
        return err_of(errno);
    for (errno = 0; !err && (entry = readdir(dir)); errno = 0)
        err = fn(context, entry->d_name);
    if (!err)
        err = err_of(errno);
    closedir(dir);
    return err;
}

static int os_sync_dir(const struct disk *disk, const char *path)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = ERR_OK;

    (void)disk;
    if (file < 0)
        return err_of(errno);
    if (fsync(file) != 0)
        err = err_of(errno);
    close(file);
    return err;
}

static int os_lock(const struct disk *disk, const char *path, int *ret_file)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)disk;
    if (file < 0)
        return err_of(errno) == ERR_DENIED ? ERR_IO : err_of(errno);
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int err = errno == EWOULDBLOCK ? ERR_DENIED : err_of(errno);
        close(file);
        return err;
    }
    *ret_file = file;
    return ERR_OK;
}

const struct disk disk_os = {
    .open = os_open,
    .allocate = os_allocate,
    .write = os_write,
    .read = os_read,
    .size = os_size,
    .sync = os_sync,
    .close = os_close,
    .remove = os_remove,
    .list = os_list,
    .sync_dir = os_sync_dir,
    .lock = os_lock,
};
