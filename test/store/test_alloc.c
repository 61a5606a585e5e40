/* SPDX-License-Identifier: Apache-2.0 */
/* Memory runs out at every allocation, once: a call fails or the store gives up in so many
 * words; nothing is freed twice, nothing leaks, and what was said to be durable is there. */
#include "alloc_fault.h"
#include "unit.h"

#include "base/err.h"
#include "store/span.h"
#include "store/store.h"
#include "store/tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/plexus-alloc-XXXXXX";
static struct tables *tables;
static uint64_t durable;
static enum store_health health;
static uint64_t loaded;
static uint64_t restored;

static void on_durable(void *context, uint64_t token)
{
    (void)context;
    durable = token;
}

static void on_loaded(void *context, const struct core_loaded *answer)
{
    (void)context;
    loaded += answer->count;
}

static void on_health(void *context, enum store_health now, const char *why)
{
    (void)context;
    (void)why;
    health = now;
}

static int on_restored(void *context, const struct durable_op *op)
{
    (void)context;
    if (op->kind == DURABLE_QUEUE_STATE)
        restored = op->queue.count;
    return ERR_OK;
}

/* Operations as a caller would have made them, before memory runs out. */
static void ops_make(struct durable_op ops[6])
{
    struct message *message = message_new(STR("topic"), (struct str){ NULL, 0 }, STR("payload"));

    memset(ops, 0, 6 * sizeof *ops);
    ops[0].kind = DURABLE_SESSION_PUT;
    ops[0].about = calloc(1, sizeof *ops[0].about);
    ops[1].kind = DURABLE_SUB_PUT;
    ops[1].text = (struct str){ strdup("a/filter"), 8 };
    ops[2].kind = DURABLE_QUEUE_PUT;
    ops[2].message = message_ref(message);
    ops[2].seq = 1;
    ops[2].sub_id_count = 2;
    ops[2].sub_ids = calloc(2, sizeof(uint32_t));
    ops[3].kind = DURABLE_INCOMING_PUT;
    ops[3].packet_id = 1;
    ops[4].kind = DURABLE_RETAIN_PUT;
    ops[4].message = message;
    ops[5].kind = DURABLE_QUEUE_DEL;
    ops[5].seq = 7;
    for (uint64_t i = 0; i < 6; i++) {
        ops[i].session = 1;
        ops[i].token = i + 1;
    }
}

static void work(struct store *store, uint64_t *now_ms)
{
    for (int i = 0; i < 30; i++) {
        store_flush(store, *now_ms);
        while (store_work(store))
            ;
        *now_ms += 100;
        store_poll(store, *now_ms);
    }
}

/* Open, put, load, close, with memory running out after n allocations. False: it did not. */
static bool life(long n)
{
    const struct store_config config = { .dir = dir,
                                         .memory_tables = tables,
                                         .segment_bytes = 4096,
                                         .journal_bytes_max = 12000,
                                         .durable = on_durable,
                                         .loaded = on_loaded,
                                         .health = on_health };
    struct durable_op ops[6];
    struct store *store = NULL;
    struct buf report = { 0 };
    struct store_recovery recovery;
    uint64_t now_ms = 1;

    ops_make(ops);
    durable = 0;
    health = STORE_WELL;
    alloc_fault_after(n);
    int err = store_open(&config, &store, &report);
    if (err) {
        ck_assert_int_eq(err, ERR_NOMEM);
        for (int i = 0; i < 6; i++)
            durable_op_finish(&ops[i]);
    } else {
        store_restore(store, on_restored, NULL, &recovery);
        store_submit(store, ops, 6);
        work(store, &now_ms);
        store_load(store, 1, 0, 10, SIZE_MAX);
        work(store, &now_ms);
        store_close(store);
    }
    bool happened = alloc_fault_happened();
    alloc_fault_after(-1);
    buf_finish(&report);
    ck_assert(err || durable == 6 || health == STORE_FAILED);
    return happened;
}

/* What is there without faults. */
static void verify(uint64_t expected)
{
    const struct store_config config = { .dir = dir, .memory_tables = tables,
                                         .segment_bytes = 4096 };
    struct store *store;
    struct buf report = { 0 };
    struct store_recovery recovery;

    restored = 0;
    ck_assert_int_eq(store_open(&config, &store, &report), ERR_OK);
    ck_assert_int_eq(store_restore(store, on_restored, NULL, &recovery), ERR_OK);
    ck_assert_uint_ge(restored, expected);
    ck_assert_uint_eq(report.len, 0);
    store_close(store);
    buf_finish(&report);
}

static void clean(void)
{
    char path[100];

    for (int i = 1; i < 200; i++) {
        snprintf(path, sizeof path, "%s/journal-%016x.log", dir, (unsigned)i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    rmdir(dir);
}

START_TEST(memory_that_runs_out_loses_nothing_that_was_said)
{
    bool happened = true;
    long n = 0;

    for (; happened; n++) {
        strcpy(dir + strlen(dir) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(dir));
        tables = tables_mem_new(true);
        ck_assert_ptr_nonnull(tables);
        happened = life(n);
        verify(durable == 6 ? 1 : 0);
        tables_mem_free(tables);
        clean();
        ck_assert_int_lt(n, 5000);
    }
    ck_assert_int_gt(n, 30);
}
END_TEST

START_TEST(spans_join_and_are_found)
{
    struct spans spans = { 0 };
    static const uint64_t order[] = { 5, 3, 4, 9, 1, 8, 10, 2, 5, 20, 0 };

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        ck_assert_int_eq(spans_add(&spans, order[i]), ERR_OK);
    ck_assert_uint_eq(spans.len, 3); /* 0 to 5, 8 to 10, 20 */
    for (uint64_t seq = 0; seq < 25; seq++) {
        bool in = seq <= 5 || (seq >= 8 && seq <= 10) || seq == 20;
        ck_assert_int_eq(spans_has(&spans, seq), in);
    }
    ck_assert_uint_eq(spans_skip(&spans, 2), 6);
    ck_assert_uint_eq(spans_skip(&spans, 6), 6);
    ck_assert_uint_eq(spans_skip(&spans, 20), 21);
    alloc_fault_after(0);
    int err = ERR_OK;
    for (uint64_t seq = 100; seq < 200 && !err; seq += 2)
        err = spans_add(&spans, seq);
    alloc_fault_after(-1);
    ck_assert_int_eq(err, ERR_NOMEM);
    spans_finish(&spans);
}
END_TEST

UNIT_MAIN("store/alloc", memory_that_runs_out_loses_nothing_that_was_said,
          spans_join_and_are_found)
