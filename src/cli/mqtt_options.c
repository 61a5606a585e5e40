/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mqtt_options.h"

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"
#include "topic/topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum flag_kind { FLAG_TEXT, FLAG_NUMBER, FLAG_SWITCH, FLAG_TOPIC, FLAG_VERSION, FLAG_SOURCE };

struct flag {
    const char *brief, *name; /* "-t", "--topic" */
    enum flag_kind kind;
    int commands;         /* who knows it */
    const char *argument; /* NULL: none */
    size_t offset;        /* FLAG_TEXT, FLAG_NUMBER, FLAG_SWITCH, FLAG_SOURCE with text */
    unsigned long max;    /* FLAG_NUMBER */
    enum mqtt_source source;
    const char *help;
};

#define AT(member) offsetof(struct mqtt_options, member)
#define BOTH       (MQTT_PUB | MQTT_SUB)

static const struct flag flags[] = {
    { "-h", "--host", FLAG_TEXT, BOTH, "HOST", AT(host), 0, 0, "broker (127.0.0.1)" },
    { "-p", "--port", FLAG_NUMBER, BOTH, "PORT", AT(port), 65535, 0, "its port (1883)" },
    { "-L", "--url", FLAG_TEXT, BOTH, "URL", AT(url), 0, 0,
      "mqtt://, mqtts://, ws:// or wss://HOST:PORT instead" },
    { "-t", "--topic", FLAG_TOPIC, BOTH, "TOPIC", 0, 0, 0,
      "topic; for sub a filter, may be repeated" },
    { "-q", "--qos", FLAG_NUMBER, BOTH, "0|1|2", AT(qos), 2, 0, "quality of service (0)" },
    { "-V", "--protocol-version", FLAG_VERSION, BOTH, "VERSION", 0, 0, 0,
      "31, 311 or 5, also mqttv31, mqttv311, mqttv5 (5)" },
    { "-i", "--id", FLAG_TEXT, BOTH, "ID", AT(client_id), 0, 0, "client id (made up)" },
    { "-u", "--username", FLAG_TEXT, BOTH, "NAME", AT(user), 0, 0, "user name" },
    { "-P", "--pw", FLAG_TEXT, BOTH, "PASSWORD", AT(password), 0, 0, "password" },
    { "-k", "--keepalive", FLAG_NUMBER, BOTH, "SECONDS", AT(keep_alive_s), 65535, 0,
      "keep alive (60)" },
    { "", "--cafile", FLAG_TEXT, BOTH, "FILE", AT(ca_file), 0, 0,
      "certificates to trust (the system's)" },
    { "", "--cert", FLAG_TEXT, BOTH, "FILE", AT(cert_file), 0, 0, "our certificate" },
    { "", "--key", FLAG_TEXT, BOTH, "FILE", AT(key_file), 0, 0, "its private key" },
    { "", "--insecure", FLAG_SWITCH, BOTH, NULL, AT(insecure), 0, 0,
      "accept a certificate of another host" },
    { "-d", "--debug", FLAG_SWITCH, BOTH, NULL, AT(debug), 0, 0, "say what happens" },
    { "-m", "--message", FLAG_SOURCE, MQTT_PUB, "TEXT", AT(message), 0, SOURCE_TEXT,
      "publish this" },
    { "-f", "--file", FLAG_SOURCE, MQTT_PUB, "FILE", AT(file), 0, SOURCE_FILE,
      "publish the content of a file" },
    { "-n", "--null-message", FLAG_SOURCE, MQTT_PUB, NULL, 0, 0, SOURCE_EMPTY,
      "publish nothing: with -r, forget what is retained" },
    { "-s", "--stdin-file", FLAG_SOURCE, MQTT_PUB, NULL, 0, 0, SOURCE_STDIN,
      "publish standard input as one message" },
    { "-l", "--stdin-line", FLAG_SOURCE, MQTT_PUB, NULL, 0, 0, SOURCE_LINES,
      "publish each line of standard input" },
    { "-r", "--retain", FLAG_SWITCH, MQTT_PUB, NULL, AT(retain), 0, 0, "retain the message" },
    { "-c", "--disable-clean-session", FLAG_SWITCH, MQTT_SUB, NULL, AT(keep_session), 0, 0,
      "go on with the session of this client id" },
    { "-v", "--verbose", FLAG_SWITCH, MQTT_SUB, NULL, AT(verbose), 0, 0,
      "print the topic before the payload" },
    { "-C", "", FLAG_NUMBER, MQTT_SUB, "COUNT", AT(count), 4294967295ul, 0,
      "stop after so many messages" },
    { "-W", "", FLAG_NUMBER, MQTT_SUB, "SECONDS", AT(timeout_s), 1000000, 0,
      "stop after so long, with status 27" },
    { "", "--help", FLAG_SWITCH, BOTH, NULL, AT(help), 0, 0, "print this" },
};

