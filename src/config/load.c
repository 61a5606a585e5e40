/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "config/config.h"
#include "config/json_text.h"
#include "config/value.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENERS "listeners"

enum { FILE_BYTES_MAX = 16 << 20, KEY_CHARS_MAX = 128 };

/* ":LINE:COLUMN" of the key at the path, or nothing. */
static void key_position(const struct config_place *place, const char *section, const char *key,
                         char *out, size_t size)
{
    struct json_step path[] = { { section, 0 }, { key, 0 } };
    struct json_position at;

    out[0] = '\0';
    if (json_text_find(place->text, path, key ? 2 : 1, true, &at))
        snprintf(out, size, ":%u:%u", at.line, at.column);
}

static void load_section(struct config *config, const char *section, json_t *members,
                         const struct config_place *place, struct config_report *report)
{
    const char *key;
    json_t *value;

    json_object_foreach(members, key, value)
    {
        char path[KEY_CHARS_MAX], where[32];
        enum config_field_id id;
        snprintf(path, sizeof path, "%s.%s", section, key);
        if (config_field_find(str_from_c(path), &id)) {
            config_value_set(config, id, value, false, place, report);
            continue;
        }
        key_position(place, section, key, where, sizeof where);
        const char *nearest = config_field_nearest(str_from_c(path));
        config_report_error(report, "%s%s: unknown key %s%s%s%s", place->name, where, path,
                            nearest ? ", did you mean " : "", nearest ? nearest : "",
                            nearest ? "?" : "");
    }
}

static void load_root(struct config *config, json_t *root, const struct config_place *place,
                      struct config_report *report)
{
    const char *section;
    json_t *members;

    if (!json_is_object(root)) {
        config_report_error(report, "%s:1:1: found a list, allowed: an object of sections",
                            place->name);
        return;
    }
    json_object_foreach(root, section, members)
    {
        char where[32], nearest[32];
        if (strcmp(section, LISTENERS) == 0) {
            config_listeners_set(config, members, place, report);
            continue;
        }
        key_position(place, section, NULL, where, sizeof where);
        if (!config_section_known(str_from_c(section))) {
            bool near = config_section_nearest(str_from_c(section), nearest, sizeof nearest);
            config_report_error(report, "%s%s: unknown key %s%s%s%s", place->name, where, section,
                                near ? ", did you mean " : "", near ? nearest : "",
                                near ? "?" : "");
        } else if (!json_is_object(members)) {
            config_report_error(report, "%s%s: %s: allowed: an object of keys", place->name, where,
                                section);
        } else {
            load_section(config, section, members, place, report);
        }
    }
}

int config_load_text(struct config *config, const char *name, struct str text,
                     struct config_report *report)
{
    char *copy = str_to_c(text), *file = strdup(name);
    struct config_place place = { name, { copy, text.len }, CONFIG_FILE };
    json_error_t error;

    if (!copy || !file) {
        free(copy);
        free(file);
        return ERR_NOMEM;
    }
    free(config->file);
    config->file = file;
    json_text_blank_comments(copy, text.len);
    json_t *root = json_loadb(copy, text.len, JSON_REJECT_DUPLICATES, &error);
    if (root)
        load_root(config, root, &place, report);
    else
        config_report_error(report, "%s:%d:%d: not JSON: %s", name, error.line, error.column,
                            error.text);
    json_decref(root);
    free(copy);
    return config_report_err(report);
}

/* The whole file into ret_text; ERR_OK, ERR_IO with errno set, ERR_TOO_LARGE, ERR_NOMEM. */
static int read_file(const char *path, struct buf *ret_text)
{
    FILE *file = fopen(path, "re");
    size_t got = 1;

    if (!file)
        return ERR_IO;
    while (got > 0 && ret_text->len <= FILE_BYTES_MAX) {
        uint8_t *room = buf_reserve(ret_text, 4096);
        if (!room)
            break;
        got = fread(room, 1, 4096, file);
        buf_advance(ret_text, got);
    }
    int err = ferror(file) ? ERR_IO : ret_text->failed ? ERR_NOMEM : got ? ERR_TOO_LARGE : ERR_OK;
    int saved = errno;
    fclose(file);
    errno = saved;
    return err;
}

