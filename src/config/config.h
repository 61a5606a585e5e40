/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a broker: one JSON file, environment variables and flags, in that
 * order, read strictly through one table of fields (config/fields.h).
 *
 * Nothing stops at the first mistake: every problem goes into a report, with its place,
 * its key, what was found and what is allowed, and the caller looks at the report once.
 * A config is used by value; it owns its strings. */
#pragma once

#include "base/log.h"
#include "config/fields.h"
#include "config/listeners.h"
#include "config/report.h"
#include "core/core.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a value came from. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

struct config_origin {
    enum config_source source;
    unsigned line, column; /* CONFIG_FILE: from 1 */
};

/* The members are filled by the table, a key each. core and mesh hold only what the table
 * names; config_core and config_mesh make whole ones. */
struct config {
    struct {
        char *name; /* "" : the host's name */
        char *data; /* "" : the usual place; "none": nothing survives */
    } node;
    struct {
        uint64_t journal_bytes_max, tables_bytes_max, pending_bytes_max;
        uint32_t lazy_ms;
    } store;
    struct {
        struct config_strings listen;
    } mqtt;
    struct {
        struct config_strings listen;
    } web;
    struct {
        char *name;
        struct config_strings join;
        char *ca_file; /* "": the system's */
        uint32_t join_wait_ms;
    } mesh;
    struct {
        uint32_t connections_max; /* of each listener */
        uint32_t connect_bytes_max;
        uint32_t connects_bytes_max;
        uint32_t out_queue_bytes_max;
        uint32_t out_queues_bytes_max;
        uint32_t out_queue_bytes_hard_max;
        uint32_t websocket_frame_bytes_max;
        uint32_t http_header_bytes_max;
        uint32_t http_body_bytes_max;
        uint32_t close_wait_ms;
    } limits;
    struct {
        bool json;
        enum log_level level;
    } log;
    struct {
        bool allow_anonymous;
        char *password_file; /* "": none */
        uint32_t password_checks_max;
        uint32_t password_cache_max;
        uint32_t failure_delay_ms; /* 0: never */
        uint32_t failure_delay_max_ms;
        uint32_t failure_forget_ms;
        uint32_t failure_addresses_max;
    } security;
    struct config_listeners listeners;
    struct core_config core_limits;
    struct mesh_config mesh_limits;
    char *file; /* the file that was read, for messages; NULL: none */
    struct config_origin origins[CONFIG_FIELD_COUNT];
};

/* The defaults, every field. ERR_OK or ERR_NOMEM. */
int config_init(struct config *config);

/* Free what the config owns. Accepts a zeroed one. */
void config_finish(struct config *config);

/* Read the file over what is there. ERR_OK, or ERR_INVALID when the report grew. */
int config_load(struct config *config, const char *path, struct config_report *report);

/* The same from a text in memory that people know by this name. */
int config_load_text(struct config *config, const char *name, struct str text,
                     struct config_report *report);

/* Take PLEXUS_SECTION_KEY variables from an environment as main gets it. Variables that
 * are no key are a warning at most: container platforms inject their own. */
int config_load_env(struct config *config, const char *const *env, struct config_report *report);

/* Set one key from text: `--set limits.packet_bytes_max=1MiB`. where names the place for
 * messages ("--mqtt"). Lists are replaced, or grow when append is set; in text they are
 * separated by commas. */
int config_set(struct config *config, const char *key, const char *text, bool append,
               const char *where, struct config_report *report);

/* "plexus.json:3:12: " or what else says where the field was written, into out. */
void config_origin_text(const struct config *config, enum config_field_id id, char *out,
                        size_t size);

/* Would the second listener find the address taken by the first? */
bool config_same_address(const char *a, const char *b);

/* Settle what is by default as another field says. Once, when all is read. */
void config_settle(struct config *config);

/* What no single field can know: addresses that clash, strangers that could come in. */
int config_check(const struct config *config, struct config_report *report);

/* Does this field differ between the two? */
bool config_differs(const struct config *a, const struct config *b, enum config_field_id id);

/* Take over the value of a field that needs no restart; a text stays as it was when memory
 * is out. */
void config_adopt(struct config *config, const struct config *next, enum config_field_id id);

/* The value of a field as text, for messages, appended to out. */
void config_print(const struct config *config, enum config_field_id id, struct buf *out);

/* The limits as core and mesh take them; strings stay owned by the config. seeds: room
 * for one str per element of mesh.join. Identity and seeds of randomness are the caller's. */
struct core_config config_core(const struct config *config);
struct mesh_config config_mesh(const struct config *config, struct str *seeds);
