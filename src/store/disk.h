/* SPDX-License-Identifier: Apache-2.0 */
/* The file layer under the journal: a table of functions, so that tests can put a virtual
 * disk there that fails, tears and forgets on purpose.
 *
 * All functions return ERR_OK, ERR_LIMIT (no room), ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED,
 * ERR_NOMEM or ERR_IO. A file is a number that open gave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk {
    /* Open a file for reading and writing; create: it must not exist yet. */
    int (*open)(const struct disk *disk, const char *path, bool create, int *ret_file);
    /* Give the file this size and the room for it, as zeroes. */
    int (*allocate)(const struct disk *disk, int file, uint64_t size);
    /* Write at a place. Fewer bytes than asked for may be written, at least one. */
    int (*write)(const struct disk *disk, int file, const void *bytes, size_t len, uint64_t at,
                 size_t *ret_written);
    /* Read at a place. Fewer bytes may come, at the end of the file none. */
    int (*read)(const struct disk *disk, int file, void *bytes, size_t len, uint64_t at,
                size_t *ret_read);
    int (*size)(const struct disk *disk, int file, uint64_t *ret_size);
    /* Make what was written and the size survive a loss of power. */
    int (*sync)(const struct disk *disk, int file);
    void (*close)(const struct disk *disk, int file);
    int (*remove)(const struct disk *disk, const char *path);
    /* Call fn with the name of every file of a directory, in any order, until it fails. */
    int (*list)(const struct disk *disk, const char *dir,
                int (*fn)(void *context, const char *name), void *context);
    /* Make files made and removed in a directory stay so. */
    int (*sync_dir)(const struct disk *disk, const char *dir);
    /* Hold this file, made if it is not there, against other processes until close or the
     * end of the process. ERR_DENIED: another has it. */
    int (*lock)(const struct disk *disk, const char *path, int *ret_file);
};

/* The real one. */
extern const struct disk disk_os;

/* Write all of it, however often it takes. */
int disk_write_all(const struct disk *disk, int file, const void *bytes, size_t len, uint64_t at);

/* Read up to len bytes, however often it takes; fewer only at the end of the file. */
int disk_read_all(const struct disk *disk, int file, void *bytes, size_t len, uint64_t at,
                  size_t *ret_read);