int config_load(struct config *config, const char *path, struct config_report *report)
{
    struct buf text = { 0 };

    int err = read_file(path, &text);
    if (err == ERR_OK)
        err = config_load_text(config, path, buf_str(&text), report);
    else
        config_report_error(report, "%s: cannot be read: %s", path,
                            err == ERR_IO ? strerror(errno) : err_text(err));
    buf_finish(&text);
    return err;
}

/* Set a field from text, whatever the text came from. */
static void set_from_text(struct config *config, enum config_field_id id, const char *text,
                          bool append, const struct config_place *place,
                          struct config_report *report)
{
    json_t *value = config_value_from_text(config_field(id), text);

    if (value)
        config_value_set(config, id, value, append, place, report);
    else
        config_report_error(report, "%s: %s: the text is not UTF-8", place->name,
                            config_field(id)->key);
    json_decref(value);
}

/* The listeners as JSON in a text. */
static void listeners_from_text(struct config *config, const char *text,
                                const struct config_place *place, struct config_report *report)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (value)
        config_listeners_set(config, value, place, report);
    else
        config_report_error(report, "%s: %s: not JSON: %s", place->name, LISTENERS, error.text);
    json_decref(value);
}

int config_load_env(struct config *config, const char *const *env, struct config_report *report)
{
    for (; *env; env++) {
        struct str entry = str_from_c(*env), name = str_slice(entry, 0, str_find(entry, '=', 0));
        char variable[KEY_CHARS_MAX];
        enum config_field_id id;
        if (name.len == entry.len || !str_starts_with(name, STR("PLEXUS_")))
            continue;
        snprintf(variable, sizeof variable, "%.*s", STR_ARG(name));
        struct config_place place = { .name = variable, .source = CONFIG_ENV };
        if (str_equal(name, STR("PLEXUS_LISTENERS")))
            listeners_from_text(config, *env + name.len + 1, &place, report);
        else if (config_field_find_env(name, &id))
            set_from_text(config, id, *env + name.len + 1, false, &place, report);
        else if (config_section_known_env(name))
            config_report_warning(report, "%s: no key of the configuration, ignored", variable);
    }
    return config_report_err(report);
}

int config_set(struct config *config, const char *key, const char *text, bool append,
               const char *where, struct config_report *report)
{
    struct config_place place = { .name = where, .source = CONFIG_FLAG };
    enum config_field_id id;

    if (strcmp(key, LISTENERS) == 0) {
        listeners_from_text(config, text, &place, report);
        return config_report_err(report);
    }
    if (config_field_find(str_from_c(key), &id)) {
        set_from_text(config, id, text, append, &place, report);
        return config_report_err(report);
    }
    const char *nearest = config_field_nearest(str_from_c(key));
    config_report_error(report, "%s: unknown key %s%s%s%s", where, key,
                        nearest ? ", did you mean " : "", nearest ? nearest : "",
                        nearest ? "?" : "");
    return config_report_err(report);
}

int config_init(struct config *config)
{
    struct config_report report = { 0 };
    struct config_place place = { .name = "default", .source = CONFIG_DEFAULT };

    *config = (struct config){ 0 };
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
        const struct config_field *field = config_field((enum config_field_id)i);
        set_from_text(config, (enum config_field_id)i, field->preset, false, &place, &report);
    }
    int err = config_report_err(&report);
    assert(err != ERR_INVALID); /* the table contradicts itself */
    config_report_finish(&report);
    return err;
}

void config_finish(struct config *config)
{
    for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++)
        config_value_finish(config, (enum config_field_id)i);
    config_listeners_finish(&config->listeners);
    free(config->file);
    *config = (struct config){ 0 };
}
