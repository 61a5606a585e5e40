/* SPDX-License-Identifier: Apache-2.0 */
#include "core/alias.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct alias_table {
    struct str topics[ALIAS_MAX]; /* on the heap, each */
};

void alias_free(struct alias_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < ALIAS_MAX; i++)
        free((char *)table->topics[i].ptr);
    free(table);
}

int alias_set(struct alias_table **table, uint16_t alias, struct str topic)
{
    assert(alias >= 1 && alias <= ALIAS_MAX && topic.len > 0);
    if (*table && str_equal((*table)->topics[alias - 1], topic))
        return ERR_OK;
    if (!*table && !(*table = calloc(1, sizeof **table)))
        return ERR_NOMEM;
    char *text = malloc(topic.len);
    if (!text)
        return ERR_NOMEM;
    free((char *)(*table)->topics[alias - 1].ptr);
    (*table)->topics[alias - 1] = (struct str){ memcpy(text, topic.ptr, topic.len), topic.len };
    return ERR_OK;
}

struct str alias_topic(const struct alias_table *table, uint16_t alias)
{
    if (!table || alias < 1 || alias > ALIAS_MAX)
        return (struct str){ NULL, 0 };
    return table->topics[alias - 1];
}
