/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "config/address.h"
#include "config/config.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A config with its defaults and a report; freed by close_case. */
struct fixture {
    struct config config;
    struct config_report report;
};

static void open_case(struct fixture *fixture)
{
    *fixture = (struct fixture){ 0 };
    ck_assert_int_eq(config_init(&fixture->config), ERR_OK);
}

static void close_case(struct fixture *fixture)
{
    config_finish(&fixture->config);
    config_report_finish(&fixture->report);
}

static int load(struct fixture *fixture, const char *text)
{
    return config_load_text(&fixture->config, "p.json", str_from_c(text), &fixture->report);
}

static void expect_problems(const struct fixture *fixture, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < fixture->report.problems.len && i < count; i++)
        ck_assert_str_eq(fixture->report.problems.at[i].text, lines[i]);
    ck_assert_uint_eq(fixture->report.problems.len, count);
}

#define EXPECT(fixture, ...)                                                                       \
    do {                                                                                           \
        const char *const lines[] = { __VA_ARGS__ };                                               \
        expect_problems(fixture, lines, sizeof lines / sizeof lines[0]);                           \
    } while (0)

START_TEST(without_a_file_everything_listens_on_loopback)
{
    struct fixture f;

    open_case(&f);
    ck_assert_uint_eq(f.config.mqtt.listen.len, 1);
    ck_assert_str_eq(f.config.mqtt.listen.at[0], "127.0.0.1:1883");
    ck_assert_str_eq(f.config.web.listen.at[0], "127.0.0.1:8080");
    ck_assert(f.config.security.allow_anonymous);
    ck_assert_uint_eq(f.config.core_limits.packet_bytes_max, 16 << 20);
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_OK);
    close_case(&f);
}
END_TEST

START_TEST(every_error_of_a_file_is_told_at_once_with_its_place)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(load(&f, "// ü a comment\n"
                              "{\n"
                              "  \"mqtt\": { \"prot\": 1,\n"
                              "            \"listen\": [\"1884\", 17, \"x:1\"] }, /* two\n"
                              "  lines */ \"limits\": {\"receive_max\": 70000,\n"
                              "    \"packet_bytes_max\": \"8Mb\"},\n"
                              "  \"nod\": {}, \"log\": [],\n"
                              "  \"zzzzzzzzzz\": {},\n"
                              "  \"node\": {\"naem\": \"a\", \"name\": true}\n"
                              "}\n"),
                     ERR_INVALID);
    EXPECT(&f, "p.json:3:13: unknown key mqtt.prot, did you mean mqtt.listen?",
           "p.json:4:32: mqtt.listen[1]: found 17, allowed: \"ADDRESS:PORT\" or \"PORT\", the "
           "address in digits",
           "p.json:4:36: mqtt.listen[2]: found \"x:1\", allowed: \"ADDRESS:PORT\" or \"PORT\", "
           "the address in digits",
           "p.json:5:38: limits.receive_max: found 70000, allowed: a number from 1 to 65535",
           "p.json:6:25: limits.packet_bytes_max: found \"8Mb\", allowed: a number from 128 to "
           "134217728 bytes (or a text like \"8MiB\")",
           "p.json:7:3: unknown key nod, did you mean node?",
           "p.json:7:14: log: allowed: an object of keys", "p.json:8:3: unknown key zzzzzzzzzz",
           "p.json:9:12: unknown key node.naem, did you mean node.name?",
           "p.json:9:33: node.name: found true, allowed: a text of 0 to 255 bytes");
    close_case(&f);
}
END_TEST

START_TEST(what_is_wrong_leaves_the_value_that_was_there)
{
    struct fixture f;

    open_case(&f);
    load(&f, "{\"mqtt\": {\"listen\": [\"1\", false]}, \"limits\": {\"receive_max\": 0}}");
    ck_assert_str_eq(f.config.mqtt.listen.at[0], "127.0.0.1:1883");
    ck_assert_uint_eq(f.config.core_limits.receive_max, 1024);
    close_case(&f);
}
END_TEST

START_TEST(a_text_that_is_no_json_is_told_with_its_place)
{
    static const char *const texts[] = { "",
                                         "[]",
                                         "{\"a\": 1,}",
                                         "{ /* open",
                                         "{\"a\":1,\"a\":2}",
                                         "\"",
                                         "{\"log\": {\"json\" true}}",
                                         "{} x",
                                         "/",
                                         "{\"a\": \"\\u0000\"}" };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fixture f;
        open_case(&f);
        ck_assert_int_eq(load(&f, texts[i]), ERR_INVALID);
        ck_assert_uint_eq(f.report.errors, 1);
        ck_assert_ptr_eq(strstr(f.report.problems.at[0].text, "p.json:"),
                         f.report.problems.at[0].text);
        close_case(&f);
    }
}
END_TEST

