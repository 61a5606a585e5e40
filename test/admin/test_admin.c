/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "admin/admin.h"
#include "base/err.h"
#include "node/node.h"

#include "unit.h"

#include <jansson.h>
#include <string.h>

static struct node *lonely_node(struct node_id id, const struct str *seeds, size_t seed_count)
{
    struct node_config config = { .mesh = { .id = id,
                                            .inc = 7,
                                            .boot = 1,
                                            .name = STR("edge"),
                                            .mesh_name = STR("plexus"),
                                            .seeds = seeds,
                                            .seed_count = seed_count } };

    struct node *node = node_new(&config, 1000);
    ck_assert_ptr_nonnull(node);
    return node;
}

static json_t *parse(struct buf *text)
{
    json_t *root = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(root);
    buf_finish(text);
    return root;
}

static bool has_exactly(const json_t *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_object_get(object, keys[i]))
            return false;
    }
    return json_object_size(object) == count;
}

START_TEST(the_mesh_has_exactly_the_members_that_others_rely_on)
{
    static const char *const top[] = { "self", "nodes", "links" };
    static const char *const of_node[] = { "name", "id", "reachable", "hops", "cost", "filters" };
    static const char *const of_link[] = { "peer", "state", "rtt_us", "cost", "reason" };
    const struct str seeds[] = { { "ws://hub:8080/mesh", 18 } };
    struct node_id id = { { 0xab, 1 } };
    struct node *node = lonely_node(id, seeds, 1);
    struct admin_view view = { .node = node, .name = STR("edge"), .id = id };
    struct buf text = { 0 };

    ck_assert_int_eq(admin_mesh_json(&view, &text), ERR_OK);
    json_t *root = parse(&text);
    ck_assert(has_exactly(root, top, 3));
    ck_assert_str_eq(json_string_value(json_object_get(root, "self")), "edge");
    json_t *nodes = json_object_get(root, "nodes"), *links = json_object_get(root, "links");
    ck_assert_uint_eq(json_array_size(nodes), 1);
    ck_assert_uint_eq(json_array_size(links), 1);
    json_t *self = json_array_get(nodes, 0), *link = json_array_get(links, 0);
    ck_assert(has_exactly(self, of_node, 6));
    ck_assert(has_exactly(link, of_link, 5));
    ck_assert_str_eq(json_string_value(json_object_get(self, "id")),
                     "ab010000000000000000000000000000");
    ck_assert(json_is_true(json_object_get(self, "reachable")));
    ck_assert_str_eq(json_string_value(json_object_get(link, "peer")), "ws://hub:8080/mesh");
    json_decref(root);
    node_free(node);
}
END_TEST

START_TEST(the_status_says_who_and_counts)
{
    struct node_id id = { { 1 } };
    struct node *node = lonely_node(id, NULL, 0);
    struct admin_view view = { .node = node,
                               .name = STR("edge"),
                               .id = id,
                               .ready = true,
                               .uptime_ms = 5,
                               .transport = { .accepted = 3 } };
    struct buf text = { 0 };

    ck_assert_int_eq(admin_status_json(&view, &text), ERR_OK);
    json_t *root = parse(&text);
    ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "edge");
    ck_assert(json_is_true(json_object_get(root, "ready")));
    json_t *transport = json_object_get(root, "transport"),
           *broker = json_object_get(root, "broker");
    ck_assert_int_eq(json_integer_value(json_object_get(transport, "accepted")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(broker, "sessions")), 0);
    ck_assert_ptr_nonnull(json_object_get(broker, "publishes_in_qos2"));
    json_decref(root);
    node_free(node);
}
END_TEST

START_TEST(a_name_that_is_no_text_is_shown_as_such)
{
    struct node_id id = { { 1 } };
    struct node *node = lonely_node(id, NULL, 0);
    struct admin_view view = { .node = node, .name = STR("\xff"), .id = id };
    struct buf text = { 0 };

    ck_assert_int_eq(admin_mesh_json(&view, &text), ERR_OK);
    json_t *root = parse(&text);
    ck_assert_str_eq(json_string_value(json_object_get(root, "self")), "(not UTF-8)");
    json_decref(root);
    node_free(node);
}
END_TEST

START_TEST(the_page_is_whole_and_takes_nothing_from_elsewhere)
{
    struct str page = admin_page();

    ck_assert(str_starts_with(page, STR("<!DOCTYPE html>")));
    ck_assert_ptr_nonnull(memmem(page.ptr, page.len, "</html>", 7));
    ck_assert_ptr_null(memmem(page.ptr, page.len, "https://", 8));
    ck_assert_ptr_null(memmem(page.ptr, page.len, "src=", 4));
}
END_TEST

UNIT_MAIN("admin/admin", the_mesh_has_exactly_the_members_that_others_rely_on,
          the_status_says_who_and_counts, a_name_that_is_no_text_is_shown_as_such,
          the_page_is_whole_and_takes_nothing_from_elsewhere)
