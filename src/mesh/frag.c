/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/frag.h"

#include "base/err.h"
#include "mqtt/wire.h"

#include <stdlib.h>
#include <string.h>

enum { FRAG_PIECES_MAX = 65536 };

void frag_init(struct frag_table *table)
{
    list_init(&table->messages);
    table->bytes = 0;
}

static struct frag_message *oldest(const struct frag_table *table)
{
    if (list_empty(&table->messages))
        return NULL;
    return list_entry(table->messages.next, struct frag_message, node);
}

void frag_release(struct frag_table *table, struct frag_message *message)
{
    table->bytes -= (size_t)message->total;
    list_remove(&message->node);
    free(message->have);
    free(message->data);
    free(message);
}

void frag_finish(struct frag_table *table)
{
    while (table->messages.next && oldest(table))
        frag_release(table, oldest(table));
}

int frag_decode(struct str tail, struct frag *ret_frag)
{
    struct wire_reader r = wire_reader(tail.ptr, tail.len, 0);
    struct frag frag = { 0 };

    frag.id = wire_get_leb(&r);
    frag.index = wire_get_leb(&r);
    frag.count = wire_get_leb(&r);
    frag.total = wire_get_leb(&r);
    frag.bytes = wire_get_rest(&r);
    if (r.err || frag.count == 0 || frag.count > FRAG_PIECES_MAX || frag.index >= frag.count ||
        frag.total < frag.count || frag.total > UINT32_MAX)
        return ERR_MALFORMED;
    uint64_t len = frag_len(frag.total, frag.count), from = frag.index * len;
    uint64_t left = from < frag.total ? frag.total - from : 0;
    if (frag.bytes.len != (left < len ? left : len) || left == 0)
        return ERR_MALFORMED;
    *ret_frag = frag;
    return ERR_OK;
}

static size_t put_leb(uint8_t *at, uint64_t value)
{
    size_t len = 0;

    for (; value > 127; value >>= 7)
        at[len++] = (uint8_t)(value | 0x80);
    at[len++] = (uint8_t)value;
    return len;
}

size_t frag_put_head(uint8_t *at, uint64_t id, uint64_t index, uint64_t count, uint64_t total)
{
    size_t len = put_leb(at, id);

    len += put_leb(at + len, index);
    len += put_leb(at + len, count);
    return len + put_leb(at + len, total);
}

/* The message a piece belongs to, or NULL; and how many its origin has on the way. */
static struct frag_message *find(const struct frag_table *table, const struct frag *frag,
                                 size_t *ret_count, struct frag_message **ret_oldest)
{
    *ret_count = 0;
    *ret_oldest = NULL;
    list_each (&table->messages, node) {
        struct frag_message *message = list_entry(node, struct frag_message, node);
        if (message->origin != frag->origin)
            continue;
        if (message->id == frag->id)
            return message;
        if (!*ret_oldest)
            *ret_oldest = message;
        (*ret_count)++;
    }
    return NULL;
}

static struct frag_message *begin(struct frag_table *table, const struct frag *frag,
                                  uint64_t now_ms)
{
    struct frag_message *message = calloc(1, sizeof *message);

    if (!message)
        return NULL;
    list_init(&message->node);
    message->have = calloc((size_t)(frag->count + 7) / 8, 1);
    message->data = malloc((size_t)frag->total);
    if (!message->have || !message->data) {
        free(message->have);
        free(message->data);
        free(message);
        return NULL;
    }
    message->origin = frag->origin;
    message->id = frag->id;
    message->count = message->missing = frag->count;
    message->total = frag->total;
    message->due_ms = now_ms + FRAG_AGE_MS;
    list_push_back(&table->messages, &message->node);
    table->bytes += (size_t)frag->total;
    return message;
}

int frag_add(struct frag_table *table, const struct frag *frag, uint64_t now_ms,
             struct frag_message **ret_message)
{
    size_t count;
    struct frag_message *first, *message = find(table, frag, &count, &first);

    *ret_message = NULL;
    if (frag->total > FRAG_BYTES_MAX)
        return ERR_LIMIT;
    if (!message) {
        if (count >= FRAG_MESSAGES_MAX)
            frag_release(table, first);
        while (table->bytes + frag->total > FRAG_BYTES_MAX)
            frag_release(table, oldest(table));
        message = begin(table, frag, now_ms);
        if (!message)
            return ERR_NOMEM;
    }
    if (message->count != frag->count || message->total != frag->total)
        return ERR_MALFORMED;
    uint8_t bit = (uint8_t)(1u << (frag->index % 8));
    if (message->have[frag->index / 8] & bit)
        return ERR_OK;
    message->have[frag->index / 8] |= bit;
    memcpy(message->data + frag->index * frag_len(frag->total, frag->count), frag->bytes.ptr,
           frag->bytes.len);
    if (--message->missing == 0)
        *ret_message = message;
    return ERR_OK;
}

void frag_forget(struct frag_table *table, uint32_t origin)
{
    list_each_safe (&table->messages, node, after) {
        struct frag_message *message = list_entry(node, struct frag_message, node);
        if (message->origin == origin)
            frag_release(table, message);
    }
}

uint64_t frag_run(struct frag_table *table, uint64_t now_ms)
{
    struct frag_message *message;

    while ((message = oldest(table))) {
        if (now_ms < message->due_ms)
            return message->due_ms;
        frag_release(table, message);
    }
    return UINT64_MAX;
}
