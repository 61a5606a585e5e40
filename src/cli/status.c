/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <stdio.h>

/* "3 0 17" */
static void add_numbers(struct table *table, const json_t *list)
{
    struct buf text = { 0 };
    size_t index;
    json_t *value;

    json_array_foreach(list, index, value)
        buf_printf(&text, "%s%" JSON_INTEGER_FORMAT, index ? " " : "", json_integer_value(value));
    table_add(table, "%.*s", STR_ARG(buf_str(&text)));
    buf_finish(&text);
}

static void add_scalar(struct table *table, const char *key, const json_t *value)
{
    table_add(table, "%s", key);
    if (json_is_string(value))
        table_add(table, "%s", json_string_value(value));
    else if (json_is_integer(value))
        table_add(table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_array(value))
        add_numbers(table, value);
    else
        table_add(table, "%s", json_is_true(value) ? "yes" : "no");
}

/* Members of the top level first, then a group for each object. */
static void show(const json_t *root)
{
    struct table table = { .columns = 2 };
    struct buf out = { 0 };
    const char *key, *name;
    json_t *value, *member;

    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        if (!json_is_object(value)) {
            add_scalar(&table, key, value);
            continue;
        }
        table_add(&table, "%s", "");
        table_add(&table, "%s", "");
        table_add(&table, "%s", key);
        table_add(&table, "%s", "");
        json_object_foreach(value, name, member)
        {
            char indented[64];
            snprintf(indented, sizeof indented, "  %s", name);
            add_scalar(&table, indented, member);
        }
    }
    table_print(&table, &out);
    printf("%.*s", STR_ARG(buf_str(&out)));
    buf_finish(&out);
}

int cli_status(int count, char **words)
{
    return ask_run(count, words, "status", "/api/v1/status", show);
}
