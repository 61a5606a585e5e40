/* SPDX-License-Identifier: Apache-2.0 */
/* The store end to end on a real directory: what goes in comes back after a restart. */
#include "rig.h"
#include "unit.h"

#include "base/err.h"
#include "store/about.h"
#include "store/checkpoint.h"
#include "store/row.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;
static char dir[64];

static void begin(void)
{
    rig_dir_make(dir);
    rig_init(&rig, &(struct store_config){ .dir = dir });
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

static void end(void)
{
    rig_finish(&rig);
    rig_dir_remove(dir);
}

static void reopen(void)
{
    rig_close(&rig);
    int err = rig_open(&rig);
    ck_assert_msg(err == ERR_OK, "%s: %.*s", err_text(err), STR_ARG(buf_str(&rig.report)));
}

static int backup_err;

static void on_backup(void *context, int err)
{
    *(int *)context = err;
}

/* Bring everything into the tables, by a backup to nowhere. */
static void tables_fill(void)
{
    char copy[64];

    rig_dir_make(copy);
    backup_err = 1;
    int err = store_backup(rig.store, copy, on_backup, &backup_err);
    ck_assert_int_eq(err, ERR_OK);
    while (backup_err == 1)
        rig_settle(&rig);
    ck_assert_int_eq(backup_err, ERR_OK);
    rig_dir_remove(copy);
}

static void expect_restore(const char *expected)
{
    struct buf out = { 0 };

    ck_assert_int_eq(rig_restore(&rig, &out, NULL), ERR_OK);
    ck_assert_str_eq((char *)out.data, expected);
    buf_finish(&out);
}

START_TEST(what_was_said_to_be_durable_is_there_after_a_restart)
{
    begin();
    rig_session(&rig, 7, "alice");
    rig_sub(&rig, 7, "plant/+/temp", 2);
    rig_sub(&rig, 7, "gone", 1);
    rig_submit(&rig);
    rig_sub_del(&rig, 7, "gone");
    rig_incoming(&rig, 7, 11, true);
    rig_incoming(&rig, 7, 12, true);
    rig_incoming(&rig, 7, 11, false);
    rig_session(&rig, 3, "bob");
    struct message *message = rig_message("plant/1/temp", "21");
    rig_queue(&rig, 7, 1, message_ref(message));
    rig_queue(&rig, 3, 9, message_ref(message));
    rig_retain(&rig, message);
    rig_settle(&rig);
    ck_assert_uint_eq(rig.durable, rig.token);
    reopen();
    expect_restore("session 3 bob\n"
                   "queue 3 9..10 1\n"
                   "session 7 alice\n"
                   "sub 7 plant/+/temp 2\n"
                   "incoming 7 12\n"
                   "queue 7 1..2 1\n"
                   "retain plant/1/temp=21\n");
    ck_assert_str_eq(rig_load(&rig, 7, 0, 10), "1:21");
    ck_assert_uint_eq(rig.loaded_end, UINT64_MAX);
    ck_assert_str_eq(rig_load(&rig, 3, 0, 10), "9:21");
    end();
}
END_TEST

START_TEST(threads_make_it_durable_too)
{
    begin();
    rig_start(&rig);
    rig_session(&rig, 1, "alice");
    rig_submit(&rig);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        rig_queue(&rig, 1, seq, rig_message("t", "payload"));
        rig_submit(&rig);
        store_flush(rig.store, rig.now_ms);
    }
    rig_await(&rig, rig.token);
    store_load(rig.store, 1, 500, 3, SIZE_MAX);
    rig_await_loads(&rig, 1);
    ck_assert_str_eq((char *)rig.loaded.data, "500:payload 501:payload 502:payload");
    ck_assert_uint_eq(rig.loaded_end, 503);
    reopen();
    expect_restore("session 1 alice\nqueue 1 1..1001 1000\n");
    end();
}
END_TEST

