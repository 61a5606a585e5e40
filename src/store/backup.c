/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include "base/err.h"
#include "base/str.h"

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

enum worker_result backup_run(struct backup *backup, struct worker *w)
{
    if (w->health == STORE_FAILED)
        return WORKER_DEAD;
    if (!backup->frozen) {
        backup->frozen = true;
        backup->upto = w->next_batch - 1;
        w->freeze_now = w->active->last_group > 0;
    }
    if (w->applied < backup->upto)
        return w->job_waits ? WORKER_WAIT : WORKER_JOB;
    backup->err = w->tables->kind->copy(w->tables, backup->dir);
    return WORKER_DONE;
}