START_TEST(comments_end_where_they_end_and_not_inside_texts)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(load(&f, "{\"node\": {\"name\": \"a//b/*c*/\\\"//\" // x \"\n}/**/}//"),
                     ERR_OK);
    ck_assert_str_eq(f.config.node.name, "a//b/*c*/\"//");
    close_case(&f);
}
END_TEST

START_TEST(positions_hold_for_escaped_keys_and_nested_values)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(load(&f, "{\"node\":{\"na\\u006de\":\n  [1,{\"x\":[\"]\"]}]}}"), ERR_INVALID);
    EXPECT(&f,
           "p.json:2:3: node.name: found [1,{\"x\":[\"]\"]}], allowed: a text of 0 to 255 bytes");
    close_case(&f);
}
END_TEST

START_TEST(variables_override_the_file_and_flags_override_both)
{
    static const char *const env[] = { "HOME=/",
                                       "PLEXUS_NODE_NAME=two",
                                       "PLEXUS_MESH_NAME=m2",
                                       "PLEXUS_MQTT_LISTEN=127.0.0.1:1, [::1]:2",
                                       "PLEXUS_LIMITS_PACKET_BYTES_MAX=2MiB",
                                       NULL };
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(load(&f, "{\"node\": {\"name\": \"one\"}, \"mesh\": {\"name\": \"m1\"}}"),
                     ERR_OK);
    ck_assert_int_eq(config_load_env(&f.config, env, &f.report), ERR_OK);
    ck_assert_int_eq(config_set(&f.config, "node.name", "three", false, "--name", &f.report),
                     ERR_OK);
    ck_assert_str_eq(f.config.node.name, "three");
    ck_assert_str_eq(f.config.mesh.name, "m2");
    ck_assert_uint_eq(f.config.core_limits.packet_bytes_max, 2 << 20);
    ck_assert_uint_eq(f.config.mqtt.listen.len, 2);
    ck_assert_str_eq(f.config.mqtt.listen.at[1], "[::1]:2");
    ck_assert_int_eq(f.config.origins[CONFIG_MESH_NAME].source, CONFIG_ENV);
    close_case(&f);
}
END_TEST

START_TEST(variables_that_platforms_inject_are_a_warning_only)
{
    static const char *const env[] = { "PLEXUS_SERVICE_HOST=10.0.0.1", "PLEXUS_MQTT_PORT=1",
                                       "PLEXUS_LOG_JSON=maybe", NULL };
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(config_load_env(&f.config, env, &f.report), ERR_INVALID);
    EXPECT(&f, "PLEXUS_MQTT_PORT: no key of the configuration, ignored",
           "PLEXUS_LOG_JSON: log.json: found \"maybe\", allowed: true or false");
    ck_assert(f.report.problems.at[0].warning);
    ck_assert_uint_eq(f.report.errors, 1);
    close_case(&f);
}
END_TEST

START_TEST(a_list_is_replaced_or_grows_and_none_empties_it)
{
    struct fixture f;

    open_case(&f);
    config_set(&f.config, "mqtt.listen", "1884", false, "--mqtt", &f.report);
    config_set(&f.config, "mqtt.listen", "127.0.0.2:1885", true, "--mqtt", &f.report);
    ck_assert_uint_eq(f.config.mqtt.listen.len, 2);
    config_set(&f.config, "mqtt.listen", "[\"1\", \"2\", \"3\"]", false, "--set", &f.report);
    ck_assert_uint_eq(f.config.mqtt.listen.len, 3);
    config_set(&f.config, "mqtt.listen", "none", false, "--mqtt", &f.report);
    ck_assert_uint_eq(f.config.mqtt.listen.len, 0);
    ck_assert_uint_eq(f.report.problems.len, 0);
    close_case(&f);
}
END_TEST

