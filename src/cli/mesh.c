/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void add_header(struct table *table, const char *const *names)
{
    for (size_t i = 0; i < table->columns; i++)
        table_add(table, "%s", names[i]);
}

static void show_nodes(const json_t *root, struct buf *out)
{
    static const char *const header[] = { "NODE", "REACHABLE", "HOPS", "COST", "FILTERS", "ID" };
    struct table table = { .columns = 6 };
    const char *self = text_of(root, "self");
    size_t index;
    json_t *node;

    add_header(&table, header);
    json_array_foreach(json_object_get(root, "nodes"), index, node)
    {
        bool is_self = number_of(node, "hops") == 0 && strcmp(self, text_of(node, "name")) == 0;
        table_add(&table, "%s%s", text_of(node, "name"), is_self ? " (this one)" : "");
        table_add(&table, "%s", json_is_true(json_object_get(node, "reachable")) ? "yes" : "no");
        table_add(&table, "%lld", number_of(node, "hops"));
        table_add(&table, "%lld", number_of(node, "cost"));
        table_add(&table, "%lld", number_of(node, "filters"));
        table_add(&table, "%.8s", text_of(node, "id"));
    }
    table_print(&table, out);
}

static void show_links(const json_t *root, struct buf *out)
{
    static const char *const header[] = { "LINK", "STATE", "ROUND TRIP", "COST", "REASON" };
    struct table table = { .columns = 5 };
    size_t index;
    json_t *link;

    add_header(&table, header);
    json_array_foreach(json_object_get(root, "links"), index, link)
    {
        long long rtt = number_of(link, "rtt_us");
        table_add(&table, "%s", text_of(link, "peer"));
        table_add(&table, "%s", text_of(link, "state"));
        if (rtt)
            table_add(&table, "%lld.%02lld ms", rtt / 1000, rtt % 1000 / 10);
        else
            table_add(&table, "-");
        table_add(&table, "%lld", number_of(link, "cost"));
        table_add(&table, "%s", text_of(link, "reason"));
    }
    table_print(&table, out);
}

static void show(const json_t *root)
{
    struct buf out = { 0 };

    show_nodes(root, &out);
    if (json_array_size(json_object_get(root, "links"))) {
        buf_printf(&out, "\n");
        show_links(root, &out);
    }
    printf("%.*s", STR_ARG(buf_str(&out)));
    buf_finish(&out);
}

int cli_mesh(int count, char **words)
{
    return ask_run(count, words, "mesh", "/api/v1/mesh", show);
}
