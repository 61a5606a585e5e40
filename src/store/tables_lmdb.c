/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/err.h"
#include "store/disk.h"
#include "store/tables.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

struct tables_lmdb {
    struct tables tables;
    MDB_env *env;
    MDB_dbi dbi[TABLE_COUNT];
    void *map; /* the file in memory, or NULL: not known */
    size_t map_len;
};

struct lmdb_txn {
    struct tables_txn txn;
    struct tables_lmdb *lmdb;
    MDB_txn *mdb;
    size_t len; /* of the file, as far as it has pages */
};

struct lmdb_cursor {
    struct tables_cursor cursor;
    struct lmdb_txn *txn;
    MDB_cursor *mdb;
};

static int err_of(int error)
{
    switch (error) {
    case MDB_SUCCESS: return ERR_OK;
    case MDB_NOTFOUND: return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_LIMIT;
    case ENOMEM: return ERR_NOMEM;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return ERR_CHECKSUM;
    case MDB_VERSION_MISMATCH: return ERR_VERSION;
    default: return ERR_IO;
    }
}

static MDB_val val_of(struct str s)
{
    return (MDB_val){ .mv_size = s.len, .mv_data = (void *)s.ptr };
}

static struct str str_of(MDB_val val)
{
    return (struct str){ val.mv_data, val.mv_size };
}

/* A damaged page may tell of bytes behind the end of the file, where reading would end the
 * process. (Those of a page that this transaction has changed are somewhere else in memory.) */
static int val_check(const struct lmdb_txn *txn, MDB_val val)
{
    uintptr_t map = (uintptr_t)txn->lmdb->map, at = (uintptr_t)val.mv_data;

    if (at < map || at - map >= txn->lmdb->map_len)
        return ERR_OK;
    return val.mv_size <= txn->len && at - map <= txn->len - val.mv_size ? ERR_OK : ERR_CHECKSUM;
}

static int lmdb_begin(struct tables *tables, bool write, struct tables_txn **ret_txn)
{
    struct tables_lmdb *lmdb = (struct tables_lmdb *)tables;
    struct lmdb_txn *txn = calloc(1, sizeof *txn);

    if (!txn)
        return ERR_NOMEM;
    int err = err_of(mdb_txn_begin(lmdb->env, NULL, write ? 0 : MDB_RDONLY, &txn->mdb));
    if (err) {
        free(txn);
        return err;
    }
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(lmdb->env, &info);
    mdb_env_stat(lmdb->env, &stat);
    txn->txn.kind = tables->kind;
    txn->lmdb = lmdb;
    txn->len = (info.me_last_pgno + 1) * stat.ms_psize;
    *ret_txn = &txn->txn;
    return ERR_OK;
}

static int lmdb_commit(struct tables_txn *tables_txn)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;
    int err = err_of(mdb_txn_commit(txn->mdb));

    free(txn);
    return err;
}

static void lmdb_abort(struct tables_txn *tables_txn)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;

    mdb_txn_abort(txn->mdb);
    free(txn);
}

static int lmdb_get(struct tables_txn *tables_txn, enum table table, struct str key,
                    struct str *ret_value)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;
    MDB_val k = val_of(key), v;
    int err = err_of(mdb_get(txn->mdb, txn->lmdb->dbi[table], &k, &v));

    if (!err)
        err = val_check(txn, v);
    if (!err)
        *ret_value = str_of(v);
    return err;
}

static int lmdb_put(struct tables_txn *tables_txn, enum table table, struct str key,
                    struct str value)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;
    MDB_val k = val_of(key), v = val_of(value);
    bool rising = table == TABLE_MESSAGES || table == TABLE_REFS;
    int error = MDB_KEYEXIST;

    assert(key.len <= TABLES_KEY_MAX);
    if (rising)
        error = mdb_put(txn->mdb, txn->lmdb->dbi[table], &k, &v, MDB_APPEND);
    if (error == MDB_KEYEXIST)
        error = mdb_put(txn->mdb, txn->lmdb->dbi[table], &k, &v, 0);
    return err_of(error);
}

static int lmdb_remove(struct tables_txn *tables_txn, enum table table, struct str key)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;
    MDB_val k = val_of(key);

    return err_of(mdb_del(txn->mdb, txn->lmdb->dbi[table], &k, NULL));
}