START_TEST(a_flag_that_is_wrong_names_itself_and_the_nearest_key)
{
    struct fixture f;

    open_case(&f);
    config_set(&f.config, "limits.recieve_max", "1", false, "--set", &f.report);
    config_set(&f.config, "nod.x", "1", false, "--set", &f.report);
    config_set(&f.config, "limits.receive_max", "many", false, "--set", &f.report);
    config_set(&f.config, "node.name", "\xff", false, "--name", &f.report);
    config_set(&f.config, "mesh.join", "http://x", false, "--join", &f.report);
    EXPECT(&f, "--set: unknown key limits.recieve_max, did you mean limits.receive_max?",
           "--set: unknown key nod.x, did you mean node.name?",
           "--set: limits.receive_max: found \"many\", allowed: a number from 1 to 65535",
           "--name: node.name: the text is not UTF-8",
           "--join: mesh.join[0]: found \"http://x\", allowed: \"ws://HOST:PORT/mesh\" or "
           "\"wss://...\"");
    close_case(&f);
}
END_TEST

START_TEST(strangers_come_in_from_outside_only_where_somebody_wrote_so)
{
    struct fixture f;

    open_case(&f);
    load(&f, "{\"mqtt\": {\"listen\": [\"127.0.0.5:1\", \"0.0.0.0:1883\"]},\n"
             " \"web\": {\"listen\": [\"[::1]:80\", \"[::]:80\"]}}");
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_INVALID);
    ck_assert_uint_eq(f.report.errors, 2);
    ck_assert_str_eq(f.report.problems.at[1].text,
                     "p.json:2:20: web.listen: [::]:80 can be reached from outside and "
                     "nothing says who may enter; name a file of users with "
                     "--set security.password_file=FILE (plexus passwd makes it), or "
                     "to let everybody in, write "
                     "--set security.allow_anonymous=true or "
                     "\"security\": {\"allow_anonymous\": true}");
    config_report_finish(&f.report);
    config_set(&f.config, "security.allow_anonymous", "true", false, "--set", &f.report);
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_OK);
    ck_assert(!config_core(&f.config).deny_anonymous);
    config_set(&f.config, "security.allow_anonymous", "false", false, "--set", &f.report);
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(f.report.problems.at[0].text, "nobody may enter"));
    ck_assert(config_core(&f.config).deny_anonymous);
    close_case(&f);
}
END_TEST

START_TEST(a_password_file_says_who_may_enter)
{
    struct fixture f;

    open_case(&f);
    load(&f, "{\"mqtt\": {\"listen\": [\"0.0.0.0:1883\"]},\n"
             " \"web\": {\"listen\": [\"0.0.0.0:80\"]},\n"
             " \"security\": {\"password_file\": \"users\"},\n"
             " \"listeners\": [\n"
             "{\"name\": \"a\", \"address\": \"0.0.0.0:1\", \"protocol\": \"web\"},\n"
             "{\"name\": \"b\", \"address\": \"0.0.0.0:2\", \"protocol\": \"web\",\n"
             " \"serve\": [\"mqtt\"]},\n"
             "{\"name\": \"c\", \"address\": \"127.0.0.1:3\", \"protocol\": \"web\"},\n"
             "{\"name\": \"d\", \"address\": \"0.0.0.0:4\", \"protocol\": \"auto\",\n"
             " \"tls\": {\"certificate_file\": \"c\", \"key_file\": \"k\", \"ca_file\": \"a\",\n"
             "  \"client_certificate\": \"required\"}}]}");
    config_settle(&f.config);
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_OK);
    EXPECT(&f,
           "p.json:2:20: web.listen: 0.0.0.0:80 can be reached from outside and serves /mesh, "
           "where nobody is asked for a password; a listener of listeners says what it serves",
           "p.json:5:1: listeners[0].serve: 0.0.0.0:1 can be reached from outside and serves "
           "/mesh, where nobody is asked for a password");
    struct core_config core = config_core(&f.config);
    ck_assert(core.deny_anonymous && core.ask_passwords && core.ask_methods);
    close_case(&f);
}
END_TEST

START_TEST(beside_a_password_file_anybody_may_come_in_who_says_no_name)
{
    struct fixture f;

    open_case(&f);
    ck_assert(!config_core(&f.config).ask_passwords); /* and anybody who says one */
    config_set(&f.config, "security.password_file", "users", false, "--set", &f.report);
    config_set(&f.config, "security.allow_anonymous", "true", false, "--set", &f.report);
    config_settle(&f.config);
    struct core_config core = config_core(&f.config);
    ck_assert(!core.deny_anonymous && core.ask_passwords && core.ask_methods);
    close_case(&f);
}
END_TEST

START_TEST(where_nobody_may_say_no_name_a_name_alone_is_not_believed)
{
    struct fixture f;

    open_case(&f);
    config_set(&f.config, "security.allow_anonymous", "false", false, "--set", &f.report);
    config_settle(&f.config);
    struct core_config core = config_core(&f.config);
    ck_assert(core.deny_anonymous && core.ask_passwords && !core.ask_methods);
    close_case(&f);
}
END_TEST

