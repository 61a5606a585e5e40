/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum flag_kind {
    FLAG_KEY,    /* sets its key to the argument */
    FLAG_FIXED,  /* sets its key to a fixed text */
    FLAG_SET,    /* the argument is key=value */
    FLAG_FILE,   /* the configuration file */
    FLAG_SWITCH, /* sets a bool of the options */
    FLAG_HEALTH, /* like a switch, with an optional URL */
};

struct flag {
    const char *name;
    enum flag_kind kind;
    const char *argument; /* what --help calls it; NULL: none */
    const char *key;      /* FLAG_KEY, FLAG_FIXED */
    const char *fixed;    /* FLAG_FIXED */
    size_t offset;        /* FLAG_SWITCH: into struct options */
    const char *help;
};

static const struct flag flags[] = {
    { "--config", FLAG_FILE, "FILE", NULL, NULL, 0, "read this configuration" },
    { "--name", FLAG_KEY, "NAME", "node.name", NULL, 0, "what people call this broker" },
    { "--mqtt", FLAG_KEY, "[ADDR:]PORT|none", "mqtt.listen", NULL, 0,
      "serve MQTT here; may be repeated (127.0.0.1:1883)" },
    { "--web", FLAG_KEY, "[ADDR:]PORT|none", "web.listen", NULL, 0,
      "serve HTTP and WebSocket here; may be repeated (127.0.0.1:8080)" },
    { "--data", FLAG_KEY, "DIR", "node.data", NULL, 0, "keep what must survive here" },
    { "--no-data", FLAG_FIXED, NULL, "node.data", "none", 0, "keep nothing: no acknowledgement outlives the process" },
    { "--join", FLAG_KEY, "URL", "mesh.join", NULL, 0,
      "keep a link to this peer, ws://HOST:PORT/mesh; may be repeated" },
    { "--set", FLAG_SET, "KEY=VALUE", NULL, NULL, 0, "set any key of the configuration" },
    { "--check", FLAG_SWITCH, NULL, NULL, NULL, offsetof(struct options, check),
      "say what is wrong with the configuration, and exit" },
    { "--log-json", FLAG_FIXED, NULL, "log.json", "true", 0, "log one JSON object a line" },
    { "--health", FLAG_HEALTH, "[URL]", NULL, NULL, offsetof(struct options, health),
      "ask a running broker whether it is well, and exit 0 or 1" },
    { "--version", FLAG_SWITCH, NULL, NULL, NULL, offsetof(struct options, version),
      "print the version, and exit" },
    { "--help", FLAG_SWITCH, NULL, NULL, NULL, offsetof(struct options, help),
      "print this, and exit" },
};

static const struct flag *find_flag(struct str name)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (str_equal(name, str_from_c(flags[i].name)))
            return &flags[i];
    }
    return NULL;
}

static void add_setting(struct options *options, const char *flag, struct str key,
                        const char *value, struct config_report *report)
{
    bool append = false;

    for (size_t i = 0; i < options->settings.len; i++) {
        const struct option_setting *before = &options->settings.at[i];
        append |= strcmp(before->flag, flag) == 0 && str_equal(before->key, key);
    }
    struct option_setting *setting = vec_push(&options->settings);
    if (setting)
        *setting = (struct option_setting){ flag, key, value, append };
    else
        report->failed = true;
}

/* key=value of --set. A key that is set again is set anew: lists grow by their own flags. */
static void add_pair(struct options *options, const char *flag, const char *pair,
                     struct config_report *report)
{
    size_t equals = strcspn(pair, "=");

    if (pair[equals] != '=' || equals == 0) {
        config_report_error(report, "%s: found %s, allowed: KEY=VALUE", flag, pair);
        return;
    }
    add_setting(options, flag, (struct str){ pair, equals }, pair + equals + 1, report);
    if (options->settings.len)
        options->settings.at[options->settings.len - 1].append = false;
}

static void take_flag(struct options *options, const struct flag *flag, const char *argument,
                      struct config_report *report)
{
    switch (flag->kind) {
    case FLAG_KEY:
        add_setting(options, flag->name, str_from_c(flag->key), argument, report);
        return;
    case FLAG_FIXED:
        add_setting(options, flag->name, str_from_c(flag->key), flag->fixed, report);
        return;
    case FLAG_SET: add_pair(options, flag->name, argument, report); return;
    case FLAG_FILE: options->config_file = argument; return;
    case FLAG_HEALTH:
        options->health = true;
        options->health_url = argument;
        return;
    case FLAG_SWITCH: *(bool *)((char *)options + flag->offset) = true; return;
    }
}

/* The argument of the flag at argv[*i]: after its '=', or the next word. False when one is
 * missing or there is one too many. */
static bool take_argument(const struct flag *flag, int argc, char **argv, int *i,
                          const char **ret_argument)
{
    char *equals = strchr(argv[*i], '=');
    bool optional = flag->kind == FLAG_HEALTH;

    *ret_argument = equals ? equals + 1 : NULL;
    if (equals)
        return flag->argument != NULL;
    if (!flag->argument)
        return true;
    if (*i + 1 >= argc || (optional && argv[*i + 1][0] == '-'))
        return optional;
    *ret_argument = argv[++*i];
    return true;
}

int options_parse(struct options *options, int argc, char **argv, struct config_report *report)
{
    *options = (struct options){ 0 };
    for (int i = 1; i < argc; i++) {
        struct str word = str_from_c(argv[i]);
        struct str name = str_slice(word, 0, str_find(word, '=', 0));
        const struct flag *flag = find_flag(name);
        const char *argument;
        if (!flag)
            config_report_error(report, "unknown flag %.*s, see --help", STR_ARG(name));
        else if (take_argument(flag, argc, argv, &i, &argument))
            take_flag(options, flag, argument, report);
        else if (flag->argument)
            config_report_error(report, "%s needs %s", flag->name, flag->argument);
        else
            config_report_error(report, "%s takes nothing", flag->name);
    }
    return config_report_err(report);
}

void options_finish(struct options *options)
{
    vec_finish(&options->settings);
}

int options_configure(const struct options *options, const char *const *env,
                      struct config *ret_config, struct config_report *report)
{
    int err = config_init(ret_config);

    if (err)
        return err;
    if (options->config_file)
        config_load(ret_config, options->config_file, report);
    config_load_env(ret_config, env, report);
    for (size_t i = 0; i < options->settings.len; i++) {
        const struct option_setting *setting = &options->settings.at[i];
        char *key = str_to_c(setting->key);
        if (!key)
            return ERR_NOMEM;
        config_set(ret_config, key, setting->value, setting->append, setting->flag, report);
        free(key);
    }
    config_settle(ret_config);
    config_check(ret_config, report);
    return config_report_err(report);
}

void options_help(struct buf *out)
{
    buf_printf(out, "plexusd: a broker of an event mesh\n\nusage: plexusd [FLAG]...\n\n");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const struct flag *flag = &flags[i];
        char left[64];
        snprintf(left, sizeof left, "%s %s", flag->name, flag->argument ? flag->argument : "");
        buf_printf(out, "  %-26s  %s\n", left, flag->help);
    }
    buf_printf(out, "\nKeys of the configuration, for files, --set and PLEXUS_SECTION_KEY:\n\n");
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        const struct config_field *field = config_field((enum config_field_id)i);
        buf_printf(out, "  %-32s %s%s%s%s\n", field->key, field->help, field->preset[0] ? " (" : "",
                   field->preset, field->preset[0] ? ")" : "");
    }
    config_listeners_help(out);
}
