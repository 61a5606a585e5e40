/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "cli/mqtt_options.h"

#include "unit.h"

#include <string.h>

/* Parse words as the command would; errors end with a NUL. */
static int parse(struct mqtt_options *options, enum mqtt_command command, struct buf *errors,
                 const char *const *words, int count)
{
    char *copy[32];

    for (int i = 0; i < count; i++)
        copy[i] = (char *)words[i];
    int err = mqtt_options_parse(options, command, count, copy, errors);
    buf_append_u8(errors, 0);
    return err;
}

#define PARSE(command, ...)                                                                        \
    struct mqtt_options options;                                                                   \
    struct buf errors = { 0 };                                                                     \
    const char *const words[] = { __VA_ARGS__ };                                                   \
    int err = parse(&options, command, &errors, words, (int)(sizeof words / sizeof words[0]))

static void stop(struct mqtt_options *options, struct buf *errors)
{
    mqtt_options_finish(options);
    buf_finish(errors);
}

START_TEST(pub_understands_what_mosquitto_pub_does)
{
    PARSE(MQTT_PUB, "-h", "broker", "-p", "1884", "-t", "a/b", "-m", "-1", "-q", "2", "-r", "-V",
          "mqttv311", "-i", "me", "-u", "user", "-P", "secret", "-k", "5", "-d");
    char uri[64];

    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(options.topics.at[0], "a/b");
    ck_assert_str_eq(options.message, "-1");
    ck_assert_uint_eq(options.qos, 2);
    ck_assert_uint_eq(options.version, 4);
    ck_assert_uint_eq(options.keep_alive_s, 5);
    ck_assert(options.retain && options.debug && !options.verbose);
    ck_assert_int_eq(mqtt_options_uri(&options, uri, sizeof uri), ERR_OK);
    ck_assert_str_eq(uri, "tcp://broker:1884");
    stop(&options, &errors);
}
END_TEST

START_TEST(sub_takes_several_topics_a_count_and_a_timeout)
{
    PARSE(MQTT_SUB, "-t", "a", "--topic=b/#", "-C", "3", "-W", "10", "-v", "-V", "31");

    ck_assert_int_eq(err, ERR_OK);
    ck_assert_uint_eq(options.topics.len, 2);
    ck_assert_str_eq(options.topics.at[1], "b/#");
    ck_assert_uint_eq(options.count, 3);
    ck_assert_uint_eq(options.timeout_s, 10);
    ck_assert_uint_eq(options.version, 3);
    ck_assert(options.verbose);
    stop(&options, &errors);
}
END_TEST

START_TEST(all_mistakes_of_a_line_come_together)
{
    PARSE(MQTT_PUB, "-q", "3", "-C", "1", "-V", "6", "-n", "-l", "-p", "65536", "--retain=1",
          "--url", "http://x", "-t");

    ck_assert_int_eq(err, ERR_INVALID);
    ck_assert_str_eq((char *)errors.data,
                     "-q: found 3, allowed: 0|1|2\n"
                     "unknown flag -C, see --help\n"
                     "unknown flag 1, see --help\n"
                     "-V: found 6, allowed: VERSION\n"
                     "-l: there is another message already\n"
                     "-p: found 65536, allowed: PORT\n"
                     "-r takes nothing\n"
                     "-t needs TOPIC\n"
                     "-t TOPIC is needed\n"
                     "--url: found http://x, allowed: mqtt://, mqtts://, ws:// or "
                     "wss://HOST:PORT\n");
    stop(&options, &errors);
}
END_TEST

START_TEST(a_topic_that_no_broker_takes_is_refused_here)
{
    PARSE(MQTT_PUB, "-t", "a/#", "-n");

    ck_assert_int_eq(err, ERR_INVALID);
    ck_assert_str_eq((char *)errors.data, "-t: a/#: invalid topic name\n");
    stop(&options, &errors);
}
END_TEST

START_TEST(filters_may_be_wild_and_shared_but_not_wrong)
{
    PARSE(MQTT_SUB, "-t", "a/+/#", "-t", "$share/g/a", "-t", "a#");

    ck_assert_int_eq(err, ERR_INVALID);
    ck_assert_str_eq((char *)errors.data, "-t: a#: invalid topic filter\n");
    stop(&options, &errors);
}
END_TEST

START_TEST(urls_become_what_paho_expects)
{
    static const char *const pairs[][2] = {
        { "mqtt://h", "tcp://h:1883" },       { "tcp://[::1]:7", "tcp://[::1]:7" },
        { "mqtts://h", "ssl://h:8883" },      { "ws://127.0.0.1:8080", "ws://127.0.0.1:8080/mqtt" },
        { "ws://h:1/mqtt", "ws://h:1/mqtt" }, { "wss://[::1]/x", "wss://[::1]:443/x" },
    };
    char uri[128];

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct mqtt_options options = { .url = pairs[i][0] };
        ck_assert_int_eq(mqtt_options_uri(&options, uri, sizeof uri), ERR_OK);
        ck_assert_str_eq(uri, pairs[i][1]);
    }
    struct mqtt_options none = { .url = "ws://" };
    ck_assert_int_eq(mqtt_options_uri(&none, uri, sizeof uri), ERR_INVALID);
    struct mqtt_options six = { .host = "::1", .port = 1 };
    ck_assert_int_eq(mqtt_options_uri(&six, uri, sizeof uri), ERR_OK);
    ck_assert_str_eq(uri, "tcp://[::1]:1");
}
END_TEST

START_TEST(help_needs_nothing_else)
{
    PARSE(MQTT_SUB, "--help");
    struct buf help = { 0 };

    ck_assert_int_eq(err, ERR_OK);
    ck_assert(options.help);
    mqtt_options_help(MQTT_SUB, &help);
    buf_append_u8(&help, 0);
    ck_assert_ptr_nonnull(strstr((char *)help.data, "-W"));
    ck_assert_ptr_null(strstr((char *)help.data, "--retain"));
    buf_finish(&help);
    stop(&options, &errors);
}
END_TEST

UNIT_MAIN("cli/mqtt_options", pub_understands_what_mosquitto_pub_does,
          sub_takes_several_topics_a_count_and_a_timeout, all_mistakes_of_a_line_come_together,
          a_topic_that_no_broker_takes_is_refused_here,
          filters_may_be_wild_and_shared_but_not_wrong, urls_become_what_paho_expects,
          help_needs_nothing_else)