START_TEST(what_is_undone_in_time_never_needs_the_disk)
{
    begin();
    rig_session(&rig, 1, "alice");
    rig_settle(&rig);
    uint64_t groups = store_stats(rig.store).groups;
    uint64_t put = rig_queue(&rig, 1, 1, rig_message("t", "x"));
    rig_submit(&rig);
    rig_done(&rig, 1, 1, put);
    rig_submit(&rig);
    store_flush(rig.store, rig.now_ms);
    ck_assert_uint_eq(rig.durable, rig.token);
    ck_assert(!store_work(rig.store));
    ck_assert_uint_eq(store_stats(rig.store).groups, groups);
    ck_assert_uint_eq(store_stats(rig.store).ops_undone, 2);
    end();
}
END_TEST

START_TEST(what_is_undone_beside_lazy_work_is_said_at_once)
{
    begin();
    rig_session(&rig, 1, "alice");
    rig_settle(&rig);
    rig_sub(&rig, 1, "lazy", 0);
    rig_last(&rig)->lazy = true;
    uint64_t put = rig_queue(&rig, 1, 1, rig_message("t", "x"));
    rig_submit(&rig);
    store_flush(rig.store, rig.now_ms);
    ck_assert_uint_lt(rig.durable, put); /* somebody waits */
    end();

    begin();
    rig_session(&rig, 1, "alice");
    rig_settle(&rig);
    rig_sub(&rig, 1, "lazy", 0);
    rig_last(&rig)->lazy = true;
    put = rig_queue(&rig, 1, 1, rig_message("t", "x"));
    rig_done(&rig, 1, 1, put);
    rig_submit(&rig);
    store_flush(rig.store, rig.now_ms);
    ck_assert_uint_eq(rig.durable, rig.token);
    ck_assert(!store_work(rig.store));
    ck_assert_uint_eq(store_deadline(rig.store), rig.now_ms + 500);
    rig.now_ms += 500;
    rig_settle(&rig);
    reopen();
    expect_restore("session 1 alice\nsub 1 lazy 0\n");
    end();
}
END_TEST

START_TEST(a_later_retained_message_replaces_an_earlier_one)
{
    begin();
    rig_retain(&rig, rig_message("a", "1"));
    rig_retain(&rig, rig_message("b", "1"));
    rig_retain(&rig, rig_message("a", "2"));
    rig_retain_del(&rig, "b");
    rig_retain(&rig, rig_message("c", "1"));
    rig_settle(&rig);
    ck_assert_uint_eq(store_stats(rig.store).ops, 3);
    rig_retain_del(&rig, "c");
    rig_settle(&rig);
    reopen();
    expect_restore("retain a=2\n");
    end();
}
END_TEST

START_TEST(every_detail_of_a_session_and_a_message_comes_back)
{
    struct durable_session about = { .expiry_s = 77, .connected = true, .expires_ms = 123456789,
                                     .sent_seq = 42, .will_delay_s = 5, .will_expiry_s = 6,
                                     .will_has_expiry = true, .will_due_ms = 999 };
    struct buf bytes = { 0 };
    struct durable_session *again;

    about.client_id = STR("client");
    about.will = message_new(STR("will/topic"), STR("\x01\x01"), STR("gone"));
    about.will->expires_ms = 1u << 20;
    about.will->publisher = 300;
    about.will->retain = 1;
    about.will->qos = 2;
    about.will->remote = 1;
    about_write(&bytes, &about);
    ck_assert_int_eq(about_read(buf_str(&bytes), &again), ERR_OK);
    ck_assert(str_equal(again->client_id, about.client_id));
    ck_assert_uint_eq(again->expiry_s, 77);
    ck_assert(again->connected && again->will_has_expiry);
    ck_assert_uint_eq(again->expires_ms, 123456789);
    ck_assert_uint_eq(again->sent_seq, 42);
    ck_assert_uint_eq(again->will_delay_s, 5);
    ck_assert_uint_eq(again->will_expiry_s, 6);
    ck_assert_uint_eq(again->will_due_ms, 999);
    ck_assert(str_equal(message_topic(again->will), STR("will/topic")));
    ck_assert(str_equal(message_props(again->will), STR("\x01\x01")));
    ck_assert(str_equal(message_payload(again->will), STR("gone")));
    ck_assert_uint_eq(again->will->expires_ms, 1u << 20);
    ck_assert_uint_eq(again->will->publisher, 300);
    ck_assert(again->will->retain && again->will->remote && again->will->qos == 2);
    for (size_t len = 0; len < bytes.len; len++) {
        struct durable_session *none;
        ck_assert_int_eq(about_read((struct str){ (char *)bytes.data, len }, &none),
                         ERR_MALFORMED);
    }
    message_unref(again->will);
    free(again);
    message_unref(about.will);
    buf_finish(&bytes);
}
END_TEST