static const struct flag *find_flag(enum mqtt_command command, struct str word)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool named = str_equal(word, str_from_c(flags[i].brief)) ||
                     str_equal(word, str_from_c(flags[i].name));
        if (word.len && named && (flags[i].commands & (int)command))
            return &flags[i];
    }
    return NULL;
}

static const char *flag_name(const struct flag *flag)
{
    return flag->brief[0] ? flag->brief : flag->name;
}

static bool set_number(struct mqtt_options *options, const struct flag *flag, const char *text)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value > flag->max)
        return false;
    *(unsigned *)((char *)options + flag->offset) = (unsigned)value;
    return true;
}

static bool set_version(struct mqtt_options *options, const char *text)
{
    static const struct {
        const char *text;
        unsigned version;
    } versions[] = { { "31", 3 },       { "mqttv31", 3 }, { "3.1", 3 }, { "311", 4 },
                     { "mqttv311", 4 }, { "3.1.1", 4 },   { "5", 5 },   { "mqttv5", 5 } };

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (strcmp(text, versions[i].text) == 0) {
            options->version = versions[i].version;
            return true;
        }
    }
    return false;
}

/* Apply one flag. False when its argument is not what it takes. */
static bool take_flag(struct mqtt_options *options, const struct flag *flag, const char *text,
                      struct buf *errors)
{
    void *member = (char *)options + flag->offset;

    switch (flag->kind) {
    case FLAG_TEXT: *(const char **)member = text; return true;
    case FLAG_NUMBER: return set_number(options, flag, text);
    case FLAG_SWITCH: *(bool *)member = true; return true;
    case FLAG_VERSION: return set_version(options, text);
    case FLAG_TOPIC: {
        const char **topic = vec_push(&options->topics);
        if (topic)
            *topic = text;
        return topic;
    }
    case FLAG_SOURCE:
        if (options->source != SOURCE_NONE)
            buf_printf(errors, "%s: there is another message already\n", flag_name(flag));
        options->source = flag->source;
        if (flag->argument)
            *(const char **)member = text;
        return true;
    }
    return false;
}

/* Topics to publish to, filters to subscribe to: a broker would only hang up on others. */
static void check_topics(const struct mqtt_options *options, enum mqtt_command command,
                         struct buf *errors)
{
    for (size_t i = 0; i < options->topics.len; i++) {
        struct str text = str_from_c(options->topics.at[i]);
        struct topic_share share;
        int err = command == MQTT_PUB ? topic_name_check(text) : topic_share_parse(text, &share);
        if (err)
            buf_printf(errors, "-t: %s: %s\n", options->topics.at[i], err_text(err));
    }
    if (options->topics.len == 0)
        buf_printf(errors, "-t TOPIC is needed\n");
    if (command == MQTT_PUB && options->topics.len > 1)
        buf_printf(errors, "-t: one topic only\n");
}

/* What only the whole line can show. */
static void check_whole(struct mqtt_options *options, enum mqtt_command command, struct buf *errors)
{
    char uri[1200];

    if (options->help)
        return;
    check_topics(options, command, errors);
    if (command == MQTT_PUB && options->source == SOURCE_NONE)
        buf_printf(errors, "one of -m, -f, -n, -s, -l is needed\n");
    if (options->keep_session && !options->client_id)
        buf_printf(errors, "-c needs -i ID\n");
    if (mqtt_options_uri(options, uri, sizeof uri) != ERR_OK)
        buf_printf(errors,
                   "--url: found %s, allowed: mqtt://, mqtts://, ws:// or wss://HOST:PORT\n",
                   options->url ? options->url : options->host);
}

