/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the configuration, in one table: what it is called, where its value goes,
 * what is allowed, what it is for. Loading, flags, variables, reload, help and the example
 * file all follow it. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_BOOL,
    CONFIG_NUMBER,  /* unsigned, of the member's width */
    CONFIG_TEXT,    /* a string */
    CONFIG_LEVEL,   /* a log level by name */
    CONFIG_LISTENS, /* a list of ADDRESS:PORT or PORT */
    CONFIG_URLS,    /* a list of ws:// and wss:// URLs */
    CONFIG_LISTEN,  /* one ADDRESS:PORT or PORT */
    CONFIG_TEXTS,   /* a list of strings */
    CONFIG_BLOCKS,  /* a list of IP addresses and blocks of them */
    CONFIG_CHOICE,  /* one of the words in unit, "a|b|c", as its index */
    CONFIG_CHOICES, /* a list of them, as a mask */
};

/* The position of each key in the table. */
enum config_field_id {
    CONFIG_NODE_NAME,
    CONFIG_NODE_DATA,
    CONFIG_MQTT_LISTEN,
    CONFIG_WEB_LISTEN,
    CONFIG_MESH_NAME,
    CONFIG_MESH_JOIN,
    CONFIG_MESH_CA_FILE,
    CONFIG_MESH_JOIN_WAIT,
    CONFIG_MESH_STUB_ONLY,
    CONFIG_MESH_PING,
    CONFIG_MESH_HANDSHAKE,
    CONFIG_MESH_DIAL_BACKOFF,
    CONFIG_MESH_DIAL_BACKOFF_MAX,
    CONFIG_MESH_INTEREST_BATCH,
    CONFIG_MESH_INTEREST_LINGER,
    CONFIG_MESH_DIGEST,
    CONFIG_MESH_STALE,
    CONFIG_MESH_LINKS_MAX,
    CONFIG_MESH_NODES_MAX,
    CONFIG_MESH_FILTERS_MAX,
    CONFIG_MESH_LINK_QUEUE_BYTES_MAX,
    CONFIG_MESH_QOS0_AGE,
    CONFIG_LIMITS_CONNECTIONS_MAX,
    CONFIG_LIMITS_CONNECT_BYTES_MAX,
    CONFIG_LIMITS_CONNECTS_BYTES_MAX,
    CONFIG_LIMITS_OUT_QUEUE_BYTES_MAX,
    CONFIG_LIMITS_OUT_QUEUES_BYTES_MAX,
    CONFIG_LIMITS_OUT_QUEUE_BYTES_HARD_MAX,
    CONFIG_LIMITS_WEBSOCKET_FRAME_BYTES_MAX,
    CONFIG_LIMITS_HTTP_HEADER_BYTES_MAX,
    CONFIG_LIMITS_HTTP_BODY_BYTES_MAX,
    CONFIG_LIMITS_CLOSE_WAIT,
    CONFIG_LIMITS_PACKET_BYTES_MAX,
    CONFIG_LIMITS_RECEIVE_MAX,
    CONFIG_LIMITS_INFLIGHT_MAX,
    CONFIG_LIMITS_KEEP_ALIVE_MAX,
    CONFIG_LIMITS_CONNECT_TIMEOUT,
    CONFIG_SESSION_COUNT_MAX,
    CONFIG_SESSION_EXPIRY_MAX,
    CONFIG_SESSION_SUBSCRIPTIONS_MAX,
    CONFIG_SESSION_QUEUE_MESSAGES_MAX,
    CONFIG_SESSION_QUEUE_BYTES_MAX,
    CONFIG_SESSION_QUEUE_MEMORY_BYTES_MAX,
    CONFIG_SESSION_QUEUE_QOS0,
    CONFIG_STORE_JOURNAL_BYTES_MAX,
    CONFIG_STORE_TABLES_BYTES_MAX,
    CONFIG_STORE_PENDING_BYTES_MAX,
    CONFIG_STORE_LAZY,
    CONFIG_RETAINED_MESSAGES_MAX,
    CONFIG_RETAINED_BYTES_MAX,
    CONFIG_CLIENTS_CHECK_PAYLOAD_FORMAT,
    CONFIG_CLIENTS_RESPONSE_PREFIX,
    CONFIG_CLIENTS_SERVER_REFERENCE,
    CONFIG_CLIENTS_SERVER_MOVED,
    CONFIG_CLIENTS_SYS_INTERVAL,
    CONFIG_LOG_LEVEL,
    CONFIG_LOG_JSON,
    CONFIG_SECURITY_ALLOW_ANONYMOUS,
    CONFIG_SECURITY_PASSWORD_FILE,
    CONFIG_SECURITY_PASSWORD_CHECKS_MAX,
    CONFIG_SECURITY_PASSWORD_CACHE_MAX,
    CONFIG_SECURITY_FAILURE_DELAY,
    CONFIG_SECURITY_FAILURE_DELAY_MAX,
    CONFIG_SECURITY_FAILURE_FORGET,
    CONFIG_SECURITY_FAILURE_ADDRESSES_MAX,
    CONFIG_FIELD_COUNT
};

struct config_field {
    const char *key; /* "section.key" */
    enum config_type type;
    size_t offset, size; /* of the member in struct config */
    uint64_t min, max;   /* CONFIG_NUMBER */
    const char *preset;  /* the default, as text */
    const char *unit;    /* "bytes", "ms", "s": strings with units are read too; or "" */
    bool restart;        /* a change takes effect with the next start only */
    const char *help;
};

/* The field with this id. Static. */
const struct config_field *config_field(enum config_field_id id);

/* Find a field by its key; false when there is none. */
bool config_field_find(struct str key, enum config_field_id *ret_id);

/* Find a field by its variable: PLEXUS_MQTT_LISTEN. name ends before the '='. */
bool config_field_find_env(struct str name, enum config_field_id *ret_id);

/* Could a variable of this name have been meant as a key: PLEXUS_MQTT_LISTENN? */
bool config_section_known_env(struct str name);

/* Is there a field in this section? */
bool config_section_known(struct str section);

/* Is a word that was written near enough to this one to have been meant? */
bool config_word_near(struct str written, const char *word);

/* The key of the table nearest to this unknown one, or NULL when none is near. */
const char *config_field_nearest(struct str key);

/* The section nearest to this unknown one, into out; false when none is near. */
bool config_section_nearest(struct str section, char *out, size_t size);