START_TEST(a_text_is_taken_over_while_running)
{
    struct fixture f, g;

    open_case(&f);
    open_case(&g);
    config_set(&g.config, "security.password_file", "other", false, "--set", &g.report);
    ck_assert(config_differs(&f.config, &g.config, CONFIG_SECURITY_PASSWORD_FILE));
    config_adopt(&f.config, &g.config, CONFIG_SECURITY_PASSWORD_FILE);
    close_case(&g);
    ck_assert_str_eq(f.config.security.password_file, "other");
    ck_assert_int_eq(f.config.origins[CONFIG_SECURITY_PASSWORD_FILE].source, CONFIG_FLAG);
    close_case(&f);
}
END_TEST

START_TEST(listeners_that_clash_and_limits_that_contradict_are_refused)
{
    struct fixture f;

    open_case(&f);
    load(&f, "{\"mqtt\": {\"listen\": [\"1883\", \"127.0.0.1:1883\", \"0\", \"0\"]},\n"
             "\"web\": {\"listen\": [\"localhost:1883\"]},\n"
             "\"mesh\": {\"dial_backoff_ms\": \"1min\"}}");
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_INVALID);
    EXPECT(&f, "p.json:1:21: mqtt.listen: 127.0.0.1:1883 is used by two listeners",
           "p.json:2:19: web.listen: localhost:1883 is used by two listeners",
           "p.json:3:29: mesh.dial_backoff_ms: found 60000, allowed: at most "
           "mesh.dial_backoff_max_ms, which is 30000");
    close_case(&f);
}
END_TEST

START_TEST(a_difference_is_seen_field_by_field)
{
    struct fixture a, b;

    open_case(&a);
    open_case(&b);
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++)
        ck_assert(!config_differs(&a.config, &b.config, (enum config_field_id)i));
    load(&b, "{\"log\": {\"level\": \"debug\"}, \"mesh\": {\"join\": [\"ws://a\"]}, "
             "\"node\": {\"name\": \"n\"}, \"session\": {\"expiry_max_s\": \"1h\"}}");
    ck_assert(config_differs(&a.config, &b.config, CONFIG_LOG_LEVEL));
    ck_assert(config_differs(&a.config, &b.config, CONFIG_MESH_JOIN));
    ck_assert(config_differs(&a.config, &b.config, CONFIG_NODE_NAME));
    ck_assert(config_differs(&a.config, &b.config, CONFIG_SESSION_EXPIRY_MAX));
    ck_assert_uint_eq(b.config.core_limits.session_expiry_max_s, 3600);
    close_case(&a);
    close_case(&b);
}
END_TEST

START_TEST(the_example_names_every_key_and_says_the_defaults)
{
    struct fixture defaults, example;
    static char text[65536];
    FILE *file = fopen(EXAMPLE_FILE, "re");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    open_case(&defaults);
    open_case(&example);
    ck_assert_int_eq(config_load(&example.config, EXAMPLE_FILE, &example.report), ERR_OK);
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        const struct config_field *field = config_field((enum config_field_id)i);
        char member[64];
        snprintf(member, sizeof member, "\"%s\":", strchr(field->key, '.') + 1);
        ck_assert_msg(strstr(text, member), "%s is not in the example", field->key);
        ck_assert_msg(!config_differs(&defaults.config, &example.config, (enum config_field_id)i),
                      "the example has another default for %s", field->key);
        if (i != CONFIG_SECURITY_ALLOW_ANONYMOUS)
            ck_assert_msg(example.config.origins[i].source == CONFIG_FILE, "%s", field->key);
    }
    close_case(&defaults);
    close_case(&example);
}
END_TEST

