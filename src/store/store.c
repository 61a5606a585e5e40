/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "base/err.h"
#include "base/hash.h"
#include "store/backup.h"
#include "store/face.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GROUP_BYTES_MAX = 4 * 1024 * 1024, /* more is not worth gathering */
    GROUP_OPS_MAX = 64 * 1024,
    LAZY_MS = 500,
};

int store_open(const struct store_config *config, struct store **ret_store, struct buf *report)
{
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        return ERR_NOMEM;
    store->config = *config;
    if (!store->config.pending_bytes_max)
        store->config.pending_bytes_max = 256 * 1024 * 1024;
    if (!store->config.lazy_ms)
        store->config.lazy_ms = LAZY_MS;
    list_init(&store->shared.todo);
    list_init(&store->shared.done);
    pthread_mutex_init(&store->shared.lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&store->shared.todo_news, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&store->shared.job_news, NULL);
    int err = worker_open(&store->config, report, &store->worker);
    if (err) {
        store_close(store);
        return err;
    }
    face_publish(store);
    *ret_store = store;
    return ERR_OK;
}

int store_start(struct store *store, void (*wake)(void *context), void *context)
{
    assert(!store->threaded);
    store->wake = wake;
    store->wake_context = context;
    return thread_start(store);
}

/* Hand a piece of work to the store thread. */
static void hand_over(struct store *store, struct work *work)
{
    struct face_shared *shared = &store->shared;

    pthread_mutex_lock(&shared->lock);
    list_push_back(&shared->todo, &work->link);
    pthread_mutex_unlock(&shared->lock);
    pthread_cond_signal(&shared->todo_news); /* who wakes finds the lock free */
}

/* Hand the gathering group over. */
static void group_hand_over(struct store *store)
{
    struct group *group = store->gathering;

    if (!group)
        return;
    store->gathering = NULL;
    if (store->outstanding++ == 0)
        store->oldest_ms = group->since_ms;
    store->pending_ops += group->live;
    store->pending_bytes += group->bytes;
    hand_over(store, &group->work);
}

static void health_say(struct store *store, enum store_health health, const char *why)
{
    store->told = health;
    if (store->config.health)
        store->config.health(store->config.context, health, why);
}

/* Is more waiting than may, or no longer? */
static void pending_check(struct store *store)
{
    uint64_t bytes = store->pending_bytes + (store->gathering ? store->gathering->bytes : 0);
    uint64_t max = store->config.pending_bytes_max;

    if (store->pending_full ? bytes > max / 2 : bytes <= max)
        return;
    store->pending_full = !store->pending_full;
    if (store->pending_full)
        health_say(store, STORE_FULL, "too much waits for the disk");
    else if (store->told_worker == STORE_WELL)
        health_say(store, STORE_WELL, "the disk has caught up");
}

static void token_say(struct store *store, uint64_t token)
{
    if (token <= store->said_token || store->lost)
        return;
    store->said_token = token;
    if (store->config.durable)
        store->config.durable(store->config.context, token);
}

/* Memory ran out for what should be durable: a part of a step would be worse than nothing. */
static void lose(struct store *store)
{
    if (!store->lost)
        health_say(store, STORE_FAILED, "out of memory for what should be durable");
    store->lost = true;
}

void store_submit(struct store *store, const struct durable_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct durable_op op = ops[i];
        if (!store->gathering)
            store->gathering = group_new(op.token, store->now_ms);
        if (store->lost || !store->gathering || group_add(store->gathering, &op) != ERR_OK) {
            durable_op_finish(&op);
            lose(store);
        }
    }
    struct group *group = store->gathering;
    if (group && !store->lost &&
        (group->bytes > GROUP_BYTES_MAX || group->ops.len > GROUP_OPS_MAX))
        group_hand_over(store);
}

/* What needs no disk any more is as good as durable, once everything before it is. */
static void undone_say(struct store *store)
{
    struct group *group = store->gathering;

    if (!group || store->outstanding > 0 || group->waiting > 0)
        return;
    uint64_t token = group_last_token(group);
    if (group->live == 0) {
        store->ops_undone += group->ops.len;
        store->gathering = NULL;
        group_free(group);
    }
    token_say(store, token);
}

void store_flush(struct store *store, uint64_t now_ms)
{
    store->now_ms = now_ms;
    undone_say(store);
    pending_check(store);
    struct group *group = store->gathering;
    if (!group || store->lost)
        return;
    if ((group->waiting > 0 && store->outstanding == 0) ||
        (group->live > 0 && now_ms >= group->since_ms + store->config.lazy_ms))
        group_hand_over(store);
}

uint64_t store_deadline(const struct store *store)
{
    uint64_t deadline = UINT64_MAX;
    const struct group *group = store->gathering;

    if (group && group->live > 0 && !store->lost)
        deadline = group->since_ms + store->config.lazy_ms;
    if (store->retry_ms && store->retry_ms < deadline)
        deadline = store->retry_ms;
    return deadline;
}

void store_load(struct store *store, uint64_t session, uint64_t from, size_t entries_max,
                size_t bytes_max)
{
    struct load *load = load_new(session, from, entries_max, bytes_max);

    if (!load) {
        lose(store);
        return;
    }
    if (store->gathering && store->gathering->live > 0)
        group_hand_over(store);
    hand_over(store, &load->work);
}

int store_backup(struct store *store, const char *dir, void (*done)(void *context, int err),
                 void *context)
{
    struct backup *backup = backup_new(dir, done, context);

    if (!backup)
        return ERR_NOMEM;
    if (store->gathering && store->gathering->live > 0)
        group_hand_over(store);
    hand_over(store, &backup->work);
    return ERR_OK;
}