static int lmdb_cursor(struct tables_txn *tables_txn, enum table table,
                       struct tables_cursor **ret_cursor)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)tables_txn;
    struct lmdb_cursor *cursor = calloc(1, sizeof *cursor);

    if (!cursor)
        return ERR_NOMEM;
    cursor->cursor.kind = tables_txn->kind;
    cursor->txn = txn;
    int err = err_of(mdb_cursor_open(txn->mdb, txn->lmdb->dbi[table], &cursor->mdb));
    if (err) {
        free(cursor);
        return err;
    }
    *ret_cursor = &cursor->cursor;
    return ERR_OK;
}

static int cursor_get(struct tables_cursor *cursor, MDB_cursor_op op, MDB_val key,
                      struct str *ret_key, struct str *ret_value)
{
    struct lmdb_cursor *c = (struct lmdb_cursor *)cursor;
    MDB_val value;
    int err = err_of(mdb_cursor_get(c->mdb, &key, &value, op));

    if (!err && val_check(c->txn, key) != ERR_OK)
        return ERR_CHECKSUM;
    if (!err && val_check(c->txn, value) != ERR_OK)
        value.mv_size = 0; /* which no checksum is right for */
    if (err)
        return err;
    *ret_key = str_of(key);
    *ret_value = str_of(value);
    return ERR_OK;
}

static int lmdb_seek(struct tables_cursor *cursor, struct str key, struct str *ret_key,
                     struct str *ret_value)
{
    if (key.len == 0)
        return cursor_get(cursor, MDB_FIRST, (MDB_val){ 0 }, ret_key, ret_value);
    return cursor_get(cursor, MDB_SET_RANGE, val_of(key), ret_key, ret_value);
}

static int lmdb_next(struct tables_cursor *cursor, struct str *ret_key, struct str *ret_value)
{
    return cursor_get(cursor, MDB_NEXT, (MDB_val){ 0 }, ret_key, ret_value);
}

static int lmdb_remove_at(struct tables_cursor *cursor)
{
    return err_of(mdb_cursor_del(((struct lmdb_cursor *)cursor)->mdb, 0));
}

static void lmdb_cursor_free(struct tables_cursor *cursor)
{
    mdb_cursor_close(((struct lmdb_cursor *)cursor)->mdb);
    free(cursor);
}

/* Pages that are free to be used again: LMDB lists them in its table 0, under the number of the
 * transaction that freed them; each list begins with its length. */
static uint64_t pages_free(MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t pages = 0;

    if (mdb_cursor_open(txn, 0, &cursor) != MDB_SUCCESS)
        return 0;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
        size_t count = 0;
        if (value.mv_size >= sizeof count)
            memcpy(&count, value.mv_data, sizeof count);
        pages += count;
    }
    mdb_cursor_close(cursor);
    return pages;
}

static uint64_t lmdb_bytes(struct tables *tables)
{
    struct tables_lmdb *lmdb = (struct tables_lmdb *)tables;
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn;

    mdb_env_info(lmdb->env, &info);
    mdb_env_stat(lmdb->env, &stat);
    uint64_t pages = info.me_last_pgno + 1;
    if (mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn) == MDB_SUCCESS) {
        uint64_t unused = pages_free(txn);
        pages -= unused < pages ? unused : pages;
        mdb_txn_abort(txn);
    }
    return pages * stat.ms_psize;
}

/* Room behind the last page, which is not part of the file yet: LMDB writes there when it needs
 * more pages. Where there is plenty of it, a little is enough. */
static int lmdb_reserve(struct tables *tables, uint64_t bytes)
{
    struct tables_lmdb *lmdb = (struct tables_lmdb *)tables;
    struct statvfs disk;
    MDB_envinfo info;
    MDB_stat stat;
    int file, failed;

    mdb_env_info(lmdb->env, &info);
    mdb_env_stat(lmdb->env, &stat);
    if (mdb_env_get_fd(lmdb->env, &file) != MDB_SUCCESS || fstatvfs(file, &disk) != 0)
        return ERR_IO;
    if (bytes > TABLES_RESERVE && (uint64_t)disk.f_bavail * disk.f_frsize / 4 > bytes)
        bytes = TABLES_RESERVE;
    do
        failed = fallocate(file, FALLOC_FL_KEEP_SIZE,
                           (off_t)((info.me_last_pgno + 1) * stat.ms_psize), (off_t)bytes);
    while (failed && errno == EINTR);
    if (failed && errno != EOPNOTSUPP)
        return err_of(errno);
    return ERR_OK;
}

