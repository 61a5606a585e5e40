/* SPDX-License-Identifier: Apache-2.0 */
/* What durability costs. Not a test: run it by hand from a release build, on the disk that
 * matters.
 *
 *     store_bench DIR [messages of the backlog, 1000000 [only the backlog: any word]]
 *
 * DIR is made, and removed at the end. First, 256 byte messages are enqueued to 100 sessions
 * and worked off again, so many to a group: the store thread's CPU per message (without the
 * job thread's), groups a second, and what was written, as a multiple of the messages' bytes.
 * Then a backlog: enqueue, restart, drain; with what the process wrote to the disk in all, and
 * how its memory grew. */
#include "base/err.h"
#include "base/os.h"
#include "store/store.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 256, SESSIONS = 100, LOAD_ENTRIES = 1000 };

struct bench {
    const char *dir;
    struct store *store;
    uint64_t token, durable;
    sem_t woken;
    clockid_t clock; /* of the store thread's CPU time */
    bool has_clock;
    uint64_t loaded, loaded_end;
    bool answered;
};

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

static void on_durable(void *context, uint64_t token)
{
    ((struct bench *)context)->durable = token;
}

static void on_loaded(void *context, const struct core_loaded *loaded)
{
    struct bench *b = context;

    b->loaded += loaded->count;
    b->loaded_end = loaded->end;
    b->answered = true;
}

static void on_health(void *context, enum store_health health, const char *why)
{
    (void)context;
    printf("health %d: %s\n", (int)health, why);
}

static void on_wake(void *context)
{
    struct bench *b = context;

    if (!b->has_clock) {
        pthread_getcpuclockid(pthread_self(), &b->clock);
        b->has_clock = true;
    }
    sem_post(&b->woken);
}

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Bytes that the process has given to the disk, from /proc/self/io. */
static uint64_t disk_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    char line[100];
    uint64_t bytes = 0;

    while (file && fgets(line, sizeof line, file))
        sscanf(line, "write_bytes: %" SCNu64, &bytes);
    if (file)
        fclose(file);
    return bytes;
}

static void dir_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[1024];

    while (dir && (entry = readdir(dir))) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        unlink(name);
    }
    if (dir)
        closedir(dir);
}

static void bench_open(struct bench *b)
{
    struct buf report = { 0 };
    const struct store_config config = { .dir = b->dir,
                                         .durable = on_durable,
                                         .loaded = on_loaded,
                                         .health = on_health,
                                         .context = b };

    b->token = b->durable = 0;
    b->has_clock = false;
    if (store_open(&config, &b->store, &report) != ERR_OK)
        die("the store can't be opened");
    if (report.len)
        printf("%.*s", STR_ARG(buf_str(&report)));
    buf_finish(&report);
}

static void bench_start(struct bench *b)
{
    if (store_start(b->store, on_wake, b) != ERR_OK)
        die("the store can't be started");
}

static void hear(struct bench *b)
{
    while (sem_wait(&b->woken) != 0)
        ;
    store_poll(b->store, os_monotonic_ms());
    store_flush(b->store, os_monotonic_ms());
}

static void await(struct bench *b, uint64_t token)
{
    store_flush(b->store, os_monotonic_ms());
    while (b->durable < token)
        hear(b);
}

static void enqueue(struct bench *b, uint64_t session, uint64_t seq)
{
    static const char payload[PAYLOAD] = { 'x' };
    struct durable_op op = { .kind = DURABLE_QUEUE_PUT,
                             .qos = 1,
                             .token = ++b->token,
                             .session = session,
                             .seq = seq };

    op.message = message_new(STR("plant/1/temp"), (struct str){ NULL, 0 },
                             (struct str){ payload, sizeof payload });
    if (!op.message)
        die("out of memory");
    op.message->qos = 1;
    store_submit(b->store, &op, 1);
}

static void dequeue(struct bench *b, uint64_t session, uint64_t seq)
{
    const struct durable_op op = { .kind = DURABLE_QUEUE_DEL,
                                   .lazy = false,
                                   .token = ++b->token,
                                   .session = session,
                                   .seq = seq };

    store_submit(b->store, &op, 1);
}

static void session_make(struct bench *b, uint64_t session)
{
    struct durable_op op = { .kind = DURABLE_SESSION_PUT, .token = ++b->token,
                             .session = session };

    op.about = malloc(sizeof *op.about + 8);
    if (!op.about)
        die("out of memory");
    *op.about = (struct durable_session){ .client_id = { (char *)(op.about + 1), 8 },
                                          .expiry_s = UINT32_MAX };
    memset(op.about + 1, 'c', 8);
    store_submit(b->store, &op, 1);
}

