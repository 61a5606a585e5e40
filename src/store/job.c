/* SPDX-License-Identifier: Apache-2.0 */
#include "store/job.h"

#include "base/err.h"
#include "store/checkpoint.h"

static void files_run(struct job *job)
{
    vec_each (&job->dead, segment)
        segment_free(job->disk, job->dir, *segment, true);
    vec_finish(&job->dead);
    if (job->spare_number)
        job->err = segment_create(job->disk, job->dir, job->spare_number, job->spare_bytes,
                                  &job->spare);
}

static void reserve_run(struct job *job)
{
    struct tables *tables = job->tables;

    job->err = tables->kind->reserve(tables, job->reserve_bytes);
    if (job->err != ERR_LIMIT || job->reserve_least >= job->reserve_bytes)
        return;
    job->reserve_bytes = job->reserve_least;
    job->err = tables->kind->reserve(tables, job->reserve_bytes);
}

void job_run(struct job *job)
{
    job->err = ERR_OK;
    job->damaged = 0;
    job->spare = NULL;
    switch (job->kind) {
    case JOB_NONE: break;
    case JOB_CHECKPOINT:
        job->err = checkpoint_apply(job->tables, job->disk, job->delta, &job->damaged);
        break;
    case JOB_FILES: files_run(job); break;
    case JOB_RESERVE: reserve_run(job); break;
    }
}