/* LMDB does not tell where its map is; the kernel does. */
static void map_find(struct tables_lmdb *lmdb)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    struct stat stat;
    int file;

    if (!maps)
        return;
    if (mdb_env_get_fd(lmdb->env, &file) == MDB_SUCCESS && fstat(file, &stat) == 0) {
        while (!lmdb->map && fgets(line, sizeof line, maps)) {
            unsigned long from, to, inode;
            if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) == 3 &&
                inode == stat.st_ino) {
                lmdb->map = (void *)from;
                lmdb->map_len = to - from;
            }
        }
    }
    fclose(maps);
}

/* The pages are clean, for LMDB writes to the file and not to the map. */
static void lmdb_drop_resident(struct tables *tables)
{
    struct tables_lmdb *lmdb = (struct tables_lmdb *)tables;

    if (lmdb->map)
        madvise(lmdb->map, lmdb->map_len, MADV_DONTNEED);
}

static int lmdb_copy(struct tables *tables, const char *dir)
{
    char path[PATH_MAX];
    int file = -1;

    snprintf(path, sizeof path, "%s/" TABLES_LMDB_FILE, dir);
    int err = err_of(mdb_env_copy2(((struct tables_lmdb *)tables)->env, path, MDB_CP_COMPACT));
    if (!err)
        err = disk_os.open(&disk_os, path, false, &file);
    if (err)
        return err;
    /* LMDB leaves it to the umask who may read it, and to the kernel when it is on the disk. */
    err = fchmod(file, 0600) == 0 ? disk_os.sync(&disk_os, file) : ERR_IO;
    disk_os.close(&disk_os, file);
    return err ? err : disk_os.sync_dir(&disk_os, dir);
}

static void lmdb_close(struct tables *tables)
{
    struct tables_lmdb *lmdb = (struct tables_lmdb *)tables;

    mdb_env_close(lmdb->env);
    free(lmdb);
}

static const struct tables_kind lmdb_kind = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .remove = lmdb_remove,
    .cursor = lmdb_cursor,
    .seek = lmdb_seek,
    .next = lmdb_next,
    .remove_at = lmdb_remove_at,
    .cursor_free = lmdb_cursor_free,
    .bytes = lmdb_bytes,
    .reserve = lmdb_reserve,
    .drop_resident = lmdb_drop_resident,
    .copy = lmdb_copy,
    .close = lmdb_close,
};

/* Open the tables in the environment, made where they are not there yet. */
static int dbis_open(struct tables_lmdb *lmdb)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(lmdb->env, NULL, 0, &txn);

    if (error)
        return error;
    for (int table = 0; table < TABLE_COUNT && !error; table++)
        error = mdb_dbi_open(txn, table_name((enum table)table), MDB_CREATE, &lmdb->dbi[table]);
    if (!error)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return error;
}

int tables_lmdb_open_file(const char *path, uint64_t bytes_max, bool scratch, struct buf *report,
                          struct tables **ret_tables)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOTLS;
    struct tables_lmdb *lmdb = calloc(1, sizeof *lmdb);

    if (!lmdb)
        return ERR_NOMEM;
    lmdb->tables.kind = &lmdb_kind;
    int error = mdb_env_create(&lmdb->env);
    if (!error)
        error = mdb_env_set_mapsize(lmdb->env, (size_t)bytes_max * 2);
    if (!error)
        error = mdb_env_set_maxdbs(lmdb->env, TABLE_COUNT);
    if (!error)
        error = mdb_env_open(lmdb->env, path, flags | (scratch ? MDB_NOLOCK | MDB_NOSYNC : 0), 0600);
    if (!error)
        error = dbis_open(lmdb);
    if (error) {
        buf_printf(report, "%s: %s\n", path, mdb_strerror(error));
        if (lmdb->env)
            mdb_env_close(lmdb->env);
        free(lmdb);
        return err_of(error);
    }
    map_find(lmdb);
    *ret_tables = &lmdb->tables;
    return ERR_OK;
}

int tables_lmdb_sync(struct tables *tables)
{
    return err_of(mdb_env_sync(((struct tables_lmdb *)tables)->env, 1));
}