START_TEST(a_queue_entry_keeps_its_qos_flags_and_identifiers)
{
    for (int through_tables = 0; through_tables < 2; through_tables++) {
        begin();
        rig_session(&rig, 1, "alice");
        rig_queue(&rig, 1, 5, rig_message("t", "none"));
        rig_queue(&rig, 1, 6, rig_message("t", "one"));
        rig_last(&rig)->qos = 2;
        rig_last(&rig)->sub_id_count = 1;
        rig_last(&rig)->sub_id = 268435455;
        rig_queue(&rig, 1, 7, rig_message("t", "three"));
        rig_last(&rig)->options = 1;
        rig_last(&rig)->sub_id_count = 3;
        rig_last(&rig)->sub_ids = malloc(3 * sizeof(uint32_t));
        ck_assert_ptr_nonnull(rig_last(&rig)->sub_ids);
        memcpy(rig_last(&rig)->sub_ids, (uint32_t[]){ 1, 200, 70000 }, 3 * sizeof(uint32_t));
        rig_queue(&rig, 1, 8, rig_message("t", "four"));
        rig_last(&rig)->qos = 2;
        rig_settle(&rig);
        rig_received(&rig, 1, 8);
        rig_settle(&rig);
        if (through_tables) {
            tables_fill();
            ck_assert_uint_eq(store_stats(rig.store).checkpoints, 1);
        }
        reopen();
        ck_assert_str_eq(rig_load(&rig, 1, 0, 10),
                         "5:none 6:one/q2/268435455 7:three/r/1/200/70000 8:received/q2");
        end();
    }
}
END_TEST

START_TEST(a_backlog_goes_to_the_tables_and_comes_back_in_order)
{
    struct store_config config = { .dir = dir, .journal_bytes_max = 1 << 18, .segment_bytes = 1 << 16 };
    char long_topic[1000];

    rig_dir_make(dir);
    rig_init(&rig, &config);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_session(&rig, 1, "alice");
    memset(long_topic, 'l', sizeof long_topic);
    long_topic[sizeof long_topic - 1] = 0;
    for (int i = 0; i < 3; i++) {
        long_topic[sizeof long_topic - 2] = (char)('0' + i);
        rig_sub(&rig, 1, long_topic, (uint8_t)i);
        rig_retain(&rig, rig_message(long_topic, "long"));
    }
    for (uint64_t seq = 1; seq <= 5000; seq++) {
        char payload[100];
        snprintf(payload, sizeof payload, "%d with some more behind it to fill the journal up",
                 (int)seq);
        rig_queue(&rig, 1, seq, rig_message("t", payload));
        if (seq % 50 == 0)
            rig_settle(&rig);
    }
    ck_assert_uint_gt(store_stats(rig.store).checkpoints, 1);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        rig_done(&rig, 1, seq, 0);
    rig_settle(&rig);
    reopen();
    struct store_recovery recovery;
    struct buf out = { 0 };
    ck_assert_int_eq(rig_restore(&rig, &out, &recovery), ERR_OK);
    buf_finish(&out);
    ck_assert_uint_eq(recovery.queued, 4000);
    ck_assert_uint_eq(recovery.subscriptions, 3);
    ck_assert_uint_eq(recovery.retained, 3);
    uint64_t from = 0, next = 1001;
    while (from != UINT64_MAX) {
        rig_load(&rig, 1, from, 300);
        vec_each (&rig.entries, entry) {
            ck_assert_uint_eq(entry->seq, next);
            ck_assert_uint_eq(entry->number, next++);
        }
        from = rig.loaded_end;
    }
    ck_assert_uint_eq(next, 5001);
    rig_close(&rig);
    struct buf report = { 0 };
    ck_assert_int_eq(store_check(dir, &report), ERR_OK);
    ck_assert_uint_eq(report.len, 0);
    buf_finish(&report);
    end();
}
END_TEST

