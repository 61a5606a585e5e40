/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fields.h"

#include "base/err.h"
#include "config/config.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define KIB        1024ull
#define MIB        (1024ull * KIB)
#define GIB        (1024ull * MIB)
#define DAY_MS     86400000ull

enum { RESTART = true };

static const struct config_field fields[CONFIG_FIELD_COUNT] = {
    [CONFIG_NODE_NAME] = { "node.name", CONFIG_TEXT, AT(node.name), 0, 255, "", "", RESTART,
                           "what people call this broker; empty: the host's name" },
    [CONFIG_NODE_DATA] = { "node.data", CONFIG_TEXT, AT(node.data), 0, 4096, "", "", RESTART,
                           "directory for what must survive; empty: /var/lib/plexus/NAME, else the "
                           "user's state directory; none: nothing survives" },
    [CONFIG_MQTT_LISTEN] = { "mqtt.listen", CONFIG_LISTENS, AT(mqtt.listen), 0, 64,
                             "127.0.0.1:1883", "", RESTART, "addresses for MQTT over TCP" },
    [CONFIG_WEB_LISTEN] = { "web.listen", CONFIG_LISTENS, AT(web.listen), 0, 64, "127.0.0.1:8080",
                            "", RESTART,
                            "addresses for HTTP: MQTT over WebSocket, mesh links, pages" },
    [CONFIG_MESH_NAME] = { "mesh.name", CONFIG_TEXT, AT(mesh.name), 1, 255, "plexus", "", RESTART,
                           "the mesh; links to a mesh of another name are refused" },
    [CONFIG_MESH_JOIN] = { "mesh.join", CONFIG_URLS, AT(mesh.join), 0, 64, "", "", RESTART,
                           "peers to keep links to" },
    [CONFIG_MESH_CA_FILE] = { "mesh.ca_file", CONFIG_TEXT, AT(mesh.ca_file), 0, 4096, "", "",
                              RESTART,
                              "certificates trusted when dialling wss://; empty: the system's" },
    [CONFIG_MESH_JOIN_WAIT] = { "mesh.join_wait_ms", CONFIG_NUMBER, AT(mesh.join_wait_ms), 1, 60000,
                                "2s", "ms", RESTART,
                                "clients wait at most this long for the first link" },
    [CONFIG_MESH_STUB_ONLY] = { "mesh.stub_only", CONFIG_BOOL, AT(mesh_limits.stub_only), 0, 1,
                                "false", "", RESTART, "never carry traffic of other brokers" },
    [CONFIG_MESH_PING] = { "mesh.ping_ms", CONFIG_NUMBER, AT(mesh_limits.ping_ms), 10, 60000, "1s",
                           "ms", RESTART, "between pings on a link" },
    [CONFIG_MESH_HANDSHAKE] = { "mesh.handshake_ms", CONFIG_NUMBER, AT(mesh_limits.handshake_ms),
                                100, 600000, "10s", "ms", RESTART,
                                "until a link must carry traffic" },
    [CONFIG_MESH_DIAL_BACKOFF] = { "mesh.dial_backoff_ms", CONFIG_NUMBER,
                                   AT(mesh_limits.dial_backoff_ms), 1, 600000, "200ms", "ms",
                                   RESTART, "first pause before dialling again; doubles" },
    [CONFIG_MESH_DIAL_BACKOFF_MAX] = { "mesh.dial_backoff_max_ms", CONFIG_NUMBER,
                                       AT(mesh_limits.dial_backoff_max_ms), 1, 3600000, "30s", "ms",
                                       RESTART, "longest pause before dialling again" },
    [CONFIG_MESH_INTEREST_BATCH] = { "mesh.interest_batch_ms", CONFIG_NUMBER,
                                     AT(mesh_limits.interest_batch_ms), 1, 60000, "5ms", "ms",
                                     RESTART, "new interest is told after this long at most" },
    [CONFIG_MESH_INTEREST_LINGER] = { "mesh.interest_linger_ms", CONFIG_NUMBER,
                                      AT(mesh_limits.interest_linger_ms), 1, 600000, "2s", "ms",
                                      RESTART, "lost interest is told after this long" },
    [CONFIG_MESH_DIGEST] = { "mesh.digest_ms", CONFIG_NUMBER, AT(mesh_limits.digest_ms), 100,
                             DAY_MS, "30s", "ms", RESTART,
                             "between comparisons of what two neighbours know" },
    [CONFIG_MESH_STALE] = { "mesh.stale_ms", CONFIG_NUMBER, AT(mesh_limits.stale_ms), 1000,
                            UINT32_MAX, "15min", "ms", RESTART,
                            "a lost broker is remembered this long" },
    [CONFIG_MESH_LINKS_MAX] = { "mesh.links_max", CONFIG_NUMBER, AT(mesh_limits.links_max), 1,
                                10000, "256", "", RESTART, "links at once" },
    [CONFIG_MESH_NODES_MAX] = { "mesh.nodes_max", CONFIG_NUMBER, AT(mesh_limits.nodes_max), 1,
                                100000, "4096", "", RESTART, "brokers in the mesh" },
    [CONFIG_MESH_FILTERS_MAX] = { "mesh.filters_max", CONFIG_NUMBER, AT(mesh_limits.filters_max), 1,
                                  10000000, "1000000", "", RESTART, "topic filters of one broker" },
    [CONFIG_MESH_LINK_QUEUE_BYTES_MAX] = { "mesh.link_queue_bytes_max", CONFIG_NUMBER,
                                           AT(mesh_limits.link_queue_bytes_max), 64 * KIB, 4 * GIB,
                                           "32MiB", "bytes", RESTART,
                                           "waiting on a link, for each class of traffic" },
    [CONFIG_MESH_QOS0_AGE] = { "mesh.qos0_age_ms", CONFIG_NUMBER, AT(mesh_limits.qos0_age_ms), 1,
                               600000, "2s", "ms", RESTART,
                               "older QoS 0 messages are dropped from a link's queue" },
    [CONFIG_LIMITS_CONNECTIONS_MAX] = { "limits.connections_max", CONFIG_NUMBER,
                                        AT(limits.connections_max), 1, 10000000, "100000", "",
                                        RESTART, "connections of one listener at once" },
    [CONFIG_LIMITS_CONNECT_BYTES_MAX] = { "limits.connect_bytes_max", CONFIG_NUMBER,
                                          AT(limits.connect_bytes_max), 256, 256 * MIB, "512KiB",
                                          "bytes", RESTART,
                                          "the largest packet of a client that is not yet "
                                          "accepted" },
    [CONFIG_LIMITS_CONNECTS_BYTES_MAX] = { "limits.connects_bytes_max", CONFIG_NUMBER,
                                           AT(limits.connects_bytes_max), 4 * KIB, GIB, "16MiB",
                                           "bytes", RESTART,
                                           "kept of all clients together that are not yet "
                                           "accepted" },
    [CONFIG_LIMITS_OUT_QUEUE_BYTES_MAX] = { "limits.out_queue_bytes_max", CONFIG_NUMBER,
                                            AT(limits.out_queue_bytes_max), 4 * KIB, GIB, "1MiB",
                                            "bytes", RESTART,
                                            "waiting for a slow client's connection; what is more "
                                            "waits in its session" },
    [CONFIG_LIMITS_OUT_QUEUES_BYTES_MAX] = { "limits.out_queues_bytes_max", CONFIG_NUMBER,
                                             AT(limits.out_queues_bytes_max), 4 * KIB, GIB,
                                             "128MiB", "bytes", RESTART,
                                             "waiting for all connections: while there is room, "
                                             "one may have half of what is free" },
    [CONFIG_LIMITS_OUT_QUEUE_BYTES_HARD_MAX] = { "limits.out_queue_bytes_hard_max", CONFIG_NUMBER,
                                                 AT(limits.out_queue_bytes_hard_max), 4 * KIB, GIB,
                                                 "32MiB", "bytes", RESTART,
                                                 "beyond this a slow client's connection is "
                                                 "closed" },
    [CONFIG_LIMITS_WEBSOCKET_FRAME_BYTES_MAX] = { "limits.websocket_frame_bytes_max", CONFIG_NUMBER,
                                                  AT(limits.websocket_frame_bytes_max), 128 * KIB,
                                                  256 * MIB, "17MiB", "bytes", RESTART,
                                                  "the largest WebSocket frame that is read" },
    [CONFIG_LIMITS_HTTP_HEADER_BYTES_MAX] = { "limits.http_header_bytes_max", CONFIG_NUMBER,
                                              AT(limits.http_header_bytes_max), KIB, 32 * KIB,
                                              "8KiB", "bytes", RESTART,
                                              "the header of an HTTP request" },
    [CONFIG_LIMITS_HTTP_BODY_BYTES_MAX] = { "limits.http_body_bytes_max", CONFIG_NUMBER,
                                            AT(limits.http_body_bytes_max), KIB, 256 * MIB,
                                            "256KiB", "bytes", RESTART,
                                            "the body of an HTTP request" },
    [CONFIG_LIMITS_CLOSE_WAIT] = { "limits.close_wait_ms", CONFIG_NUMBER, AT(limits.close_wait_ms),
                                   10, 60000, "3s", "ms", RESTART,
                                   "a closing connection has this long to take what is left" },
    [CONFIG_LIMITS_PACKET_BYTES_MAX] = { "limits.packet_bytes_max", CONFIG_NUMBER,
                                         AT(core_limits.packet_bytes_max), 128, 128 * MIB, "16MiB",
                                         "bytes", RESTART,
                                         "the largest MQTT packet a client may send" },
    [CONFIG_LIMITS_RECEIVE_MAX] = { "limits.receive_max", CONFIG_NUMBER,
                                    AT(core_limits.receive_max), 1, 65535, "1024", "", false,
                                    "QoS 1 and 2 messages a client may have on the way to us" },
    [CONFIG_LIMITS_INFLIGHT_MAX] = { "limits.inflight_max", CONFIG_NUMBER,
                                     AT(core_limits.inflight_max), 1, 65535, "128", "", false,
                                     "QoS 1 and 2 messages on the way to one client" },
    [CONFIG_LIMITS_KEEP_ALIVE_MAX] = { "limits.keep_alive_max_s", CONFIG_NUMBER,
                                       AT(core_limits.keep_alive_max_s), 0, 65535, "0", "s", false,
                                       "longest keep alive; 0: whatever the client asks" },
    [CONFIG_LIMITS_CONNECT_TIMEOUT] = { "limits.connect_timeout_ms", CONFIG_NUMBER,
                                        AT(core_limits.connect_timeout_ms), 10, 600000, "10s", "ms",
                                        false, "from connecting to the CONNECT packet" },
    [CONFIG_SESSION_COUNT_MAX] = { "session.count_max", CONFIG_NUMBER, AT(core_limits.sessions_max),
                                   1, 100000000, "1000000", "", false,
                                   "sessions, connected or not" },
    [CONFIG_SESSION_EXPIRY_MAX] = { "session.expiry_max_s", CONFIG_NUMBER,
                                    AT(core_limits.session_expiry_max_s), 1, UINT32_MAX, "7d", "s",
                                    false,
                                    "longest life without connection; 4294967295: for ever" },
    [CONFIG_SESSION_SUBSCRIPTIONS_MAX] = { "session.subscriptions_max", CONFIG_NUMBER,
                                           AT(core_limits.subscriptions_max), 1, 100000000,
                                           "100000", "", false, "subscriptions of one session" },
    [CONFIG_SESSION_QUEUE_MESSAGES_MAX] = { "session.queue_messages_max", CONFIG_NUMBER,
                                            AT(core_limits.queue_messages_max), 1, 100000000,
                                            "100000", "", false, "messages waiting for a session" },
    [CONFIG_SESSION_QUEUE_BYTES_MAX] = { "session.queue_bytes_max", CONFIG_NUMBER,
                                         AT(core_limits.queue_bytes_max), 1 * KIB, 1024 * GIB,
                                         "64MiB", "bytes", false,
                                         "bytes of messages waiting for a session" },
    [CONFIG_SESSION_QUEUE_MEMORY_BYTES_MAX] = { "session.queue_memory_bytes_max", CONFIG_NUMBER,
                                                AT(core_limits.queue_memory_bytes_max), 1 * KIB,
                                                1024 * GIB, "256MiB", "bytes", false,
                                                "... of all sessions in memory; what is more "
                                                "waits on the disk alone" },
    [CONFIG_SESSION_QUEUE_QOS0] = { "session.queue_qos0", CONFIG_BOOL, AT(core_limits.queue_qos0),
                                    0, 1, "false", "", false,
                                    "QoS 0 messages wait for sessions without connection, too" },
    [CONFIG_STORE_JOURNAL_BYTES_MAX] = { "store.journal_bytes_max", CONFIG_NUMBER,
                                         AT(store.journal_bytes_max), 64 * MIB, 1024 * GIB, "1GiB",
                                         "bytes", RESTART, "of the journal on the disk" },
    [CONFIG_STORE_TABLES_BYTES_MAX] = { "store.tables_bytes_max", CONFIG_NUMBER,
                                        AT(store.tables_bytes_max), 64 * MIB, 1024 * GIB, "16GiB",
                                        "bytes", RESTART, "of the tables behind the journal" },
    [CONFIG_STORE_PENDING_BYTES_MAX] = { "store.pending_bytes_max", CONFIG_NUMBER,
                                         AT(store.pending_bytes_max), MIB, 64 * GIB, "256MiB",
                                         "bytes", RESTART,
                                         "on the way to the disk; beyond it no more is promised" },
    [CONFIG_STORE_LAZY] = { "store.lazy_ms", CONFIG_NUMBER, AT(store.lazy_ms), 1, 60000, "500ms",
                            "ms", RESTART, "what nobody waits for is on the disk after this long" },
    [CONFIG_RETAINED_MESSAGES_MAX] = { "retained.messages_max", CONFIG_NUMBER,
                                       AT(core_limits.retained_max), 1, 1000000000, "100000", "",
                                       false, "retained messages" },
    [CONFIG_RETAINED_BYTES_MAX] = { "retained.bytes_max", CONFIG_NUMBER,
                                    AT(core_limits.retained_bytes_max), 1 * KIB, 1024 * GIB,
                                    "64MiB", "bytes", false, "bytes of retained messages" },
    [CONFIG_CLIENTS_CHECK_PAYLOAD_FORMAT] = { "clients.check_payload_format", CONFIG_BOOL,
                                              AT(core_limits.check_payload_format), 0, 1, "false",
                                              "", false,
                                              "refuse payloads that are said to be text and "
                                              "are not" },
    [CONFIG_CLIENTS_RESPONSE_PREFIX] = { "clients.response_prefix", CONFIG_TEXT,
                                         AT(core_limits.response_prefix), 0, 255, "", "", RESTART,
                                         "topic below which clients that ask are told to wait "
                                         "for responses; empty: they are told nothing" },
    [CONFIG_CLIENTS_SERVER_REFERENCE] = { "clients.server_reference", CONFIG_TEXT,
                                          AT(core_limits.server_reference), 0, 255, "", "", RESTART,
                                          "where clients are sent when this broker stops; "
                                          "empty: nowhere" },
    [CONFIG_CLIENTS_SERVER_MOVED] = { "clients.server_moved", CONFIG_BOOL,
                                      AT(core_limits.server_moved), 0, 1, "false", "", false,
                                      "... and that for good" },
    [CONFIG_CLIENTS_SYS_INTERVAL] = { "clients.sys_interval_s", CONFIG_NUMBER,
                                      AT(core_limits.sys_interval_s), 1, 86400, "10s", "s", false,
                                      "between publications of $SYS topics" },
    [CONFIG_LOG_LEVEL] = { "log.level", CONFIG_LEVEL, AT(log.level), 0, 0, "info", "", false,
                           "error, warn, info or debug" },
    [CONFIG_LOG_JSON] = { "log.json", CONFIG_BOOL, AT(log.json), 0, 1, "false", "", false,
                          "one JSON object a line instead of text" },
    [CONFIG_SECURITY_ALLOW_ANONYMOUS] = { "security.allow_anonymous", CONFIG_BOOL,
                                          AT(security.allow_anonymous), 0, 1, "true", "", false,
                                          "let clients in that say no name; false where there is "
                                          "a password file; without one it must be written where "
                                          "a listener is not on loopback" },
    [CONFIG_SECURITY_PASSWORD_FILE] = { "security.password_file", CONFIG_TEXT,
                                        AT(security.password_file), 0, 4096, "", "", false,
                                        "users and what verifies their passwords, as plexus "
                                        "passwd writes it; empty: none" },
    [CONFIG_SECURITY_PASSWORD_CHECKS_MAX] = { "security.password_checks_max", CONFIG_NUMBER,
                                              AT(security.password_checks_max), 1, 1000000, "250",
                                              "", false,
                                              "clients whose password is being checked; more are "
                                              "told that the broker is busy" },
    [CONFIG_SECURITY_PASSWORD_CACHE_MAX] = { "security.password_cache_max", CONFIG_NUMBER,
                                             AT(security.password_cache_max), 0, 10000000, "10000",
                                             "", RESTART,
                                             "verified passwords that are known again without the "
                                             "work; 0: none" },
    [CONFIG_SECURITY_FAILURE_DELAY] = { "security.failure_delay_ms", CONFIG_NUMBER,
                                        AT(security.failure_delay_ms), 0, 600000, "500ms", "ms",
                                        false,
                                        "the refusal of a wrong password waits so long; doubles "
                                        "with each of the same address; 0: it does not wait" },
    [CONFIG_SECURITY_FAILURE_DELAY_MAX] = { "security.failure_delay_max_ms", CONFIG_NUMBER,
                                            AT(security.failure_delay_max_ms), 0, 600000, "5s",
                                            "ms", false, "the longest such wait" },
    [CONFIG_SECURITY_FAILURE_FORGET] = { "security.failure_forget_ms", CONFIG_NUMBER,
                                         AT(security.failure_forget_ms), 1, 86400000, "10min", "ms",
                                         false, "wrong passwords of an address are remembered" },
    [CONFIG_SECURITY_FAILURE_ADDRESSES_MAX] = { "security.failure_addresses_max", CONFIG_NUMBER,
                                                AT(security.failure_addresses_max), 1, 10000000,
                                                "20000", "", false,
                                                "addresses that are remembered for wrong "
                                                "passwords" },
};

