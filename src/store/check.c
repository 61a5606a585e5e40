/* SPDX-License-Identifier: Apache-2.0 */
/* Read a directory through, without a broker and without changing it, and say what is damaged. */
#include "base/err.h"
#include "mqtt/wire.h"
#include "store/about.h"
#include "store/body.h"
#include "store/fetch.h"
#include "store/row.h"
#include "store/worker.h"

#include <inttypes.h>

struct check {
    struct worker *worker;
    struct tables_txn *txn;
    struct buf *report;
    uint64_t damaged;
};

/* A line about a row. */
static void row_report(struct check *c, enum table table, struct str key, const char *what)
{
    buf_printf(c->report, "tables: %s: row ", table_name(table));
    for (size_t i = 0; i < key.len && i < 24; i++)
        buf_printf(c->report, "%02x", (uint8_t)key.ptr[i]);
    buf_printf(c->report, "%s: %s\n", key.len > 24 ? "..." : "", what);
    c->damaged++;
}

/* Does the queue row's message exist? */
static bool message_is_there(struct check *c, const struct queue_row *row)
{
    struct row_key key = row_key_number(row->message);
    struct str value;

    return row->received ||
           c->txn->kind->get(c->txn, TABLE_MESSAGES, row_key_str(&key), &value) == ERR_OK;
}

/* What is wrong with a row whose checksum is right, or NULL. */
static const char *content_check(struct check *c, enum table table, struct str content)
{
    struct durable_session *about = NULL;
    struct queue_row row;
    const char *wrong = NULL;

    switch (table) {
    case TABLE_SESSIONS:
        if (about_read(content, &about) != ERR_OK)
            return "makes no sense";
        struct durable_op op = { .kind = DURABLE_SESSION_PUT, .about = about };
        durable_op_finish(&op);
        break;
    case TABLE_QUEUE:
        if (queue_row_read(content, &row) != ERR_OK)
            wrong = "makes no sense";
        else if (!message_is_there(c, &row))
            wrong = "its message is missing";
        break;
    case TABLE_MESSAGES:
    case TABLE_RETAINED: wrong = body_topic(content).len > 0 ? NULL : "makes no sense"; break;
    case TABLE_META:
    case TABLE_SUBS:
    case TABLE_INCOMING:
    case TABLE_REFS:
    case TABLE_COUNT: break;
    }
    return wrong;
}

static int table_check(struct check *c, enum table table)
{
    struct tables_cursor *cursor;
    struct str key, value;
    uint64_t rows = 0;
    int err = c->txn->kind->cursor(c->txn, table, &cursor);

    if (err)
        return err;
    for (err = cursor->kind->seek(cursor, (struct str){ "", 0 }, &key, &value); !err;
         err = cursor->kind->next(cursor, &key, &value)) {
        const char *wrong = "checksum does not match";
        if (row_open(key, value, &value) == ERR_OK)
            wrong = content_check(c, table, value);
        if (wrong)
            row_report(c, table, key, wrong);
        if (++rows % 16384 == 0)
            c->worker->tables->kind->drop_resident(c->worker->tables);
    }
    if (err == ERR_CHECKSUM) {
        buf_printf(c->report, "tables: %s: a page makes no sense, and hides what is behind it\n",
                   table_name(table));
        c->damaged++;
    }
    cursor->kind->cursor_free(cursor);
    return err == ERR_NOT_FOUND || err == ERR_CHECKSUM ? ERR_OK : err;
}

static int tables_check(struct check *c)
{
    int err = c->worker->tables->kind->begin(c->worker->tables, false, &c->txn);

    for (int table = 0; table < TABLE_COUNT && !err; table++) {
        err = table_check(c, (enum table)table);
        if (err)
            buf_printf(c->report, "tables: %s: %s\n", table_name((enum table)table), err_text(err));
    }
    if (c->txn)
        c->txn->kind->abort(c->txn);
    return err;
}

/* Bodies in the journal have a checksum of their own, beside the batch's. */
static int messages_check(struct check *c)
{
    const struct delta *delta = c->worker->active;
    struct fetch fetch = { .disk = c->worker->disk };
    struct str body;
    int err = ERR_OK;

    for (size_t i = 0; i < delta->messages.len && !err; i++) {
        if (delta->messages.at[i].refs == 0)
            continue;
        err = fetch_body(&fetch, delta->first_message + i, &delta->messages.at[i], &body);
        if (err == ERR_CHECKSUM) {
            buf_printf(c->report, "journal: message %" PRIu64 ": checksum does not match\n",
                       delta->first_message + i);
            c->damaged++;
            err = ERR_OK;
        }
    }
    fetch_finish(&fetch);
    return err;
}

int store_check(const char *dir, struct buf *report)
{
    struct worker *worker;
    int err = worker_look(dir, report, &worker);

    if (err)
        return err;
    struct check check = { .worker = worker, .report = report };
    err = tables_check(&check);
    if (!err)
        err = messages_check(&check);
    if (!err && (check.damaged > 0 || worker->recovery.damaged > 0))
        err = ERR_CHECKSUM;
    worker_free(worker);
    return err;
}
