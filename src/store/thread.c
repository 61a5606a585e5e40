/* SPDX-License-Identifier: Apache-2.0 */
/* The store thread does the work, in order; the job thread does the worker's jobs beside it. */
#include "base/err.h"
#include "base/os.h"
#include "store/backup.h"
#include "store/face.h"

#include <time.h>

static void *job_thread(void *argument)
{
    struct store *store = argument;
    struct face_shared *shared = &store->shared;

    pthread_mutex_lock(&shared->lock);
    for (;;) {
        while (!shared->job_ready && !shared->job_stop)
            pthread_cond_wait(&shared->job_news, &shared->lock);
        if (!shared->job_ready)
            break;
        shared->job_ready = false;
        pthread_mutex_unlock(&shared->lock);
        job_run(&store->worker->job);
        pthread_mutex_lock(&shared->lock);
        shared->job_done = true;
        pthread_cond_signal(&shared->todo_news);
    }
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

static void *copy_thread(void *argument)
{
    struct store *store = argument;
    struct face_shared *shared = &store->shared;

    backup_copy(store->copied);
    pthread_mutex_lock(&shared->lock);
    shared->copy_done = true;
    pthread_cond_signal(&shared->todo_news);
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

/* What the store thread knows beside the worker. */
struct turn {
    struct store *store;
    bool job_runs;
    enum worker_result last; /* not DONE: the oldest work could not be done */
    uint64_t retry_ms;       /* when it is tried again at the latest */
};

/* Take a finished job's outcome, and begin the next. */
static void jobs_turn(struct turn *turn)
{
    struct store *store = turn->store;
    struct face_shared *shared = &store->shared;

    pthread_mutex_lock(&shared->lock);
    bool done = shared->job_done;
    shared->job_done = false;
    pthread_mutex_unlock(&shared->lock);
    if (done) {
        worker_job_done(store->worker);
        turn->job_runs = false;
        if (store->worker->job_waits)
            turn->retry_ms = os_monotonic_ms() + WORKER_RETRY_MS;
        if (turn->last == WORKER_JOB)
            turn->last = WORKER_DONE;
    }
    if (turn->job_runs || !worker_job_next(store->worker))
        return;
    turn->job_runs = true;
    pthread_mutex_lock(&shared->lock);
    shared->job_ready = true;
    pthread_cond_signal(&shared->job_news);
    pthread_mutex_unlock(&shared->lock);
}

/* Take a copied backup back, and begin to copy the next. */
static void backup_turn(struct turn *turn)
{
    struct store *store = turn->store;
    struct face_shared *shared = &store->shared;

    pthread_mutex_lock(&shared->lock);
    bool done = shared->copy_done;
    shared->copy_done = false;
    pthread_mutex_unlock(&shared->lock);
    if (done) {
        pthread_join(store->copy_thread, NULL);
        face_backup_back(store, store->copied);
        store->copied = NULL;
        store->wake(store->wake_context);
    }
    struct backup *backup = backup_next(store->worker);
    if (!backup)
        return;
    store->copied = backup;
    if (pthread_create(&store->copy_thread, NULL, copy_thread, store) == 0)
        return;
    store->copied = NULL;
    backup->err = ERR_NOMEM;
    face_backup_back(store, backup);
    store->wake(store->wake_context);
}

/* Sleep until there is something to do; false: the end. The lock is held. */
static bool wait_turn(struct turn *turn)
{
    struct face_shared *shared = &turn->store->shared;
    bool idle = list_empty(&shared->todo) || turn->last != WORKER_DONE;

    if (shared->job_done || shared->copy_done)
        return true;
    if (shared->stop && !turn->job_runs && !turn->store->copied && (list_empty(&shared->todo) || idle))
        return false;
    if (!idle)
        return true;
    if (turn->retry_ms || (turn->last == WORKER_JOB && !turn->job_runs)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WORKER_RETRY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&shared->todo_news, &shared->lock, &until);
    } else {
        pthread_cond_wait(&shared->todo_news, &shared->lock);
    }
    return true;
}

static void retry_turn(struct turn *turn)
{
    bool stuck = turn->last == WORKER_JOB && !turn->job_runs;

    if (stuck)
        turn->last = WORKER_DONE;
    if (!turn->retry_ms || os_monotonic_ms() < turn->retry_ms)
        return;
    turn->retry_ms = 0;
    worker_retry(turn->store->worker);
    if (turn->last == WORKER_WAIT)
        turn->last = WORKER_DONE;
}

static void work_turn(struct turn *turn)
{
    struct store *store = turn->store;
    bool done;

    if (turn->last != WORKER_DONE)
        return;
    turn->last = face_work(store, &done);
    if (turn->last == WORKER_KEPT)
        turn->last = WORKER_DONE;
    if (turn->last == WORKER_WAIT && !turn->retry_ms)
        turn->retry_ms = os_monotonic_ms() + WORKER_RETRY_MS;
    if (done)
        store->wake(store->wake_context);
}

static void *store_thread(void *argument)
{
    struct turn turn = { .store = argument, .last = WORKER_DONE };
    struct face_shared *shared = &turn.store->shared;
    bool goes_on = true;

    while (goes_on) {
        jobs_turn(&turn);
        retry_turn(&turn);
        work_turn(&turn);
        backup_turn(&turn);
        jobs_turn(&turn);
        pthread_mutex_lock(&shared->lock);
        face_publish(turn.store);
        bool news = shared->why_news;
        pthread_mutex_unlock(&shared->lock);
        if (news)
            turn.store->wake(turn.store->wake_context);
        pthread_mutex_lock(&shared->lock);
        goes_on = wait_turn(&turn);
        pthread_mutex_unlock(&shared->lock);
    }
    return NULL;
}

int thread_start(struct store *store)
{
    if (pthread_create(&store->job_thread, NULL, job_thread, store) != 0)
        return ERR_NOMEM;
    if (pthread_create(&store->thread, NULL, store_thread, store) != 0) {
        pthread_mutex_lock(&store->shared.lock);
        store->shared.job_stop = true;
        pthread_cond_signal(&store->shared.job_news);
        pthread_mutex_unlock(&store->shared.lock);
        pthread_join(store->job_thread, NULL);
        return ERR_NOMEM;
    }
    store->threaded = true;
    return ERR_OK;
}

void thread_stop(struct store *store)
{
    pthread_mutex_lock(&store->shared.lock);
    store->shared.stop = true;
    pthread_cond_signal(&store->shared.todo_news);
    pthread_mutex_unlock(&store->shared.lock);
    pthread_join(store->thread, NULL);
    pthread_mutex_lock(&store->shared.lock);
    store->shared.job_stop = true;
    pthread_cond_signal(&store->shared.job_news);
    pthread_mutex_unlock(&store->shared.lock);
    pthread_join(store->job_thread, NULL);
    store->threaded = false;
}
