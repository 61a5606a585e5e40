/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include "base/err.h"
#include "base/str.h"

#include <assert.h>
#include <stdlib.h>

struct backup *backup_new(const char *dir, void (*done)(void *context, int err), void *context)
{
    struct backup *backup = calloc(1, sizeof *backup);

    if (!backup)
        return NULL;
    list_init(&backup->work.link);
    backup->work.kind = WORK_BACKUP;
    backup->dir = str_to_c(str_from_c(dir));
    backup->done = done;
    backup->context = context;
    if (backup->dir)
        return backup;
    free(backup);
    return NULL;
}

void backup_free(struct backup *backup)
{
    if (!backup)
        return;
    free(backup->dir);
    free(backup);
}

enum worker_result backup_begin(struct backup *backup, struct worker *w)
{
    if (w->health == STORE_FAILED)
        return WORKER_DEAD;
    if (w->backup) {
        backup->err = ERR_EXISTS;
        return WORKER_DONE;
    }
    backup->upto = w->next_batch - 1;
    backup->tables = w->tables;
    w->backup = backup;
    return WORKER_KEPT;
}

struct backup *backup_next(struct worker *w)
{
    struct backup *backup = w->backup;

    if (!backup || backup->copying)
        return NULL;
    if (w->applied < backup->upto) {
        w->freeze_now = w->active->last_group > 0; /* once an older one is out of the way */
        return NULL;
    }
    backup->copying = true;
    return backup;
}

void backup_copy(struct backup *backup)
{
    backup->err = backup->tables->kind->copy(backup->tables, backup->dir);
}

void backup_end(struct backup *backup, struct worker *w)
{
    assert(w->backup == backup && backup->copying);
    w->backup = NULL;
}