static void worker_health_say(struct store *store, enum store_health health, const char *why)
{
    store->told_worker = health;
    if (health == STORE_WELL && store->pending_full)
        return; /* that is said when what waits has become less */
    health_say(store, health, why);
}

static void group_back(struct store *store, struct group *group)
{
    assert(store->outstanding > 0);
    store->outstanding--;
    store->pending_ops -= group->live;
    store->pending_bytes -= group->bytes;
    store->ops_undone += group->ops.len - group->live;
    uint64_t token = group_last_token(group);
    group_free(group);
    token_say(store, token);
}

static void load_back(struct store *store, struct load *load)
{
    const struct core_loaded loaded = { .session = load->session,
                                         .from = load->from,
                                         .end = load->end,
                                         .entries = load->entries.at,
                                         .count = load->entries.len };

    if (store->config.loaded)
        store->config.loaded(store->config.context, &loaded);
    load_free(load);
}

static void backup_back(struct backup *backup)
{
    backup->done(backup->context, backup->err);
    backup_free(backup);
}

static void work_back(struct store *store, struct work *work)
{
    switch (work->kind) {
    case WORK_GROUP: group_back(store, list_entry(work, struct group, work)); break;
    case WORK_LOAD: load_back(store, list_entry(work, struct load, work)); break;
    case WORK_BACKUP: backup_back(list_entry(work, struct backup, work)); break;
    }
}

void store_poll(struct store *store, uint64_t now_ms)
{
    struct face_shared *shared = &store->shared;
    struct list *node;
    char why[sizeof shared->why];

    store->now_ms = now_ms;
    if (store->retry_ms && now_ms >= store->retry_ms) {
        store->retry_ms = 0;
        store->blocked = false;
        worker_retry(store->worker);
    }
    for (;;) {
        pthread_mutex_lock(&shared->lock);
        node = list_pop_front(&shared->done);
        bool news = !node && shared->why_news;
        enum store_health health = shared->health;
        if (news) {
            memcpy(why, shared->why, sizeof why);
            shared->why_news = false;
        }
        pthread_mutex_unlock(&shared->lock);
        if (news)
            worker_health_say(store, health, why);
        if (!node)
            break;
        work_back(store, list_entry(node, struct work, link));
    }
    pending_check(store);
}

/* Without a thread store_poll is where time passes. */
static void retry_later(struct store *store)
{
    if (!store->retry_ms)
        store->retry_ms = store->now_ms + WORKER_RETRY_MS;
}

/* Without a job thread a job is done between other work: sometimes at once, sometimes a few
 * calls later, so that what happens beside a job happens in tests, too. */
static bool job_work(struct store *store)
{
    enum { DELAY_MAX = 12 };
    struct worker *w = store->worker;

    if (w->job.kind == JOB_NONE) {
        if (!worker_job_next(w))
            return false;
        store->job_delay = (unsigned)(hash_mix(w->next_batch) % DELAY_MAX);
    }
    if (store->job_delay > 0) {
        store->job_delay--;
        return false;
    }
    job_run(&w->job);
    worker_job_done(w);
    if (w->job_waits)
        retry_later(store);
    face_publish(store);
    return true;
}

bool store_work(struct store *store)
{
    struct backup *backup = backup_next(store->worker);
    bool done = false;

    assert(!store->threaded);
    if (backup) {
        backup_copy(backup);
        face_backup_back(store, backup);
        return true;
    }
    if (job_work(store))
        return true;
    if (store->blocked)
        return false;
    enum worker_result result = face_work(store, &done);
    store->blocked = result == WORKER_WAIT;
    if (store->blocked)
        retry_later(store);
    if (result == WORKER_JOB)
        store->job_delay = 0;
    return done || result == WORKER_JOB;
}

struct store_stats store_stats(const struct store *store)
{
    struct store *mine = (struct store *)store; /* for the lock */
    const struct group *group = store->gathering;

    pthread_mutex_lock(&mine->shared.lock);
    struct store_stats stats = store->shared.stats;
    pthread_mutex_unlock(&mine->shared.lock);
    stats.health = store->told;
    stats.ops_undone = store->ops_undone;
    stats.pending_ops = store->pending_ops + (group ? group->live : 0);
    uint64_t since = store->outstanding ? store->oldest_ms : group ? group->since_ms : UINT64_MAX;
    stats.oldest_pending_ms =
        stats.pending_ops && since < store->now_ms ? store->now_ms - since : 0;
    return stats;
}

/* Give back what will never be done. */
static void works_free(struct list *list)
{
    struct list *node;

    while ((node = list_pop_front(list))) {
        struct work *work = list_entry(node, struct work, link);
        switch (work->kind) {
        case WORK_GROUP: group_free(list_entry(work, struct group, work)); break;
        case WORK_LOAD: load_free(list_entry(work, struct load, work)); break;
        case WORK_BACKUP: {
            struct backup *backup = list_entry(work, struct backup, work);
            backup->err = ERR_CLOSED;
            backup_back(backup);
            break;
        }
        }
    }
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->worker && !store->lost)
        group_hand_over(store);
    if (store->threaded)
        thread_stop(store);
    else if (store->worker)
        while (store_work(store))
            ;
    group_free(store->gathering);
    works_free(&store->shared.todo);
    works_free(&store->shared.done);
    if (store->worker && store->worker->backup) {
        store->worker->backup->err = ERR_CLOSED;
        backup_back(store->worker->backup);
    }
    worker_free(store->worker);
    pthread_mutex_destroy(&store->shared.lock);
    pthread_cond_destroy(&store->shared.todo_news);
    pthread_cond_destroy(&store->shared.job_news);
    free(store);
}
