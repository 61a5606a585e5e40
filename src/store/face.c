/* SPDX-License-Identifier: Apache-2.0 */
#include "store/face.h"

#include "store/backup.h"

#include <string.h>

void face_publish(struct store *store)
{
    struct face_shared *shared = &store->shared;
    struct worker *w = store->worker;

    shared->stats = w->stats;
    shared->stats.journal_bytes = journal_bytes(&w->journal);
    shared->stats.written_bytes = w->journal.written_bytes;
    if (!w->why_news)
        return;
    w->why_news = false;
    shared->health = w->health;
    memcpy(shared->why, w->why, sizeof shared->why);
    shared->why_news = true;
}

static enum worker_result work_do(struct worker *worker, struct work *work)
{
    switch (work->kind) {
    case WORK_GROUP: return worker_group(worker, list_entry(work, struct group, work));
    case WORK_LOAD: return worker_load(worker, list_entry(work, struct load, work));
    case WORK_BACKUP: return backup_begin(list_entry(work, struct backup, work), worker);
    }
    return WORKER_DEAD;
}

enum worker_result face_work(struct store *store, bool *ret_done)
{
    struct face_shared *shared = &store->shared;

    pthread_mutex_lock(&shared->lock);
    struct list *node = list_pop_front(&shared->todo);
    pthread_mutex_unlock(&shared->lock);
    *ret_done = false;
    if (!node)
        return WORKER_DONE;
    struct work *work = list_entry(node, struct work, link);
    enum worker_result result = work_do(store->worker, work);
    pthread_mutex_lock(&shared->lock);
    if (result == WORKER_DONE)
        list_push_back(&shared->done, node);
    else if (result != WORKER_KEPT) /* in front again */
        list_push_back(shared->todo.next, node);
    face_publish(store);
    pthread_mutex_unlock(&shared->lock);
    *ret_done = result == WORKER_DONE || result == WORKER_KEPT;
    return result;
}

void face_backup_back(struct store *store, struct backup *backup)
{
    backup_end(backup, store->worker);
    pthread_mutex_lock(&store->shared.lock);
    list_push_back(&store->shared.done, &backup->work.link);
    pthread_mutex_unlock(&store->shared.lock);
}