/* Groups of so many messages, in, and out again. */
static void batches(struct bench *b, uint64_t batch, double least_s)
{
    dir_empty(b->dir);
    bench_open(b);
    bench_start(b);
    session_make(b, 1);
    await(b, b->token);
    uint64_t count = 0, written = store_stats(b->store).written_bytes, disk = disk_bytes();
    double cpu = seconds(b->clock), wall = seconds(CLOCK_MONOTONIC);
    while (seconds(CLOCK_MONOTONIC) - wall < least_s) {
        for (uint64_t i = 0; i < batch; i++, count++)
            enqueue(b, 1 + count % SESSIONS, 1 + count / SESSIONS);
        await(b, b->token);
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(b->clock) - cpu;
    double bytes = (double)count * PAYLOAD;
    printf("enqueue  batch %5" PRIu64 "  %9.0f/s  %7.2f us CPU  journal x%.2f  disk x%.2f\n",
           batch, (double)count / wall, cpu * 1e6 / (double)count,
           (double)(store_stats(b->store).written_bytes - written) / bytes,
           (double)(disk_bytes() - disk) / bytes);
    uint64_t done = 0;
    cpu = seconds(b->clock);
    wall = seconds(CLOCK_MONOTONIC);
    while (done < count) {
        for (uint64_t i = 0; i < batch && done < count; i++, done++)
            dequeue(b, 1 + done % SESSIONS, 1 + done / SESSIONS);
        await(b, b->token);
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(b->clock) - cpu;
    printf("dequeue  batch %5" PRIu64 "  %9.0f/s  %7.2f us CPU\n", batch, (double)count / wall,
           cpu * 1e6 / (double)count);
    store_close(b->store);
}

static int restored(void *context, const struct durable_op *op)
{
    if (op->kind == DURABLE_QUEUE_STATE)
        *(uint64_t *)context += op->queue.count;
    return ERR_OK;
}

/* Megabytes that the process takes. */
static double resident(void)
{
    return (double)os_resident_bytes() / 1e6;
}

static void drain(struct bench *b, uint64_t count)
{
    double wall = seconds(CLOCK_MONOTONIC), most = 0;
    uint64_t from = 0, first = 1;

    b->loaded = 0;
    while (from != UINT64_MAX) {
        b->answered = false;
        store_load(b->store, 1, from, LOAD_ENTRIES, SIZE_MAX);
        while (!b->answered)
            hear(b);
        from = b->loaded_end;
        for (; first <= b->loaded; first++)
            dequeue(b, 1, first);
        store_flush(b->store, os_monotonic_ms());
        most = resident() > most ? resident() : most;
    }
    double loads = seconds(CLOCK_MONOTONIC) - wall;
    await(b, b->token);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    if (b->loaded != count)
        die("the queue is not what it was");
    printf("drain    %9.0f/s read and done (%.2f s, durable after %.2f s), RSS at most %.0f MB\n",
           (double)count / loads, loads, wall, most);
}

static void backlog(struct bench *b, uint64_t count)
{
    enum { BATCH = 2000 };
    dir_empty(b->dir);
    bench_open(b);
    bench_start(b);
    session_make(b, 1);
    await(b, b->token);
    double wall = seconds(CLOCK_MONOTONIC), most = resident(), before = most;
    uint64_t disk = disk_bytes();
    for (uint64_t seq = 1; seq <= count; seq++) {
        enqueue(b, 1, seq);
        if (seq % BATCH == 0 || seq == count) {
            await(b, b->token);
            most = resident() > most ? resident() : most;
        }
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    struct store_stats stats = store_stats(b->store);
    store_close(b->store);
    printf("backlog  %9.0f/s (%.2f s), disk x%.2f, %" PRIu64 " checkpoints, journal %.0f MB, "
           "RSS %.0f to at most %.0f MB\n",
           (double)count / wall, wall, (double)(disk_bytes() - disk) / (double)(count * PAYLOAD),
           stats.checkpoints, (double)stats.journal_bytes / 1e6, before, most);
    struct store_recovery recovery;
    uint64_t queued = 0;
    wall = seconds(CLOCK_MONOTONIC);
    bench_open(b);
    double opened = seconds(CLOCK_MONOTONIC) - wall;
    if (store_restore(b->store, restored, &queued, &recovery) != ERR_OK || queued != count)
        die("not all was restored");
    printf("restart  %.0f ms, of it %.0f to open (%" PRIu64 " batches of the journal), RSS %.0f MB\n",
           (seconds(CLOCK_MONOTONIC) - wall) * 1e3, opened * 1e3, recovery.batches, resident());
    bench_start(b);
    disk = disk_bytes();
    drain(b, count);
    store_close(b->store);
    printf("drain    disk x%.2f\n", (double)(disk_bytes() - disk) / (double)(count * PAYLOAD));
}

int main(int argc, char **argv)
{
    struct bench bench = { .dir = argc > 1 ? argv[1] : NULL };
    static const uint64_t sizes[] = { 1, 32, 256, 2048 };

    if (argc < 2) {
        fprintf(stderr, "usage: %s DIR [MESSAGES [WORD]]\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (mkdir(bench.dir, 0700) != 0)
        die("the directory can't be made, or is there already");
    sem_init(&bench.woken, 0, 0);
    bool only_backlog = argc > 3;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && !only_backlog; i++)
        batches(&bench, sizes[i], 1.0);
    backlog(&bench, argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000);
    dir_empty(bench.dir);
    rmdir(bench.dir);
    return EXIT_SUCCESS;
}
