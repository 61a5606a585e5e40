/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/err.h"
#include "config/address.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void config_origin_text(const struct config *config, enum config_field_id id, char *out,
                        size_t size)
{
    const struct config_origin *origin = &config->origins[id];
    struct buf text = { 0 };

    switch (origin->source) {
    case CONFIG_DEFAULT: break;
    case CONFIG_FILE:
        buf_printf(&text, "%s:%u:%u: ", config->file ? config->file : "configuration", origin->line,
                   origin->column);
        break;
    case CONFIG_ENV: buf_printf(&text, "environment: "); break;
    case CONFIG_FLAG: buf_printf(&text, "command line: "); break;
    }
    size_t len = text.failed || text.len >= size ? 0 : text.len;
    if (len)
        memcpy(out, text.data, len);
    out[len] = '\0';
    buf_finish(&text);
}

void config_settle(struct config *config)
{
    bool written = config->origins[CONFIG_SECURITY_ALLOW_ANONYMOUS].source != CONFIG_DEFAULT;

    if (!written && config->security.password_file[0])
        config->security.allow_anonymous = false;
}

/* Strangers may come in from outside only where somebody wrote so. Where there is no
 * password file either, a listener that lets nobody in is refused too. */
static void check_anonymous(const struct config *config, enum config_field_id id,
                            const struct config_strings *listens, struct config_report *report)
{
    bool written = config->origins[CONFIG_SECURITY_ALLOW_ANONYMOUS].source != CONFIG_DEFAULT;
    bool said = config->security.password_file[0] || (written && config->security.allow_anonymous);
    char origin[512];

    for (size_t i = 0; i < listens->len; i++) {
        struct config_address address;
        if (said || config_address_parse(str_from_c(listens->at[i]), &address) != ERR_OK ||
            config_address_is_loopback(&address))
            continue;
        config_origin_text(config, id, origin, sizeof origin);
        config_report_error(report,
                            "%s%s: %s can be reached from outside and %s; name a file of users "
                            "with --set security.password_file=FILE (plexus passwd makes it), or "
                            "to let everybody in, write --set security.allow_anonymous=true or "
                            "\"security\": {\"allow_anonymous\": true}",
                            origin, config_field(id)->key, listens->at[i],
                            written ? "security.allow_anonymous is false, so nobody may enter"
                                    : "nothing says who may enter");
    }
}

/* A password file says who may enter, but not to links of other brokers. */
static void check_mesh(const struct config *config, struct config_report *report)
{
    const struct config_strings *listens = &config->web.listen;
    char origin[512];

    for (size_t i = 0; config->security.password_file[0] && i < listens->len; i++) {
        struct config_address address;
        if (config_address_parse(str_from_c(listens->at[i]), &address) != ERR_OK ||
            config_address_is_loopback(&address))
            continue;
        config_origin_text(config, CONFIG_WEB_LISTEN, origin, sizeof origin);
        config_report_warning(report,
                              "%sweb.listen: %s can be reached from outside and serves /mesh, "
                              "where nobody is asked for a password; a listener of listeners "
                              "says what it serves",
                              origin, listens->at[i]);
    }
}

bool config_same_address(const char *a, const char *b)
{
    struct config_address one, two;

    return config_address_parse(str_from_c(a), &one) == ERR_OK &&
           config_address_parse(str_from_c(b), &two) == ERR_OK &&
           (one.kind != CONFIG_ADDRESS_IP || one.port != 0) && one.kind == two.kind &&
           one.port == two.port && strcmp(one.host, two.host) == 0;
}

/* Each address of a list against those before it, and all of other. */
static void check_clashes(const struct config *config, enum config_field_id id,
                          const struct config_strings *listens, const struct config_strings *other,
                          struct config_report *report)
{
    char origin[512];

    config_origin_text(config, id, origin, sizeof origin);
    for (size_t i = 0; i < listens->len; i++) {
        bool clash = false;
        for (size_t j = 0; j < i; j++)
            clash |= config_same_address(listens->at[i], listens->at[j]);
        for (size_t j = 0; other && j < other->len; j++)
            clash |= config_same_address(listens->at[i], other->at[j]);
        if (clash)
            config_report_error(report, "%s%s: %s is used by two listeners", origin,
                                config_field(id)->key, listens->at[i]);
    }
}

/* The field low must not be above the field high. */
static void check_order(const struct config *config, enum config_field_id low, uint64_t low_value,
                        enum config_field_id high, uint64_t high_value,
                        struct config_report *report)
{
    char origin[512];

    if (low_value <= high_value)
        return;
    config_origin_text(config, low, origin, sizeof origin);
    config_report_error(report, "%s%s: found %" PRIu64 ", allowed: at most %s, which is %" PRIu64,
                        origin, config_field(low)->key, low_value, config_field(high)->key,
                        high_value);
}

