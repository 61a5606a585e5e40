/* SPDX-License-Identifier: Apache-2.0 */
/* Open the tables of a directory: after a survey of their file, and a salvage where that found
 * damage. */
#define _GNU_SOURCE
#include "base/err.h"
#include "store/salvage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SALVAGE_FILE "tables-salvage.mdb"
#define DAMAGED_FILE "tables-damaged-%u.mdb"

struct opening {
    const char *dir;
    uint64_t bytes_max;
    bool look_only;
    struct buf *report;
    char path[PATH_MAX], fresh[PATH_MAX];
};

/* Keep the damaged file under another name, and put the fresh one in its place. The name that a
 * store is opened by always has one of them. */
static int files_swap(struct opening *o)
{
    char kept[PATH_MAX];
    int failed = 0;

    for (unsigned number = 1; number < UINT_MAX; number++) {
        snprintf(kept, sizeof kept, "%s/" DAMAGED_FILE, o->dir, number);
        failed = link(o->path, kept) == 0 ? 0 : errno;
        if (failed != EEXIST)
            break;
    }
    if (failed)
        buf_printf(o->report, "%s: the damaged file can't be kept: %s\n", o->path,
                   strerror(failed));
    if (rename(o->fresh, o->path) != 0)
        return ERR_IO;
    int err = disk_os.sync_dir(&disk_os, o->dir);
    if (!err && !failed)
        buf_printf(o->report, "%s: what is whole was copied into a new file; the damaged one is %s\n",
                   o->path, kept);
    return err;
}

/* Copy what is whole of the surveyed file. The copy takes its place, or, where the directory is
 * only looked at, is all there is to be seen, and has no name. */
static int salvage(struct opening *o, struct survey *survey, struct tables **ret_tables)
{
    struct salvage found;
    struct tables *tables;

    unlink(o->fresh);
    int err = tables_lmdb_open_file(o->fresh, o->bytes_max, true, o->report, &tables);
    if (err)
        return err;
    err = salvage_run(&found, survey, tables);
    if (!err && o->look_only) {
        unlink(o->fresh);
        *ret_tables = tables;
        return ERR_OK;
    }
    if (!err)
        err = tables_lmdb_sync(tables);
    tables->kind->close(tables);
    if (!err)
        err = files_swap(o);
    if (!err)
        return tables_lmdb_open_file(o->path, o->bytes_max, false, o->report, ret_tables);
    unlink(o->fresh);
    buf_printf(o->report, "%s: what is whole of it can't be copied: %s\n", o->path, err_text(err));
    return err;
}

/* Open the file that was surveyed. */
static int surveyed_open(struct opening *o, struct survey *survey, struct tables **ret_tables)
{
    int err = ERR_OK;

    if (survey->damaged + survey->rows_damaged > 0) {
        err = salvage(o, survey, ret_tables);
        /* Single rows do no harm where they are. */
        if (err != ERR_LIMIT || survey->damaged > 0 || survey->about_damaged)
            return err;
    }
    return tables_lmdb_open_file(o->path, o->bytes_max, false, o->report, ret_tables);
}

int tables_lmdb_open(const char *dir, uint64_t bytes_max, bool look_only, struct buf *report,
                     uint64_t *damaged, struct tables **ret_tables)
{
    struct opening o = { .dir = dir, .bytes_max = bytes_max, .look_only = look_only,
                         .report = report };
    struct survey survey;
    int file;

    snprintf(o.path, sizeof o.path, "%s/" TABLES_LMDB_FILE, dir);
    snprintf(o.fresh, sizeof o.fresh, "%s/" SALVAGE_FILE, dir);
    int err = disk_os.open(&disk_os, o.path, false, &file);
    if (err == ERR_NOT_FOUND)
        return tables_lmdb_open_file(o.path, bytes_max, false, report, ret_tables);
    if (err) {
        buf_printf(report, "%s: %s\n", o.path, err_text(err));
        return err;
    }
    err = survey_run(&survey, &disk_os, file, TABLES_LMDB_FILE, report);
    if (!err)
        err = surveyed_open(&o, &survey, ret_tables);
    else
        buf_printf(report, "%s: %s\n", o.path, err_text(err));
    *damaged += survey.damaged + survey.rows_damaged;
    survey_finish(&survey);
    disk_os.close(&disk_os, file);
    return err;
}
