/* SPDX-License-Identifier: Apache-2.0 */
#include "core/alias.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A shorter topic is no longer than its alias with the property around it. */
enum { TOPIC_WORTH_IT = 5 };

/* Aliases that we have given; the one of a place is the place plus one. */
struct alias_out {
    uint32_t clock;
    uint32_t used_at[ALIAS_OUT_MAX];  /* by the clock */
    uint64_t hashes[ALIAS_OUT_MAX];   /* of the topics; 0: free */
    struct str topics[ALIAS_OUT_MAX]; /* on the heap, each */
    uint64_t met[ALIAS_OUT_MAX];      /* hashes of topics met lately, by their low bits */
};

struct alias_table {
    struct str *in; /* ALIAS_MAX topics, on the heap each; or NULL */
    struct alias_out *out;
};

void alias_free(struct alias_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; table->in && i < ALIAS_MAX; i++)
        free((char *)table->in[i].ptr);
    for (size_t i = 0; table->out && i < ALIAS_OUT_MAX; i++)
        free((char *)table->out->topics[i].ptr);
    free(table->in);
    free(table->out);
    free(table);
}

static bool table_make(struct alias_table **table)
{
    return *table || (*table = calloc(1, sizeof **table));
}

/* Let the slot hold a copy of the topic. */
static int remember(struct str *slot, struct str topic)
{
    char *text = malloc(topic.len);

    if (!text)
        return ERR_NOMEM;
    free((char *)slot->ptr);
    *slot = (struct str){ memcpy(text, topic.ptr, topic.len), topic.len };
    return ERR_OK;
}

int alias_set(struct alias_table **table, uint16_t alias, struct str topic)
{
    assert(alias >= 1 && alias <= ALIAS_MAX && topic.len > 0);
    if (!table_make(table))
        return ERR_NOMEM;
    if (!(*table)->in && !((*table)->in = calloc(ALIAS_MAX, sizeof(struct str))))
        return ERR_NOMEM;
    if (str_equal((*table)->in[alias - 1], topic))
        return ERR_OK;
    return remember(&(*table)->in[alias - 1], topic);
}

struct str alias_topic(const struct alias_table *table, uint16_t alias)
{
    if (!table || !table->in || alias < 1 || alias > ALIAS_MAX)
        return (struct str){ NULL, 0 };
    return table->in[alias - 1];
}

/* The place of a topic that the client knows, or max. */
static uint16_t find(const struct alias_out *out, uint16_t max, uint64_t hash, struct str topic)
{
    for (uint16_t i = 0; i < max; i++) {
        if (out->hashes[i] == hash && str_equal(out->topics[i], topic))
            return i;
    }
    return max;
}

/* A free place, or that which was not used for longest. */
static uint16_t oldest(const struct alias_out *out, uint16_t max)
{
    uint16_t chosen = 0;

    for (uint16_t i = 0; i < max; i++) {
        if (out->hashes[i] == 0)
            return i;
        if (out->clock - out->used_at[i] > out->clock - out->used_at[chosen])
            chosen = i;
    }
    return chosen;
}

struct alias_use alias_choose(struct alias_table **table, uint16_t max,
                              const struct message *message, bool may_grow)
{
    const struct alias_use by_text = { 0, false };
    struct str topic = message_topic(message);
    uint64_t hash = message->topic_hash;

    assert(max > 0);
    max = max < ALIAS_OUT_MAX ? max : ALIAS_OUT_MAX;
    if (topic.len < TOPIC_WORTH_IT || hash == 0 || !table_make(table))
        return by_text;
    if (!(*table)->out && !((*table)->out = calloc(1, sizeof *(*table)->out)))
        return by_text;
    struct alias_out *out = (*table)->out;
    uint16_t at = find(out, max, hash, topic);
    out->clock++;
    if (at < max) {
        out->used_at[at] = out->clock;
        return (struct alias_use){ at + 1, true };
    }
    at = oldest(out, max);
    uint64_t *met = &out->met[hash % ALIAS_OUT_MAX];
    if ((*met != hash && out->hashes[at] != 0) || !may_grow) {
        *met = hash;
        return by_text;
    }
    if (remember(&out->topics[at], topic))
        return by_text;
    *met = 0; /* once lost, it must be met twice again */
    out->hashes[at] = hash;
    out->used_at[at] = out->clock;
    return (struct alias_use){ at + 1, false };
}
