/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of pub and sub, with the habits of mosquitto_pub and mosquitto_sub. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>

enum mqtt_command { MQTT_PUB = 1, MQTT_SUB = 2 };

/* Where pub takes its messages from. */
enum mqtt_source {
    SOURCE_NONE,
    SOURCE_TEXT,
    SOURCE_EMPTY,
    SOURCE_FILE,
    SOURCE_STDIN,
    SOURCE_LINES
};

/* Text is borrowed from the words. Numbers that were not given are the defaults. */
struct mqtt_options {
    const char *host;
    const char *url; /* NULL: tcp to host and port */
    struct {
        VEC(const char *);
    } topics;
    const char *message;
    const char *file;
    const char *client_id; /* NULL: one is made up */
    const char *user, *password;
    const char *ca_file, *cert_file, *key_file;
    enum mqtt_source source;
    unsigned port;
    unsigned qos;
    unsigned version; /* 3: 3.1, 4: 3.1.1, 5 */
    unsigned keep_alive_s;
    unsigned count;     /* sub: stop after so many messages; 0: never */
    unsigned timeout_s; /* sub: stop after so long; 0: never */
    bool retain, keep_session, verbose, debug, insecure, help;
};

/* Read the words of pub or sub. ERR_OK, or ERR_INVALID with a line in errors for each
 * mistake. The options must be finished in any case. */
int mqtt_options_parse(struct mqtt_options *options, enum mqtt_command command, int count,
                       char **words, struct buf *errors);

/* Free what the options own. */
void mqtt_options_finish(struct mqtt_options *options);

/* The text of --help, appended to out. */
void mqtt_options_help(enum mqtt_command command, struct buf *out);

/* A whole pub or sub: read the words, print mistakes or help, or run. The exit status. */
int mqtt_options_run(enum mqtt_command command, int count, char **words,
                     int (*run)(const struct mqtt_options *options));

/* Where to connect, as Paho spells it: tcp://H:P, ssl://H:P, ws://H:P/mqtt, wss://H:P/mqtt.
 * ERR_OK or ERR_INVALID for a URL of another kind. */
int mqtt_options_uri(const struct mqtt_options *options, char *out, size_t size);
