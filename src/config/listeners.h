/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners with settings of their own, beside the plain lists mqtt.listen and web.listen:
 * a list of objects, each read through a table as strictly as the rest. */
#pragma once

#include "base/vec.h"
#include "config/fields.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct config;
struct config_place;
struct config_report;

/* A list of strings, owned. */
struct config_strings {
    VEC(char *);
};

/* In the order of the words in the table. */
enum config_protocol { CONFIG_PROTOCOL_MQTT, CONFIG_PROTOCOL_WEB, CONFIG_PROTOCOL_AUTO };
enum config_serve {
    CONFIG_SERVE_MQTT = 1,
    CONFIG_SERVE_MESH = 2,
    CONFIG_SERVE_PAGES = 4,
    CONFIG_SERVE_API = 8
};
enum config_client { CONFIG_CLIENT_NONE, CONFIG_CLIENT_OPTIONAL, CONFIG_CLIENT_REQUIRED };
enum config_durability { CONFIG_DURABILITY_DISK, CONFIG_DURABILITY_MEMORY };
enum config_tls_version { CONFIG_TLS_12, CONFIG_TLS_13 };

struct config_certificate {
    char *certificate_file, *key_file;
};

struct config_tls {
    struct config_certificate first;
    struct {
        VEC(struct config_certificate);
    } more; /* chosen by the name that a client asks for */
    char *ca_file, *crl_file;
    char *ciphers, *ciphersuites;
    uint32_t version_min;        /* enum config_tls_version */
    uint32_t client_certificate; /* enum config_client */
    bool username_from_certificate;
};

struct config_listener {
    char *name, *address;
    char *mode;        /* of a unix socket's file, in octal */
    uint32_t protocol; /* enum config_protocol */
    uint32_t serve;    /* enum config_serve, or-ed */
    uint32_t connections_max, connect_rate_max, packet_bytes_max;
    uint64_t bytes_per_second_max;
    struct config_strings origins, trusted_proxies;
    bool proxy_protocol;
    uint32_t durability; /* enum config_durability */
    bool has_tls;
    struct config_tls tls;
    char *where; /* for messages: "plexus.json:3:12: " */
};

struct config_listeners {
    VEC(struct config_listener);
    char *text; /* as it was written, without blanks: to compare; NULL: never set */
};

/* Take the place of all listeners by those in value. What is wrong goes to the report,
 * all of it, and leaves them as they were. */
void config_listeners_set(struct config *config, json_t *value, const struct config_place *place,
                          struct config_report *report);

/* What no single key can know of them. */
void config_listeners_check(const struct config *config, struct config_report *report);

/* Are they written differently? */
bool config_listeners_differ(const struct config *a, const struct config *b);

/* Free them. */
void config_listeners_finish(struct config_listeners *listeners);

/* The keys of a listener, and of its tls, for help: a line each, appended to out. */
void config_listeners_help(struct buf *out);