START_TEST(a_running_store_is_backed_up)
{
    char copy[64];
    int err = 1;

    begin();
    rig_start(&rig);
    rig_session(&rig, 1, "alice");
    for (uint64_t seq = 1; seq <= 500; seq++)
        rig_queue(&rig, 1, seq, rig_message("t", "x"));
    rig_submit(&rig);
    rig_dir_make(copy);
    ck_assert_int_eq(store_backup(rig.store, copy, on_backup, &err), ERR_OK);
    for (uint64_t seq = 501; seq <= 1000; seq++)
        rig_queue(&rig, 1, seq, rig_message("t", "x"));
    rig_submit(&rig);
    rig_await(&rig, rig.token);
    while (err == 1)
        rig_hear(&rig);
    ck_assert_int_eq(err, ERR_OK);
    rig_close(&rig);
    rig.config.dir = copy;
    struct buf out = { 0 };
    struct store_recovery recovery;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_int_eq(rig_restore(&rig, &out, &recovery), ERR_OK);
    buf_finish(&out);
    ck_assert_uint_ge(recovery.queued, 500);
    ck_assert_uint_eq(rig.report.len, 0);
    rig_close(&rig);
    rig_dir_remove(copy);
    end();
}
END_TEST

/* Change the byte where this text stands in a file. */
static bool text_change(const char *name, const char *text)
{
    char path[100];
    struct buf content = { 0 };
    bool found = false;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    for (int c; (c = getc(file)) != EOF;)
        buf_append_u8(&content, (uint8_t)c);
    for (size_t at = 0; at + strlen(text) < content.len && !found; at++) {
        found = memcmp(content.data + at, text, strlen(text)) == 0;
        if (found) {
            fseek(file, (long)at, SEEK_SET);
            fputc('!', file);
        }
    }
    fclose(file);
    buf_finish(&content);
    return found;
}

/* A store whose queue of three messages is in the tables. */
static void three_in_tables(void)
{
    begin();
    rig_session(&rig, 1, "al\"ice");
    rig_sub(&rig, 1, "t", 1);
    rig_queue(&rig, 1, 1, rig_message("t", "payload-one"));
    rig_queue(&rig, 1, 2, rig_message("t", "payload-two"));
    rig_queue(&rig, 1, 3, rig_message("t", "payload-three"));
    rig_retain(&rig, rig_message("t", "kept"));
    rig_settle(&rig);
    tables_fill();
}

START_TEST(a_damaged_row_is_located_and_the_others_are_served)
{
    struct buf report = { 0 };

    three_in_tables();
    rig_close(&rig);
    ck_assert(text_change("tables.mdb", "payload-two"));
    ck_assert_int_eq(store_check(dir, &report), ERR_CHECKSUM);
    buf_append_u8(&report, 0);
    ck_assert_str_eq((char *)report.data,
                     "tables.mdb: page 6: messages: row 0000000000000002: checksum does not match\n"
                     "tables.mdb: messages: 1 of 3 rows are lost\n"
                     "tables: queue: row 00000000000000010000000000000002: its message is missing\n");
    buf_finish(&report);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_str_eq(rig_load(&rig, 1, 0, 10), "1:payload-one 3:payload-three");
    ck_assert_str_eq(rig.why, "1 damaged in the queue of a session, and skipped");
    ck_assert_int_eq(rig.health, STORE_WELL);
    ck_assert_uint_eq(store_stats(rig.store).damaged, 1); /* and before, if there was a restore */
    end();
}
END_TEST

