/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual disk that knows what is synced. At a crash it keeps, from a seed, any subset of
 * the sectors that were not: writes are torn and change places; files that were made or
 * removed without a sync of the directory may not have been. On purpose it fails at a chosen
 * operation, writes fewer bytes than asked, forgets what a failed sync should have written,
 * and flips bits. One directory, any names. */
#pragma once

#include "base/rand.h"
#include "base/vec.h"
#include "store/disk.h"

#include <stdbool.h>

enum { VDISK_SECTOR = 512 };

/* Operations, to choose from. */
enum {
    VDISK_CREATE = 1,
    VDISK_ALLOCATE = 2,
    VDISK_WRITE = 4,
    VDISK_SYNC = 8,
    VDISK_SYNC_DIR = 16,
    VDISK_REMOVE = 32,
    VDISK_READ = 64,
    VDISK_CHANGES = 63, /* all but reading */
};

struct vdisk_file {
    char name[64];
    uint8_t *now;      /* what is read */
    uint8_t *kept;     /* what survives */
    uint8_t *sectors;  /* of each: clean, dirty, or lost by a sync that failed */
    uint64_t size, kept_size, cap;
    bool there, kept_there; /* its entry in the directory */
};

struct vdisk {
    struct disk disk; /* first: a struct disk is given to the store */
    struct {
        VEC(struct vdisk_file *);
    } files;
    struct rand rand;
    bool locked;
    bool dead; /* nothing works any more until vdisk_crash */
    bool short_writes;
    uint64_t ops; /* operations that change something, so far */
    uint64_t crash_at; /* at this one the power goes; 0: never */
    /* The fault: operations of these kinds fail with err from the fail_after'th on, fail_times
     * times. */
    unsigned fail_kinds;
    uint64_t fail_after, fail_times;
    int fail_err;
    uint64_t room; /* bytes that may be allocated in all; 0: any */
};

/* An empty disk. */
void vdisk_init(struct vdisk *vdisk, uint64_t seed);

/* Free all of it. */
void vdisk_finish(struct vdisk *vdisk);

/* The power goes and comes back: what was not synced is there or not. */
void vdisk_crash(struct vdisk *vdisk);

/* Let operations of these kinds fail: the one after n more, and times in all. */
void vdisk_fail(struct vdisk *vdisk, unsigned kinds, uint64_t n, uint64_t times, int err);

/* The file's bytes as they are, or NULL. */
struct vdisk_file *vdisk_find(const struct vdisk *vdisk, const char *name);

/* Change a bit on the disk. */
void vdisk_flip(struct vdisk *vdisk, struct vdisk_file *file, uint64_t byte, unsigned bit);
