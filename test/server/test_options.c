/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "server/options.h"

#include "unit.h"

#include <string.h>

static const char *const no_env[] = { NULL };

/* Parse these words as plexusd would, and configure. */
static int start(struct options *options, struct config *config, struct config_report *report,
                 const char *const *words, int count)
{
    char *argv[32] = { (char *)"plexusd" };

    *report = (struct config_report){ 0 };
    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)words[i];
    options_parse(options, count + 1, argv, report);
    return options_configure(options, no_env, config, report);
}

#define START(...)                                                                                 \
    struct options options;                                                                        \
    struct config config;                                                                          \
    struct config_report report;                                                                   \
    const char *const words[] = { __VA_ARGS__ };                                                   \
    int err = start(&options, &config, &report, words, (int)(sizeof words / sizeof words[0]))

static void stop(struct options *options, struct config *config, struct config_report *report)
{
    options_finish(options);
    config_finish(config);
    config_report_finish(report);
}

START_TEST(flags_set_what_they_say)
{
    START("--name", "edge", "--mqtt", "1884", "--mqtt=127.0.0.2:1885", "--web", "none", "--join",
          "ws://a/mesh", "--join", "ws://b/mesh", "--data", "/tmp/x", "--log-json", "--set",
          "limits.receive_max=7");

    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(config.node.name, "edge");
    ck_assert_uint_eq(config.mqtt.listen.len, 2);
    ck_assert_str_eq(config.mqtt.listen.at[1], "127.0.0.2:1885");
    ck_assert_uint_eq(config.web.listen.len, 0);
    ck_assert_uint_eq(config.mesh.join.len, 2);
    ck_assert_str_eq(config.node.data, "/tmp/x");
    ck_assert(config.log.json);
    ck_assert_uint_eq(config.core_limits.receive_max, 7);
    stop(&options, &config, &report);
}
END_TEST

START_TEST(all_mistakes_of_a_command_line_come_together)
{
    START("--nmae", "--check=1", "stray", "--set", "x", "--set", "abcdefg.b=1", "--mqtt",
          "0.0.0.0:1", "--join");

    ck_assert_int_eq(err, ERR_INVALID);
    static const char *const want[] = {
        "unknown flag --nmae, see --help",
        "--check takes nothing",
        "unknown flag stray, see --help",
        "--set: found x, allowed: KEY=VALUE",
        "--join needs URL",
        "--set: unknown key abcdefg.b",
        "command line: mqtt.listen: 0.0.0.0:1 can be reached from outside",
    };
    ck_assert_uint_eq(report.problems.len, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < report.problems.len; i++)
        ck_assert_msg(strncmp(report.problems.at[i].text, want[i], strlen(want[i])) == 0, "%s",
                      report.problems.at[i].text);
    stop(&options, &config, &report);
}
END_TEST

START_TEST(no_data_and_data_override_each_other_in_order)
{
    START("--data", "/tmp/x", "--no-data");

    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(config.node.data, "none");
    stop(&options, &config, &report);
}
END_TEST

START_TEST(health_takes_an_url_or_none)
{
    START("--health", "--log-json");

    ck_assert_int_eq(err, ERR_OK);
    ck_assert(options.health);
    ck_assert_ptr_null(options.health_url);
    stop(&options, &config, &report);
}
END_TEST

START_TEST(help_names_every_flag_and_every_key)
{
    struct buf out = { 0 };

    options_help(&out);
    buf_append_u8(&out, 0);
    ck_assert(!out.failed);
    ck_assert_ptr_nonnull(strstr((char *)out.data, "--no-data"));
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++)
        ck_assert_ptr_nonnull(strstr((char *)out.data, config_field((enum config_field_id)i)->key));
    buf_finish(&out);
}
END_TEST

UNIT_MAIN("server/options", flags_set_what_they_say, all_mistakes_of_a_command_line_come_together,
          no_data_and_data_override_each_other_in_order, health_takes_an_url_or_none,
          help_names_every_flag_and_every_key)
