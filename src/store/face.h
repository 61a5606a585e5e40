/* SPDX-License-Identifier: Apache-2.0 */
/* A store between its two threads: what the node thread keeps for itself, and what both see
 * under the lock. */
#pragma once

#include "store/group.h"
#include "store/load.h"
#include "store/worker.h"

#include <pthread.h>

/* What both threads see. */
struct face_shared {
    pthread_mutex_t lock;
    pthread_cond_t todo_news; /* for the store thread: work, a job's end, stop */
    pthread_cond_t job_news;  /* for the job thread: a job, stop */
    struct list todo;         /* of struct work; the worker's, but for pushing behind */
    struct list done;
    bool stop; /* no more work comes: do what there is, and end */
    bool job_ready, job_done;
    bool job_stop;
    bool copy_done; /* of the backup */
    enum store_health health;
    char why[200];
    bool why_news;
    struct store_stats stats;
};

struct store {
    struct store_config config;
    struct worker *worker; /* the store thread's, while it runs */
    struct face_shared shared;
    bool threaded;
    pthread_t thread, job_thread;
    pthread_t copy_thread; /* while a backup is copied */
    struct backup *copied; /* by it */
    void (*wake)(void *context);
    void *wake_context;
    /* The node thread's own. */
    struct group *gathering;
    uint64_t said_token; /* what was said to be durable */
    size_t outstanding;  /* groups handed over and not back yet */
    uint64_t now_ms;
    uint64_t retry_ms;   /* without a thread: when what had no room is tried again; 0: nothing */
    bool blocked;        /* without a thread: the oldest work had no room */
    unsigned job_delay;  /* without a thread: calls until the job is done */
    uint64_t pending_ops, pending_bytes; /* of groups that are outstanding */
    uint64_t oldest_ms;  /* since when the oldest outstanding group waits */
    uint64_t ops_undone;
    bool pending_full;   /* the gathering group is over its limit */
    bool lost;           /* memory ran out for operations: nothing more is said durable */
    enum store_health told, told_worker;
};

/* Do the oldest piece of work, called by whoever is the store thread, without the lock.
 * ret_done: false: nothing was ready. What it could not do yet stays first. */
enum worker_result face_work(struct store *store, bool *ret_done);

/* Make what the worker knows seen by the node thread; the lock is held. */
void face_publish(struct store *store);

/* A backup was copied: give it back to the node thread. */
void face_backup_back(struct store *store, struct backup *backup);

/* Run and end the threads. */
int thread_start(struct store *store);
void thread_stop(struct store *store);