const struct config_field *config_field(enum config_field_id id)
{
    assert(id < CONFIG_FIELD_COUNT);
    return &fields[id];
}

bool config_field_find(struct str key, enum config_field_id *ret_id)
{
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        if (str_equal(key, str_from_c(fields[i].key))) {
            *ret_id = (enum config_field_id)i;
            return true;
        }
    }
    return false;
}

/* "PLEXUS_MQTT_LISTEN" as "mqtt.listen", into key; false when it cannot be one. */
static bool key_of_env(struct str name, char key[64], struct str *ret_key)
{
    static const struct str prefix = { "PLEXUS_", 7 };

    if (!str_starts_with(name, prefix) || name.len - prefix.len >= 64)
        return false;
    size_t len = name.len - prefix.len, dot = str_find(name, '_', prefix.len) - prefix.len;
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[prefix.len + i];
        key[i] = i == dot ? '.' : (char)tolower((unsigned char)c);
    }
    *ret_key = (struct str){ key, len };
    return true;
}

bool config_field_find_env(struct str name, enum config_field_id *ret_id)
{
    char buffer[64];
    struct str key;

    return key_of_env(name, buffer, &key) && config_field_find(key, ret_id);
}

bool config_section_known_env(struct str name)
{
    char buffer[64];
    struct str key;

    return key_of_env(name, buffer, &key) &&
           config_section_known(str_slice(key, 0, str_find(key, '.', 0)));
}

