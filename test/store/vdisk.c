/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sector { CLEAN, DIRTY, LOST };

enum { LOCK_FILE = 1000000 };

static struct vdisk *vdisk_of(const struct disk *disk)
{
    return (struct vdisk *)disk;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

struct vdisk_file *vdisk_find(const struct vdisk *v, const char *name)
{
    vec_each (&v->files, file) {
        if ((*file)->there && strcmp((*file)->name, name) == 0)
            return *file;
    }
    return NULL;
}

/* An operation happens: the error that was ordered for it, ERR_IO once the power is gone, or
 * ERR_OK. ret_last: this one is cut off by the power. */
static int happen(struct vdisk *v, unsigned kind, bool *ret_last)
{
    *ret_last = false;
    if (v->dead)
        return ERR_IO;
    if (kind & VDISK_CHANGES && ++v->ops == v->crash_at) {
        v->dead = true;
        *ret_last = true;
        return ERR_OK;
    }
    if (!(kind & v->fail_kinds) || v->fail_times == 0)
        return ERR_OK;
    if (v->fail_after > 0) {
        v->fail_after--;
        return ERR_OK;
    }
    v->fail_times--;
    return v->fail_err;
}

static void file_grow(struct vdisk_file *file, uint64_t size)
{
    if (size > file->cap) {
        uint64_t cap = size + VDISK_SECTOR - size % VDISK_SECTOR;
        uint8_t *now = calloc(1, cap), *kept = calloc(1, cap);
        uint8_t *sectors = calloc(1, cap / VDISK_SECTOR);
        assert(now && kept && sectors);
        if (file->cap) {
            memcpy(now, file->now, file->cap);
            memcpy(kept, file->kept, file->cap);
            memcpy(sectors, file->sectors, file->cap / VDISK_SECTOR);
        }
        free(file->now);
        free(file->kept);
        free(file->sectors);
        file->now = now;
        file->kept = kept;
        file->sectors = sectors;
        file->cap = cap;
    }
    if (size > file->size)
        file->size = size;
}

static int v_open(const struct disk *disk, const char *path, bool create, int *ret_file)
{
    struct vdisk *v = vdisk_of(disk);
    struct vdisk_file *file = vdisk_find(v, name_of(path));
    bool last;
    int err = happen(v, create ? VDISK_CREATE : VDISK_READ, &last);

    if (err)
        return err;
    if (create == (file != NULL))
        return create ? ERR_EXISTS : ERR_NOT_FOUND;
    if (create) {
        file = calloc(1, sizeof *file);
        struct vdisk_file **slot = vec_push(&v->files);
        assert(file && slot);
        snprintf(file->name, sizeof file->name, "%s", name_of(path));
        file->there = true;
        *slot = file;
    }
    for (size_t i = 0; i < v->files.len; i++) {
        if (v->files.at[i] == file)
            *ret_file = (int)i;
    }
    return last ? ERR_IO : ERR_OK;
}

static int v_allocate(const struct disk *disk, int number, uint64_t size)
{
    struct vdisk *v = vdisk_of(disk);
    uint64_t used = 0;
    bool last;
    int err = happen(v, VDISK_ALLOCATE, &last);

    if (err)
        return err;
    vec_each (&v->files, file)
        used += (*file)->there ? (*file)->size : 0;
    if (v->room && used + size > v->room)
        return ERR_LIMIT;
    file_grow(v->files.at[number], size);
    return last ? ERR_IO : ERR_OK;
}

static int v_write(const struct disk *disk, int number, const void *bytes, size_t len, uint64_t at,
                   size_t *ret_written)
{
    struct vdisk *v = vdisk_of(disk);
    struct vdisk_file *file = v->files.at[number];
    bool last;
    int err = happen(v, VDISK_WRITE, &last);

    if (err)
        return err;
    if (v->short_writes && len > 1)
        len = 1 + (size_t)rand_below(&v->rand, len);
    file_grow(file, at + len);
    memcpy(file->now + at, bytes, len);
    for (uint64_t sector = at / VDISK_SECTOR; sector <= (at + len - 1) / VDISK_SECTOR; sector++)
        file->sectors[sector] = DIRTY;
    *ret_written = len;
    return last ? ERR_IO : ERR_OK;
}

static int v_read(const struct disk *disk, int number, void *bytes, size_t len, uint64_t at,
                  size_t *ret_read)
{
    struct vdisk *v = vdisk_of(disk);
    const struct vdisk_file *file = v->files.at[number];
    bool last;
    int err = happen(v, VDISK_READ, &last);

    if (err)
        return err;
    uint64_t left = at < file->size ? file->size - at : 0;
    *ret_read = len < left ? len : (size_t)left;
    if (*ret_read)
        memcpy(bytes, file->now + at, *ret_read);
    return ERR_OK;
}

static int v_size(const struct disk *disk, int number, uint64_t *ret_size)
{
    *ret_size = vdisk_of(disk)->files.at[number]->size;
    return ERR_OK;
}

/* Take the sector to what survives, or what survives to it. */
static void sector_copy(struct vdisk_file *file, uint64_t sector, bool keep)
{
    uint8_t *from = (keep ? file->now : file->kept) + sector * VDISK_SECTOR;
    uint8_t *to = (keep ? file->kept : file->now) + sector * VDISK_SECTOR;

    memcpy(to, from, VDISK_SECTOR);
    file->sectors[sector] = CLEAN;
}

static int v_sync(const struct disk *disk, int number)
{
    struct vdisk *v = vdisk_of(disk);
    struct vdisk_file *file = v->files.at[number];
    bool last;
    int err = happen(v, VDISK_SYNC, &last);

    if (last || (err && v->dead))
        return ERR_IO;
    for (uint64_t sector = 0; sector < file->cap / VDISK_SECTOR; sector++) {
        if (file->sectors[sector] != DIRTY)
            continue;
        if (err) /* as a kernel does: the page is clean now, whatever the disk has */
            file->sectors[sector] = LOST;
        else
            sector_copy(file, sector, true);
    }
    if (!err)
        file->kept_size = file->size;
    return err;
}

static void v_close(const struct disk *disk, int number)
{
    if (number == LOCK_FILE)
        vdisk_of(disk)->locked = false;
}

static int v_remove(const struct disk *disk, const char *path)
{
    struct vdisk *v = vdisk_of(disk);
    struct vdisk_file *file = vdisk_find(v, name_of(path));
    bool last;
    int err = happen(v, VDISK_REMOVE, &last);

    if (err)
        return err;
    if (!file)
        return ERR_NOT_FOUND;
    file->there = false;
    return last ? ERR_IO : ERR_OK;
}

static int v_list(const struct disk *disk, const char *dir,
                  int (*fn)(void *context, const char *name), void *context)
{
    int err = ERR_OK;

    (void)dir;
    vec_each (&vdisk_of(disk)->files, file) {
        if ((*file)->there && !err)
            err = fn(context, (*file)->name);
    }
    return err;
}

static int v_sync_dir(const struct disk *disk, const char *dir)
{
    struct vdisk *v = vdisk_of(disk);
    bool last;
    int err = happen(v, VDISK_SYNC_DIR, &last);

    (void)dir;
    if (err || last)
        return ERR_IO;
    vec_each (&v->files, file)
        (*file)->kept_there = (*file)->there;
    return ERR_OK;
}

static int v_lock(const struct disk *disk, const char *path, int *ret_file)
{
    struct vdisk *v = vdisk_of(disk);

    (void)path;
    if (v->locked)
        return ERR_DENIED;
    v->locked = true;
    *ret_file = LOCK_FILE;
    return ERR_OK;
}

void vdisk_init(struct vdisk *vdisk, uint64_t seed)
{
    *vdisk = (struct vdisk){ .disk = { .open = v_open,
                                       .allocate = v_allocate,
                                       .write = v_write,
                                       .read = v_read,
                                       .size = v_size,
                                       .sync = v_sync,
                                       .close = v_close,
                                       .remove = v_remove,
                                       .list = v_list,
                                       .sync_dir = v_sync_dir,
                                       .lock = v_lock } };
    rand_init(&vdisk->rand, seed);
}

static void file_free(struct vdisk_file *file)
{
    free(file->now);
    free(file->kept);
    free(file->sectors);
    free(file);
}

void vdisk_finish(struct vdisk *vdisk)
{
    vec_each (&vdisk->files, file)
        file_free(*file);
    vec_finish(&vdisk->files);
}

static void file_crash(struct vdisk *v, struct vdisk_file *file)
{
    if (file->there != file->kept_there)
        file->there = rand_next(&v->rand) & 1;
    if (file->size != file->kept_size && rand_next(&v->rand) & 1)
        file->size = file->kept_size;
    for (uint64_t sector = 0; sector < file->cap / VDISK_SECTOR; sector++) {
        if (file->sectors[sector] != CLEAN)
            sector_copy(file, sector, rand_next(&v->rand) & 1);
        if (sector * VDISK_SECTOR >= file->size) { /* cut off, and zero when it grows again */
            memset(file->now + sector * VDISK_SECTOR, 0, VDISK_SECTOR);
            memset(file->kept + sector * VDISK_SECTOR, 0, VDISK_SECTOR);
        }
    }
    file->kept_size = file->size;
    file->kept_there = file->there;
}

void vdisk_crash(struct vdisk *v)
{
    size_t left = 0;

    for (size_t i = 0; i < v->files.len; i++) {
        struct vdisk_file *file = v->files.at[i];
        file_crash(v, file);
        if (file->there)
            v->files.at[left++] = file;
        else
            file_free(file);
    }
    v->files.len = left;
    v->dead = v->locked = false;
    v->crash_at = 0;
}

void vdisk_fail(struct vdisk *vdisk, unsigned kinds, uint64_t n, uint64_t times, int err)
{
    vdisk->fail_kinds = kinds;
    vdisk->fail_after = n;
    vdisk->fail_times = times;
    vdisk->fail_err = err;
}

void vdisk_flip(struct vdisk *vdisk, struct vdisk_file *file, uint64_t byte, unsigned bit)
{
    (void)vdisk;
    assert(byte < file->size);
    file->now[byte] ^= (uint8_t)(1u << bit);
    file->kept[byte] ^= (uint8_t)(1u << bit);
}