START_TEST(listeners_are_read_with_their_presets)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(load(&f, "{\"listeners\": [\n"
                              " {\"name\": \"a\", \"address\": \"unix:/run/a\"},\n"
                              " {\"name\": \"b\", \"address\": \"[::1]:8883\",\n"
                              "  \"protocol\": \"web\", \"serve\": [\"mqtt\", \"api\"],\n"
                              "  \"origins\": [\"https://a\"],\n"
                              "  \"trusted_proxies\": [\"10.0.0.0/8\", \"::1\", \"unix:\"],\n"
                              "  \"tls\": {\"certificate_file\": \"c\", \"key_file\": \"k\",\n"
                              "   \"certificates\": [{\"certificate_file\": \"c2\",\n"
                              "    \"key_file\": \"k2\"}], \"ca_file\": \"ca\",\n"
                              "   \"version_min\": \"1.3\", \"client_certificate\": \"optional\",\n"
                              "   \"username_from_certificate\": true}}]}"),
                     ERR_OK);
    ck_assert_int_eq(config_check(&f.config, &f.report), ERR_OK);
    ck_assert_uint_eq(f.config.listeners.len, 2);
    const struct config_listener *a = &f.config.listeners.at[0], *b = a + 1;
    ck_assert_str_eq(a->name, "a");
    ck_assert_str_eq(a->mode, "0660");
    ck_assert_uint_eq(a->serve, 15);
    ck_assert_uint_eq(a->connections_max, 100000);
    ck_assert(!a->has_tls && b->has_tls);
    ck_assert_uint_eq(b->protocol, CONFIG_PROTOCOL_WEB);
    ck_assert_uint_eq(b->serve, CONFIG_SERVE_MQTT | CONFIG_SERVE_API);
    ck_assert_str_eq(b->origins.at[0], "https://a");
    ck_assert_uint_eq(a->trusted_proxies.len, 0);
    ck_assert_str_eq(b->trusted_proxies.at[2], "unix:");
    ck_assert_str_eq(b->tls.first.key_file, "k");
    ck_assert_str_eq(b->tls.more.at[0].certificate_file, "c2");
    ck_assert_uint_eq(b->tls.version_min, CONFIG_TLS_13);
    ck_assert_uint_eq(b->tls.client_certificate, CONFIG_CLIENT_OPTIONAL);
    ck_assert(b->tls.username_from_certificate);
    close_case(&f);
}
END_TEST

START_TEST(every_error_of_a_listener_is_told_with_its_place)
{
    struct fixture f;

    open_case(&f);
    load(&f, "{\n\"listeners\": [\n"
             " {\"nam\": \"a\", \"address\": \"x:1\", \"serve\": [\"mqtt\", \"x\"]},\n"
             " 7,\n"
             " {\"name\": \"b\", \"address\": \"1\", \"protocol\": \"tcp\", \"tls\": {\n"
             "  \"key_file\": \"\", \"certificates\": [{}]}}]}");
    EXPECT(&f, "p.json:3:2: listeners[0]: name must be written: what the log calls it",
           "p.json:3:26: listeners[0].address: found \"x:1\", allowed: \"ADDRESS:PORT\" or "
           "\"PORT\", the address in digits, \"unix:/PATH\" or \"systemd:NAME\"",
           "p.json:3:51: listeners[0].serve[1]: found \"x\", allowed: mqtt|mesh|pages|api",
           "p.json:3:3: unknown key listeners[0].nam, did you mean name?",
           "p.json:4:2: listeners[1]: allowed: an object of keys",
           "p.json:5:44: listeners[2].protocol: found \"tcp\", allowed: mqtt|web|auto",
           "p.json:5:58: listeners[2].tls: certificate_file must be written: PEM: the "
           "certificate, and its chain behind it",
           "p.json:6:15: listeners[2].tls.key_file: found \"\", allowed: a text of 1 to 4096 bytes",
           "p.json:6:36: listeners[2].tls.certificates[0]: certificate_file must be written: PEM: "
           "the certificate, and its chain behind it",
           "p.json:6:36: listeners[2].tls.certificates[0]: key_file must be written: PEM: the "
           "certificate's key");
    ck_assert_uint_eq(f.config.listeners.len, 0);
    close_case(&f);
}
END_TEST