/* The section of a key: what stands before the dot. */
static struct str section_of(const char *key)
{
    return (struct str){ key, strcspn(key, ".") };
}

bool config_section_known(struct str section)
{
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        if (str_equal(section, section_of(fields[i].key)))
            return true;
    }
    return false;
}

/* How many letters must be added, dropped or replaced to get from a to b (Levenshtein). */
static size_t distance(struct str a, struct str b)
{
    size_t row[65];

    if (a.len > 64 || b.len > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = corner + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            corner = above;
        }
    }
    return row[b.len];
}

/* Near enough to be what was meant: at most half of it is wrong. */
static bool is_near(size_t letters, struct str written)
{
    return letters <= written.len / 2 + 1;
}

bool config_word_near(struct str written, const char *word)
{
    return is_near(distance(written, str_from_c(word)), written);
}

bool config_section_nearest(struct str section, char *out, size_t size)
{
    size_t best = SIZE_MAX;

    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        struct str candidate = section_of(fields[i].key);
        size_t letters = distance(section, candidate);
        if (letters < best) {
            best = letters;
            snprintf(out, size, "%.*s", STR_ARG(candidate));
        }
    }
    return is_near(best, section);
}

const char *config_field_nearest(struct str key)
{
    struct str section = str_slice(key, 0, str_find(key, '.', 0));
    char meant[32];
    /* In a section that is known or nearly so, only its own keys can have been meant. */
    bool within = config_section_nearest(section, meant, sizeof meant);
    size_t best = SIZE_MAX;
    const char *nearest = NULL;

    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        if (within && !str_equal(str_from_c(meant), section_of(fields[i].key)))
            continue;
        size_t letters = distance(key, str_from_c(fields[i].key));
        if (letters < best) {
            best = letters;
            nearest = fields[i].key;
        }
    }
    return within || is_near(best, key) ? nearest : NULL;
}
