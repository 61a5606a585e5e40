/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"
#include "cli/table.h"
#include "base/err.h"

#include "unit.h"

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    struct table table = { .columns = 2 };
    struct buf out = { 0 };

    table_add(&table, "%s", "NAME");
    table_add(&table, "%s", "HOPS");
    table_add(&table, "%s", "münchen");
    table_add(&table, "%d", 2);
    table_print(&table, &out);
    ck_assert(str_equal(buf_str(&out), STR("NAME     HOPS\nmünchen  2\n")));
    buf_finish(&out);
}
END_TEST

START_TEST(a_name_from_the_network_does_not_steer_the_terminal)
{
    struct table table = { .columns = 1 };
    struct buf out = { 0 };

    table_add(&table, "a%cb%c", 0x1b, '\n');
    table_print(&table, &out);
    ck_assert(str_equal(buf_str(&out), STR("a.b.\n")));
    buf_finish(&out);
}
END_TEST

START_TEST(asking_goes_to_the_local_broker_unless_told)
{
    char url[] = "--url=http://h:1", json[] = "--json", wrong[] = "--jsno";
    char *words[] = { url, json }, *bad[] = { wrong };
    struct ask_options options;

    ck_assert_int_eq(ask_options_parse(&options, 0, NULL), ERR_OK);
    ck_assert_str_eq(options.url, "http://127.0.0.1:8080");
    ck_assert_int_eq(ask_options_parse(&options, 2, words), ERR_OK);
    ck_assert_str_eq(options.url, "http://h:1");
    ck_assert(options.json);
    ck_assert_int_eq(ask_options_parse(&options, 1, bad), ERR_INVALID);
}
END_TEST

UNIT_MAIN("cli/table", columns_are_as_wide_as_their_widest_cell,
          a_name_from_the_network_does_not_steer_the_terminal,
          asking_goes_to_the_local_broker_unless_told)
