/* SPDX-License-Identifier: Apache-2.0 */
#include "store/load.h"

#include "base/err.h"
#include "store/body.h"
#include "store/fetch.h"

#include <stdlib.h>

struct load *load_new(uint64_t session, uint64_t from, size_t entries_max, size_t bytes_max)
{
    struct load *load = calloc(1, sizeof *load);

    if (!load)
        return NULL;
    list_init(&load->work.link);
    load->work.kind = WORK_LOAD;
    load->session = session;
    load->from = from;
    load->entries_max = entries_max ? entries_max : 1;
    load->bytes_max = bytes_max;
    return load;
}

static void entries_clear(struct load *load)
{
    vec_each (&load->entries, entry)
        message_unref(entry->message);
    vec_clear(&load->entries);
    vec_clear(&load->sub_ids);
}

void load_free(struct load *load)
{
    if (!load)
        return;
    entries_clear(load);
    vec_finish(&load->entries);
    vec_finish(&load->sub_ids);
    free(load);
}

struct reading {
    struct load *load;
    struct tables_txn *txn;
    struct fetch fetch;
};

static int row_message(struct reading *r, uint64_t id, struct message **ret_message)
{
    struct row_key key = row_key_number(id);
    struct str value;
    int err = r->txn->kind->get(r->txn, TABLE_MESSAGES, row_key_str(&key), &value);

    if (!err)
        err = row_open(row_key_str(&key), value, &value);
    return err ? err : body_read(value, ret_message);
}

static int place_message(struct reading *r, const struct walk_place *place,
                         struct message **ret_message)
{
    struct str body;

    if (!place->entry)
        return row_message(r, place->row.message, ret_message);
    uint64_t id = place->entry->message;
    int err = fetch_body(&r->fetch, id, delta_message_find(place->delta, id), &body);
    return err ? err : body_read(body, ret_message);
}

static int sub_ids_add(struct load *load, const struct walk_place *place, uint16_t count)
{
    size_t from = load->sub_ids.len;

    for (size_t i = 0; i < count; i++) {
        if (!vec_push(&load->sub_ids)) {
            load->sub_ids.len = from;
            return ERR_NOMEM;
        }
    }
    uint32_t *ids = load->sub_ids.at + from;
    if (!place->entry)
        queue_row_sub_ids(&place->row, ids);
    else if (count == 1)
        ids[0] = place->entry->sub_id;
    for (size_t i = 0; place->entry && count > 1 && i < count; i++)
        ids[i] = place->entry->sub_ids[i];
    return ERR_OK;
}

/* Add the place's entry. ERR_CHECKSUM: its message is not readable. */
static int entry_add(struct reading *r, const struct walk_place *place)
{
    struct message *message = NULL;
    bool row = !place->entry;
    uint16_t count = row ? place->row.sub_id_count : place->entry->sub_id_count;
    int err = place->received ? ERR_OK : place_message(r, place, &message);

    if (place->received)
        count = 0;
    if (!err)
        err = sub_ids_add(r->load, place, count);
    struct durable_entry *entry = err ? NULL : vec_push(&r->load->entries);
    if (!entry) {
        message_unref(message);
        return err == ERR_NOMEM || err == ERR_IO ? err : err ? ERR_CHECKSUM : ERR_NOMEM;
    }
    *entry = (struct durable_entry){ .seq = place->seq,
                                   .message = message,
                                   .sub_id_count = count,
                                   .qos = row ? place->row.qos : place->entry->qos,
                                   .retain = row ? place->row.retain : place->entry->retain };
    return ERR_OK;
}

static int places_read(struct reading *r, struct walk *walk)
{
    struct load *load = r->load;
    struct walk_place place;
    int err;

    load->bytes = 0;
    while ((err = walk_next(walk, &place)) == ERR_OK) {
        err = entry_add(r, &place);
        if (err == ERR_CHECKSUM) {
            load->damaged++;
            continue;
        }
        if (err)
            return err;
        const struct durable_entry *entry = &load->entries.at[load->entries.len - 1];
        load->end = place.seq + 1;
        load->bytes += entry->message ? message_size(entry->message) : 0;
        if (load->entries.len >= load->entries_max || load->bytes >= load->bytes_max)
            return ERR_OK;
    }
    load->end = UINT64_MAX;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

int load_run(struct load *load, const struct layers *layers)
{
    struct reading r = { .load = load, .fetch = { .disk = layers->disk } };
    struct walk walk = { 0 };
    int err = layers->tables->kind->begin(layers->tables, false, &r.txn);

    load->end = load->from;
    if (err)
        return err;
    err = walk_begin(&walk, layers, r.txn, load->session, load->from);
    if (!err)
        err = places_read(&r, &walk);
    load->damaged += walk.damaged;
    walk_finish(&walk);
    fetch_finish(&r.fetch);
    r.txn->kind->abort(r.txn);
    if (err) {
        entries_clear(load);
        load->end = load->from; /* nothing is known of what was not read */
        return err;
    }
    uint32_t *ids = load->sub_ids.at; /* which no longer moves */
    vec_each (&load->entries, entry) {
        entry->sub_ids = entry->sub_id_count ? ids : NULL;
        ids += entry->sub_id_count;
    }
    return ERR_OK;
}