START_TEST(a_dump_says_what_is_there)
{
    struct buf out = { 0 };

    three_in_tables();
    rig_close(&rig);
    ck_assert_int_eq(store_dump(dir, false, &out), ERR_OK);
    buf_append_u8(&out, 0);
    ck_assert_ptr_nonnull(strstr((char *)out.data,
                                 "sessions 1, subscriptions 1, queued 3, retained 1"));
    buf_clear(&out);
    ck_assert_int_eq(store_dump(dir, true, &out), ERR_OK);
    buf_append_u8(&out, 0);
    ck_assert_ptr_nonnull(strstr((char *)out.data, "\"client_id\": \"al\\\"ice\""));
    ck_assert_ptr_nonnull(strstr((char *)out.data, "\"queued\": 3"));
    buf_clear(&out);
    ck_assert_int_eq(store_dump("/nonexistent", false, &out), ERR_NOT_FOUND);
    buf_append_u8(&out, 0);
    ck_assert_str_eq((char *)out.data, "/nonexistent/tables.mdb: there is no store here\n");
    buf_finish(&out);
    end();
}
END_TEST

START_TEST(tables_of_a_newer_format_are_refused)
{
    struct tables *tables;
    uint64_t damaged = 0;
    struct tables_txn *txn;

    begin();
    rig_close(&rig);
    ck_assert_int_eq(tables_lmdb_open(dir, 1 << 24, false, &rig.report, &damaged, &tables), ERR_OK);
    ck_assert_uint_eq(damaged, 0);
    ck_assert_int_eq(tables->kind->begin(tables, true, &txn), ERR_OK);
    ck_assert_int_eq(meta_put(txn, META_VERSION, 2), ERR_OK);
    ck_assert_int_eq(tables->kind->commit(txn), ERR_OK);
    tables->kind->close(tables);
    ck_assert_int_eq(rig_open(&rig), ERR_VERSION);
    buf_append_u8(&rig.report, 0);
    ck_assert_str_eq((char *)rig.report.data,
                     "tables: format version 2, made by a newer version of plexusd; this one "
                     "reads up to 1\n");
    end();
}
END_TEST

START_TEST(full_tables_are_told_in_time_to_be_drained)
{
    const struct store_config config = { .dir = dir, .journal_bytes_max = 1 << 18,
                                         .segment_bytes = 1 << 16, .tables_bytes_max = 1 << 20 };
    char payload[1000];
    uint64_t seq = 0, done = 0;

    rig_dir_make(dir);
    rig_init(&rig, &config);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_session(&rig, 1, "alice");
    memset(payload, '1', sizeof payload);
    payload[sizeof payload - 1] = 0;
    while (rig.health == STORE_WELL && seq < 5000) {
        rig_queue(&rig, 1, ++seq, rig_message("t", payload));
        if (seq % 20 == 0)
            rig_settle(&rig);
    }
    rig_settle(&rig);
    ck_assert_int_eq(rig.health, STORE_FULL);
    ck_assert_str_eq(rig.why, "the tables are at their limit");
    ck_assert_uint_eq(rig.durable, rig.token);
    while (rig.health == STORE_FULL && done < seq) {
        rig_load(&rig, 1, done + 1, 50);
        ck_assert_uint_gt(rig.entries.len, 0);
        vec_each (&rig.entries, entry)
            rig_done(&rig, 1, done = entry->seq, 0);
        rig_settle(&rig);
        ck_assert_uint_eq(rig.durable, rig.token);
        if (rig.health == STORE_FULL)
            tables_fill();
    }
    ck_assert_int_eq(rig.health, STORE_WELL);
    end();
}
END_TEST

UNIT_MAIN("store/store", what_was_said_to_be_durable_is_there_after_a_restart,
          threads_make_it_durable_too, what_is_undone_in_time_never_needs_the_disk,
          what_is_undone_beside_lazy_work_is_said_at_once,
          a_later_retained_message_replaces_an_earlier_one,
          every_detail_of_a_session_and_a_message_comes_back,
          a_queue_entry_keeps_its_qos_flags_and_identifiers,
          a_backlog_goes_to_the_tables_and_comes_back_in_order, a_running_store_is_backed_up,
          a_damaged_row_is_located_and_the_others_are_served, a_dump_says_what_is_there,
          tables_of_a_newer_format_are_refused, full_tables_are_told_in_time_to_be_drained)