int mqtt_options_parse(struct mqtt_options *options, enum mqtt_command command, int count,
                       char **words, struct buf *errors)
{
    *options = (struct mqtt_options){
        .host = "127.0.0.1", .port = 1883, .version = 5, .keep_alive_s = 60
    };
    for (int i = 0; i < count; i++) {
        struct str word = str_from_c(words[i]);
        bool is_long = str_starts_with(word, STR("--"));
        size_t equals = is_long ? str_find(word, '=', 0) : word.len;
        const struct flag *flag = find_flag(command, str_slice(word, 0, equals));
        const char *text = equals < word.len ? words[i] + equals + 1 : NULL;
        if (!flag) {
            buf_printf(errors, "unknown flag %s, see --help\n", words[i]);
            continue;
        }
        if (!flag->argument && text) {
            buf_printf(errors, "%s takes nothing\n", flag_name(flag));
            continue;
        }
        if (flag->argument && !text && i + 1 < count)
            text = words[++i];
        if (flag->argument && !text)
            buf_printf(errors, "%s needs %s\n", flag_name(flag), flag->argument);
        else if (!take_flag(options, flag, text, errors))
            buf_printf(errors, "%s: found %s, allowed: %s\n", flag_name(flag), text,
                       flag->argument);
    }
    check_whole(options, command, errors);
    return errors->len ? ERR_INVALID : ERR_OK;
}

void mqtt_options_finish(struct mqtt_options *options)
{
    vec_finish(&options->topics);
}

void mqtt_options_help(enum mqtt_command command, struct buf *out)
{
    buf_printf(out, "usage: plexus %s -t TOPIC %s[FLAG]...\n\n",
               command == MQTT_PUB ? "pub" : "sub", command == MQTT_PUB ? "-m TEXT " : "");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const struct flag *flag = &flags[i];
        char left[64];
        if (!(flag->commands & (int)command))
            continue;
        snprintf(left, sizeof left, "%2s%s %s %s", flag->brief,
                 flag->brief[0] && flag->name[0] ? "," : " ", flag->name,
                 flag->argument ? flag->argument : "");
        buf_printf(out, "  %-34s %s\n", left, flag->help);
    }
}

int mqtt_options_run(enum mqtt_command command, int count, char **words,
                     int (*run)(const struct mqtt_options *options))
{
    struct mqtt_options options;
    struct buf text = { 0 };
    int status = CLI_USAGE;

    int err = mqtt_options_parse(&options, command, count, words, &text);
    if (err) {
        fprintf(stderr, "%.*s", STR_ARG(buf_str(&text)));
    } else if (options.help) {
        mqtt_options_help(command, &text);
        printf("%.*s", STR_ARG(buf_str(&text)));
        status = CLI_OK;
    } else {
        status = run(&options);
    }
    mqtt_options_finish(&options);
    buf_finish(&text);
    return status;
}

int mqtt_options_uri(const struct mqtt_options *options, char *out, size_t size)
{
    static const struct {
        const char *scheme, *paho, *port, *path;
    } schemes[] = {
        { "mqtt://", "tcp", "1883", "" },  { "tcp://", "tcp", "1883", "" },
        { "mqtts://", "ssl", "8883", "" }, { "ssl://", "ssl", "8883", "" },
        { "ws://", "ws", "80", "/mqtt" },  { "wss://", "wss", "443", "/mqtt" },
    };
    struct str url = str_from_c(options->url);

    if (!options->url) {
        bool six = strchr(options->host, ':');
        int len = snprintf(out, size, "tcp://%s%s%s:%u", six ? "[" : "", options->host,
                           six ? "]" : "", options->port);
        return options->host[0] && (size_t)len < size ? ERR_OK : ERR_INVALID;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct str scheme = str_from_c(schemes[i].scheme);
        if (!str_starts_with(url, scheme))
            continue;
        struct str rest = str_slice(url, scheme.len, url.len);
        struct str host = str_slice(rest, 0, str_find(rest, '/', 0));
        struct str path = str_slice(rest, host.len, rest.len);
        size_t bracket = host.len && host.ptr[0] == '[' ? str_find(host, ']', 0) : 0;
        bool has_port = str_find(host, ':', bracket) < host.len;
        if (path.len <= 1)
            path = str_from_c(schemes[i].path);
        int len = snprintf(out, size, "%s://%.*s%s%s%.*s", schemes[i].paho, STR_ARG(host),
                           has_port ? "" : ":", has_port ? "" : schemes[i].port, STR_ARG(path));
        return host.len && (size_t)len < size ? ERR_OK : ERR_INVALID;
    }
    return ERR_INVALID;
}
