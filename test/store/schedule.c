/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include "base/err.h"
#include "store/tables.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>

static void snapshot_take(struct schedule *s)
{
    struct snapshot *snapshot = vec_push(&s->snapshots);

    ck_assert_ptr_nonnull(snapshot);
    snapshot->token = s->rig.token;
    snapshot->model = s->model;
}

static void snapshots_clear(struct schedule *s)
{
    vec_clear(&s->snapshots);
    vec_clear(&s->must);
}

void schedule_begin(struct schedule *s, uint64_t seed)
{
    *s = (struct schedule){ .seed = seed };
    rand_init(&s->rand, seed);
    vdisk_init(&s->disk, seed);
    s->tables = tables_mem_new(true);
    ck_assert_ptr_nonnull(s->tables);
    rig_init(&s->rig, &(struct store_config){ .dir = "v",
                                              .disk = &s->disk.disk,
                                              .memory_tables = s->tables,
                                              .segment_bytes = 8192,
                                              .journal_bytes_max = 32768 });
    model_init(&s->model);
}

void schedule_end(struct schedule *s)
{
    rig_finish(&s->rig);
    snapshots_clear(s);
    vec_finish(&s->snapshots);
    vec_finish(&s->must);
    tables_mem_free(s->tables);
    vdisk_finish(&s->disk);
}

/* Note which operations of the step must be there once they are said: all that are not lazy,
 * but those that undo each other. */
static void must_note(struct schedule *s)
{
    vec_each (&s->rig.step, op) {
        bool *must = vec_push(&s->must);
        ck_assert_ptr_nonnull(must);
        *must = !op->lazy && !op->undoes;
        if (op->undoes)
            s->must.at[op->undoes - 1] = false;
    }
}

/* Load from somewhere in a queue, and compare with the model, whatever is under way. */
static void some_load(struct schedule *s)
{
    size_t i = (size_t)rand_below(&s->rand, MODEL_SESSIONS), max = 1 + rand_below(&s->rand, 20);
    const struct model_session *session = &s->model.sessions[i];
    size_t at = session->count ? (size_t)rand_below(&s->rand, session->count) : 0;
    uint64_t from = session->count ? session->queue[at].seq : 0;

    if (s->rig.loads != s->asked)
        return; /* one still waits for the disk */
    s->asked++;
    store_load(s->rig.store, i + 1, from, max, SIZE_MAX);
    for (int calls = 0; calls < 100 && s->rig.loads != s->asked && !s->disk.dead; calls++) {
        store_work(s->rig.store);
        store_poll(s->rig.store, s->rig.now_ms);
    }
    if (s->rig.loads != s->asked)
        return;
    size_t count = session->count - at < max ? session->count - at : max;
    ck_assert_uint_eq(s->rig.entries.len, count);
    for (size_t j = 0; j < count; j++) {
        ck_assert_uint_eq(s->rig.entries.at[j].seq, session->queue[at + j].seq);
        ck_assert_int_eq(s->rig.entries.at[j].received, session->queue[at + j].received);
        if (!session->queue[at + j].received)
            ck_assert_uint_eq(s->rig.entries.at[j].number, session->queue[at + j].payload);
    }
    ck_assert(s->rig.loaded_end == UINT64_MAX || count == max);
}

static void some_work(struct schedule *s)
{
    switch (rand_below(&s->rand, 7)) {
    case 5: some_load(s); break;
    case 0: store_flush(s->rig.store, s->rig.now_ms); break;
    case 1:
    case 2: store_work(s->rig.store); break;
    case 3: store_poll(s->rig.store, s->rig.now_ms); break;
    case 4: s->rig.now_ms += rand_below(&s->rand, 200); break;
    default:
        store_flush(s->rig.store, s->rig.now_ms);
        while (store_work(s->rig.store))
            ;
        store_poll(s->rig.store, s->rig.now_ms);
    }
}

void schedule_run(struct schedule *s, unsigned steps)
{
    s->asked = s->rig.loads;
    if (s->snapshots.len == 0)
        snapshot_take(s);
    for (unsigned i = 0; i < steps && !s->disk.dead && s->rig.health != STORE_FAILED; i++) {
        model_step(&s->model, &s->rig, &s->rand);
        must_note(s);
        rig_submit(&s->rig);
        snapshot_take(s);
        some_work(s);
    }
}

const struct snapshot *schedule_find(const struct schedule *s, uint64_t must, struct str text,
                                     bool print)
{
    const struct snapshot *same = NULL;
    struct buf other = { 0 };

    vec_each (&s->snapshots, snapshot) {
        if (snapshot->token < must)
            continue;
        buf_clear(&other);
        model_print(&snapshot->model, &other);
        if (str_equal(buf_str(&other), text))
            same = snapshot;
        if (print)
            printf("--- up to %" PRIu64 "\n%.*s", snapshot->token, STR_ARG(buf_str(&other)));
    }
    buf_finish(&other);
    return same;
}

void schedule_recover(struct schedule *s, const char *what)
{
    struct buf text = { 0 };
    uint64_t said = s->rig.durable, must = 0;

    for (uint64_t token = 1; token <= said; token++)
        must = s->must.at[token - 1] ? token : must;
    vdisk_fail(&s->disk, 0, 0, 0, ERR_OK);
    tables_mem_fail(s->tables, 0, ERR_OK);
    s->disk.dead = true; /* else to close would make the rest durable */
    rig_close(&s->rig);
    vdisk_crash(&s->disk);
    int err = rig_open(&s->rig);
    ck_assert_msg(err == ERR_OK, "seed %" PRIu64 " %s: %s: %.*s", s->seed, what, err_text(err),
                  STR_ARG(buf_str(&s->rig.report)));
    ck_assert_int_eq(model_print_store(&s->rig, &text), ERR_OK);
    const struct snapshot *same = schedule_find(s, must, buf_str(&text), false);
    if (!same) {
        printf("seed %" PRIu64 " %s: said %" PRIu64 ", must %" PRIu64 "\n%.*s--- found\n%.*s",
               s->seed, what, said, must, STR_ARG(buf_str(&s->rig.report)),
               STR_ARG(buf_str(&text)));
        schedule_find(s, must, buf_str(&text), true);
        ck_abort_msg("what was recovered is no state that it may be in");
    }
    ck_assert_uint_eq(s->rig.report.len, 0); /* a crash is no damage */
    s->model = same->model;
    model_restart(&s->model);
    buf_finish(&text);
    snapshots_clear(s);
}