int config_check(const struct config *config, struct config_report *report)
{
    check_anonymous(config, CONFIG_MQTT_LISTEN, &config->mqtt.listen, report);
    check_anonymous(config, CONFIG_WEB_LISTEN, &config->web.listen, report);
    check_mesh(config, report);
    check_clashes(config, CONFIG_MQTT_LISTEN, &config->mqtt.listen, NULL, report);
    check_clashes(config, CONFIG_WEB_LISTEN, &config->web.listen, &config->mqtt.listen, report);
    config_listeners_check(config, report);
    check_order(config, CONFIG_MESH_DIAL_BACKOFF, config->mesh_limits.dial_backoff_ms,
                CONFIG_MESH_DIAL_BACKOFF_MAX, config->mesh_limits.dial_backoff_max_ms, report);
    check_order(config, CONFIG_LIMITS_OUT_QUEUE_BYTES_MAX, config->limits.out_queue_bytes_max,
                CONFIG_LIMITS_OUT_QUEUE_BYTES_HARD_MAX, config->limits.out_queue_bytes_hard_max,
                report);
    check_order(config, CONFIG_LIMITS_PACKET_BYTES_MAX, config->core_limits.packet_bytes_max,
                CONFIG_LIMITS_WEBSOCKET_FRAME_BYTES_MAX, config->limits.websocket_frame_bytes_max,
                report);
    return config_report_err(report);
}

static const void *member(const struct config *config, const struct config_field *field)
{
    return (const char *)config + field->offset;
}

static bool strings_equal(const struct config_strings *a, const struct config_strings *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    }
    return true;
}

bool config_differs(const struct config *a, const struct config *b, enum config_field_id id)
{
    const struct config_field *field = config_field(id);

    switch (field->type) {
    case CONFIG_BOOL:
    case CONFIG_NUMBER:
    case CONFIG_CHOICE:
    case CONFIG_CHOICES:
    case CONFIG_LEVEL: return memcmp(member(a, field), member(b, field), field->size) != 0;
    case CONFIG_LISTEN:
    case CONFIG_TEXT:
        return strcmp(*(char *const *)member(a, field), *(char *const *)member(b, field)) != 0;
    case CONFIG_LISTENS:
    case CONFIG_TEXTS:
    case CONFIG_BLOCKS:
    case CONFIG_URLS: return !strings_equal(member(a, field), member(b, field));
    }
    return false;
}

void config_print(const struct config *config, enum config_field_id id, struct buf *out)
{
    static const char *const levels[] = { "error", "warn", "info", "debug" };
    const struct config_field *field = config_field(id);
    const void *at = member(config, field);
    const struct config_strings *strings = at;

    switch (field->type) {
    case CONFIG_BOOL: buf_printf(out, "%s", *(const bool *)at ? "true" : "false"); return;
    case CONFIG_NUMBER:
        buf_printf(out, "%llu",
                   field->size == 2   ? *(const uint16_t *)at
                   : field->size == 4 ? *(const uint32_t *)at
                                      : (unsigned long long)*(const uint64_t *)at);
        return;
    case CONFIG_CHOICE:
    case CONFIG_CHOICES: buf_printf(out, "%u", *(const uint32_t *)at); return;
    case CONFIG_LISTEN:
    case CONFIG_TEXT: buf_printf(out, "%s", *(char *const *)at); return;
    case CONFIG_LEVEL: buf_printf(out, "%s", levels[*(const enum log_level *)at]); return;
    case CONFIG_LISTENS:
    case CONFIG_TEXTS:
    case CONFIG_BLOCKS:
    case CONFIG_URLS:
        for (size_t i = 0; i < strings->len; i++)
            buf_printf(out, "%s%s", i ? "," : "", strings->at[i]);
        return;
    }
}

struct core_config config_core(const struct config *config)
{
    struct core_config core = config->core_limits;

    core.deny_anonymous = !config->security.allow_anonymous;
    /* Who says a name says it in vain where nobody is known and nobody else may come in. */
    core.ask_methods = config->security.password_file[0] != '\0';
    core.ask_passwords = core.ask_methods || core.deny_anonymous;
    return core;
}

struct mesh_config config_mesh(const struct config *config, struct str *seeds)
{
    struct mesh_config mesh = config->mesh_limits;

    for (size_t i = 0; i < config->mesh.join.len; i++)
        seeds[i] = str_from_c(config->mesh.join.at[i]);
    mesh.name = str_from_c(config->node.name);
    mesh.mesh_name = str_from_c(config->mesh.name);
    mesh.seeds = seeds;
    mesh.seed_count = config->mesh.join.len;
    return mesh;
}

void config_adopt(struct config *config, const struct config *next, enum config_field_id id)
{
    const struct config_field *field = config_field(id);

    char *at = (char *)config + field->offset, *text = NULL;

    assert(!field->restart && field->type != CONFIG_LISTENS && field->type != CONFIG_URLS);
    if (field->type == CONFIG_TEXT) {
        text = strdup(*(char *const *)member(next, field));
        if (!text)
            return;
        free(*(char **)(void *)at);
    }
    memcpy(at, text ? (const void *)&text : member(next, field), field->size);
    config->origins[id] = next->origins[id];
}