START_TEST(listeners_that_contradict_themselves_or_let_strangers_in_are_refused)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_eq(
        load(&f, "{\"listeners\": [\n"
                 "{\"name\": \"a b\", \"address\": \"127.0.0.1:1883\", \"serve\": [\"api\"]},\n"
                 "{\"name\": \"c\", \"address\": \"0.0.0.0:1\", \"tls\": {\n"
                 " \"certificate_file\": \"c\", \"key_file\": \"k\", \"crl_file\": \"r\",\n"
                 " \"username_from_certificate\": true}},\n"
                 "{\"name\": \"c\", \"address\": \"0.0.0.0:2\", \"tls\": {\"ca_file\": \"a\",\n"
                 " \"certificate_file\": \"c\", \"key_file\": \"k\",\n"
                 " \"client_certificate\": \"required\",\n"
                 " \"username_from_certificate\": true}}]}"),
        ERR_OK);
    config_check(&f.config, &f.report);
    EXPECT(&f, "p.json:2:1: listeners[0].name: found \"a b\", allowed: letters, digits, - _ .",
           "p.json:2:1: listeners[0]: 127.0.0.1:1883 is used by two listeners",
           "p.json:2:1: listeners[0].serve: a listener for mqtt serves \"mqtt\"",
           "p.json:3:1: listeners[1].tls: crl_file needs a ca_file",
           "p.json:3:1: listeners[1].tls: username_from_certificate needs client_certificate "
           "\"optional\" or \"required\"",
           "p.json:3:1: listeners[1]: 0.0.0.0:1 can be reached from outside and nothing says who "
           "may enter; ask for certificates with \"client_certificate\": \"required\" and "
           "\"username_from_certificate\": true, name a file of users with \"security\": "
           "{\"password_file\": \"FILE\"}, or to let everybody in, write \"security\": "
           "{\"allow_anonymous\": true}",
           "p.json:6:1: listeners[2].name: c is the name of two listeners");
    close_case(&f);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_one_clear_line)
{
    struct fixture f;

    open_case(&f);
    ck_assert_int_ne(config_load(&f.config, "/nonexistent/p.json", &f.report), ERR_OK);
    EXPECT(&f, "/nonexistent/p.json: cannot be read: No such file or directory");
    ck_assert_int_ne(config_load(&f.config, "/", &f.report), ERR_OK);
    ck_assert_uint_eq(f.report.errors, 2);
    close_case(&f);
}
END_TEST

START_TEST(addresses_are_digits_localhost_or_a_bare_port)
{
    static const char *const good[] = { "1883", "0", "127.0.0.1:65535", "[::1]:1", "localhost:80" };
    static const char *const bad[] = { "",           ":1883",    "65536",       "a:1",
                                       "1.2.3:1",    "::1:1883", "[1.2.3.4]:1", "[::1]",
                                       "127.0.0.1:", "1883 ",    "-1",          "[]:1" };
    struct config_address address;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(config_address_parse(str_from_c(good[i]), &address), ERR_OK);
        ck_assert(config_address_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(config_address_parse(str_from_c(bad[i]), &address) != ERR_OK, "%s", bad[i]);
    ck_assert_int_eq(config_address_parse(STR("[::]:8080"), &address), ERR_OK);
    ck_assert(!config_address_is_loopback(&address));
    ck_assert_str_eq(address.host, "::");
}
END_TEST

START_TEST(peers_are_websocket_urls)
{
    static const char *const good[] = { "ws://h", "ws://h:80/mesh", "wss://[::1]:8443/mesh",
                                        "ws://[::1]", "wss://hub.example/mesh" };
    static const char *const bad[] = { "ws://",      "http://h",  "ws://h:0", "ws://h:x/",
                                       "ws:///mesh", "ws://[::1", "ws://a b", "ws://[::1]x" };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(config_url_check(str_from_c(good[i])) == ERR_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(config_url_check(str_from_c(bad[i])) != ERR_OK, "%s", bad[i]);
}
END_TEST

UNIT_MAIN("config/config", without_a_file_everything_listens_on_loopback,
          every_error_of_a_file_is_told_at_once_with_its_place,
          what_is_wrong_leaves_the_value_that_was_there,
          a_text_that_is_no_json_is_told_with_its_place,
          comments_end_where_they_end_and_not_inside_texts,
          positions_hold_for_escaped_keys_and_nested_values,
          variables_override_the_file_and_flags_override_both,
          variables_that_platforms_inject_are_a_warning_only,
          a_list_is_replaced_or_grows_and_none_empties_it,
          a_flag_that_is_wrong_names_itself_and_the_nearest_key,
          strangers_come_in_from_outside_only_where_somebody_wrote_so,
          a_password_file_says_who_may_enter,
          beside_a_password_file_anybody_may_come_in_who_says_no_name,
          where_nobody_may_say_no_name_a_name_alone_is_not_believed,
          a_text_is_taken_over_while_running,
          listeners_that_clash_and_limits_that_contradict_are_refused,
          a_difference_is_seen_field_by_field, the_example_names_every_key_and_says_the_defaults,
          listeners_are_read_with_their_presets, every_error_of_a_listener_is_told_with_its_place,
          listeners_that_contradict_themselves_or_let_strangers_in_are_refused,
          a_file_that_cannot_be_read_is_one_clear_line,
          addresses_are_digits_localhost_or_a_bare_port, peers_are_websocket_urls)
