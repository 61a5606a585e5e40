/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include "base/err.h"
#include "base/ip.h"
#include "config/address.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUND_CHARS_MAX = 60, NO_ELEMENT = -1, PATH_STEPS_MAX = 8 };

/* One attempt to set a field. */
struct attempt {
    const struct config_target *target;
    const struct config_field *field;
    const struct config_place *place;
    struct config_report *report;
};

static void *member(const struct attempt *attempt)
{
    return (char *)attempt->target->base + attempt->field->offset;
}

static bool find_position(const struct attempt *attempt, int element, struct json_position *ret)
{
    const struct config_target *target = attempt->target;
    struct json_step path[PATH_STEPS_MAX];

    assert(target->steps < PATH_STEPS_MAX);
    if (attempt->place->text.len == 0)
        return false;
    for (size_t i = 0; i < target->steps; i++)
        path[i] = target->path[i];
    path[target->steps] = (struct json_step){ NULL, (size_t)element };
    return json_text_find(attempt->place->text, path,
                          target->steps + (element == NO_ELEMENT ? 0 : 1), false, ret);
}

static void describe_allowed(const struct config_field *field, bool element, char *out, size_t size)
{
    switch (field->type) {
    case CONFIG_BOOL: snprintf(out, size, "true or false"); return;
    case CONFIG_NUMBER:
        snprintf(out, size, "a number from %" PRIu64 " to %" PRIu64 "%s%s%s", field->min,
                 field->max, field->unit[0] ? " " : "", field->unit,
                 strcmp(field->unit, "bytes") == 0 ? " (or a text like \"8MiB\")"
                 : field->unit[0]                  ? " (or a text like \"5s\")"
                                                   : "");
        return;
    case CONFIG_TEXT:
        snprintf(out, size, "a text of %" PRIu64 " to %" PRIu64 " bytes", field->min, field->max);
        return;
    case CONFIG_LEVEL: snprintf(out, size, "\"error\", \"warn\", \"info\" or \"debug\""); return;
    case CONFIG_LISTENS:
    case CONFIG_LISTEN:
        snprintf(out, size, "%s\"ADDRESS:PORT\" or \"PORT\", the address in digits%s",
                 element || field->type == CONFIG_LISTEN ? "" : "a list of ",
                 field->type == CONFIG_LISTEN ? ", \"unix:/PATH\" or \"systemd:NAME\"" : "");
        return;
    case CONFIG_TEXTS: snprintf(out, size, "%s", element ? "a text" : "a list of texts"); return;
    case CONFIG_BLOCKS:
        snprintf(out, size, "%s\"10.0.0.0/8\", \"::1\" or \"unix:\"", element ? "" : "a list of ");
        return;
    case CONFIG_CHOICE:
    case CONFIG_CHOICES:
        snprintf(out, size, "%s%s", field->type == CONFIG_CHOICE || element ? "" : "a list of ",
                 field->unit);
        return;
    case CONFIG_URLS:
        snprintf(out, size, "%s\"ws://HOST:PORT/mesh\" or \"wss://...\"",
                 element ? "" : "a list of ");
        return;
    }
}

/* Note that value, or the element of it with this index, is not what the field takes. */
static void refuse(const struct attempt *attempt, const json_t *value, int element)
{
    struct json_position position;
    char where[32] = "", index[16] = "", allowed[160] = "";
    char *found = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    bool cut = found && strlen(found) > FOUND_CHARS_MAX;

    if (find_position(attempt, element, &position))
        snprintf(where, sizeof where, ":%u:%u", position.line, position.column);
    if (element != NO_ELEMENT)
        snprintf(index, sizeof index, "[%d]", element);
    describe_allowed(attempt->field, element != NO_ELEMENT, allowed, sizeof allowed);
    config_report_error(attempt->report, "%s%s: %s%s: found %.*s%s, allowed: %s",
                        attempt->place->name, where, attempt->target->label, index, FOUND_CHARS_MAX,
                        found ? found : "?", cut ? "..." : "", allowed);
    free(found);
}

int config_quantity_parse(const char *text, const char *unit, uint64_t *ret_value)
{
    static const struct {
        const char *unit, *suffix;
        uint64_t factor;
    } suffixes[] = {
        { "bytes", "B", 1 },
        { "bytes", "KiB", 1ull << 10 },
        { "bytes", "MiB", 1ull << 20 },
        { "bytes", "GiB", 1ull << 30 },
        { "bytes", "kB", 1000 },
        { "bytes", "MB", 1000000 },
        { "bytes", "GB", 1000000000 },
        { "ms", "ms", 1 },
        { "ms", "s", 1000 },
        { "ms", "min", 60000 },
        { "ms", "h", 3600000 },
        { "s", "s", 1 },
        { "s", "min", 60 },
        { "s", "h", 3600 },
        { "s", "d", 86400 },
    };
    uint64_t value = 0, factor = 1;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return ERR_INVALID;
    }
    if (at == text)
        return ERR_INVALID;
    if (*at) {
        factor = 0;
        for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
            if (strcmp(suffixes[i].unit, unit) == 0 && strcmp(suffixes[i].suffix, at) == 0)
                factor = suffixes[i].factor;
        }
    }
    if (factor == 0 || __builtin_mul_overflow(value, factor, &value))
        return ERR_INVALID;
    *ret_value = value;
    return ERR_OK;
}

static bool set_number(const struct attempt *attempt, const json_t *value)
{
    const struct config_field *field = attempt->field;
    void *at = member(attempt);
    uint64_t number = 0;

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        number = (uint64_t)json_integer_value(value);
    else if (!json_is_string(value) || !field->unit[0] ||
             config_quantity_parse(json_string_value(value), field->unit, &number) != ERR_OK)
        return false;
    if (number < field->min || number > field->max)
        return false;
    switch (field->size) {
    case 2: *(uint16_t *)at = (uint16_t)number; return true;
    case 4: *(uint32_t *)at = (uint32_t)number; return true;
    case 8: *(uint64_t *)at = number; return true;
    }
    assert(!"a number of a width that the table does not use");
    return false;
}

static bool set_text(const struct attempt *attempt, const json_t *value)
{
    char **at = member(attempt);
    size_t len = json_string_length(value);

    if (!json_is_string(value) || len < attempt->field->min || len > attempt->field->max)
        return false;
    char *copy = strdup(json_string_value(value));
    if (!copy) {
        attempt->report->failed = true;
        return true;
    }
    free(*at);
    *at = copy;
    return true;
}

static bool element_ok(const struct config_field *field, const json_t *element)
{
    struct config_address address;
    struct ip_block block;

    if (!json_is_string(element))
        return false;
    struct str text = str_from_c(json_string_value(element));
    if (field->type == CONFIG_TEXTS)
        return text.len > 0;
    if (field->type == CONFIG_BLOCKS)
        return ip_block_parse(text, &block) == ERR_OK;
    return field->type == CONFIG_URLS ? config_url_check(text) == ERR_OK
                                      : config_address_parse(text, &address) == ERR_OK;
}

static void strings_finish(struct config_strings *strings)
{
    vec_each (strings, text)
        free(*text);
    vec_finish(strings);
}

/* Lists report each bad element by itself; false only for what is no list. */
static bool set_list(const struct attempt *attempt, const json_t *value, bool append)
{
    struct config_strings *strings = member(attempt);
    size_t before = attempt->report->errors, index;
    json_t *element;

    if (!json_is_array(value) || json_array_size(value) > attempt->field->max)
        return false;
    json_array_foreach(value, index, element)
    {
        if (!element_ok(attempt->field, element))
            refuse(attempt, element, (int)index);
    }
    if (attempt->report->errors > before)
        return true;
    if (!append)
        strings_finish(strings);
    json_array_foreach(value, index, element)
    {
        char *copy = strdup(json_string_value(element));
        char **slot = copy ? vec_push(strings) : NULL;
        if (!slot) {
            free(copy);
            attempt->report->failed = true;
            return true;
        }
        *slot = copy;
    }
    return true;
}

static bool set_bool(const struct attempt *attempt, const json_t *value)
{
    if (!json_is_boolean(value))
        return false;
    *(bool *)member(attempt) = json_is_true(value);
    return true;
}

static bool set_level(const struct attempt *attempt, const json_t *value)
{
    return json_is_string(value) && log_level_parse(json_string_value(value), member(attempt));
}

/* The position of a word among "a|b|c", or -1. */
static int word_index(const char *words, const json_t *word)
{
    size_t len = json_string_length(word);
    int index = 0;

    for (const char *at = words; json_is_string(word) && *at; index++) {
        size_t each = strcspn(at, "|");
        if (each == len && memcmp(at, json_string_value(word), len) == 0)
            return index;
        at += each + (at[each] == '|');
    }
    return -1;
}

static bool set_choice(const struct attempt *attempt, const json_t *value)
{
    int index = word_index(attempt->field->unit, value);

    if (index >= 0)
        *(uint32_t *)member(attempt) = (uint32_t)index;
    return index >= 0;
}

static bool set_choices(const struct attempt *attempt, const json_t *value)
{
    uint32_t mask = 0;
    size_t index;
    json_t *element;

    if (!json_is_array(value))
        return false;
    json_array_foreach(value, index, element)
    {
        int word = word_index(attempt->field->unit, element);
        if (word < 0)
            refuse(attempt, element, (int)index);
        else
            mask |= 1u << word;
    }
    *(uint32_t *)member(attempt) = mask;
    return true;
}

static bool set_listen(const struct attempt *attempt, const json_t *value)
{
    struct config_address address;

    return json_is_string(value) &&
           config_address_parse(str_from_c(json_string_value(value)), &address) == ERR_OK &&
           set_text(attempt, value);
}

static bool set_any(const struct attempt *attempt, const json_t *value, bool append)
{
    switch (attempt->field->type) {
    case CONFIG_BOOL: return set_bool(attempt, value);
    case CONFIG_NUMBER: return set_number(attempt, value);
    case CONFIG_TEXT: return set_text(attempt, value);
    case CONFIG_LEVEL: return set_level(attempt, value);
    case CONFIG_LISTENS:
    case CONFIG_TEXTS:
    case CONFIG_BLOCKS:
    case CONFIG_URLS: return set_list(attempt, value, append);
    case CONFIG_LISTEN: return set_listen(attempt, value);
    case CONFIG_CHOICE: return set_choice(attempt, value);
    case CONFIG_CHOICES: return set_choices(attempt, value);
    }
    return false;
}

bool config_member_set(const struct config_target *target, json_t *value, bool append,
                       const struct config_place *place, struct config_report *report)
{
    struct attempt attempt = { target, target->field, place, report };

    if (set_any(&attempt, value, append))
        return true;
    refuse(&attempt, value, NO_ELEMENT);
    return false;
}

void config_value_set(struct config *config, enum config_field_id id, json_t *value, bool append,
                      const struct config_place *place, struct config_report *report)
{
    const struct config_field *field = config_field(id);
    const char *dot = strchr(field->key, '.');
    char section[32];
    struct json_step path[] = { { section, 0 }, { dot + 1, 0 } };
    struct config_target target = { config, field, path, 2, field->key };
    struct attempt attempt = { &target, field, place, report };
    struct config_origin origin = { .source = place->source };
    struct json_position position;

    snprintf(section, sizeof section, "%.*s", (int)(dot - field->key), field->key);
    if (!config_member_set(&target, value, append, place, report))
        return;
    if (find_position(&attempt, NO_ELEMENT, &position)) {
        origin.line = position.line;
        origin.column = position.column;
    }
    config->origins[id] = origin;
}

/* "a, b,c" as a list; "" and "none" as an empty one; ["a"] is JSON, but [::1]:1883 an
 * address. */
static json_t *list_from_text(const char *text)
{
    bool json = text[0] == '[' && (text[1] == '"' || text[1] == ']');
    json_t *list = json ? json_loads(text, 0, NULL) : json_array();
    struct str rest = str_from_c(text);

    if (json)
        return list ? list : json_string(text);
    if (!list || text[0] == '\0' || strcmp(text, "none") == 0)
        return list;
    for (size_t at = 0; at <= rest.len;) {
        size_t comma = str_find(rest, ',', at), end = comma;
        while (at < end && rest.ptr[at] == ' ')
            at++;
        while (end > at && rest.ptr[end - 1] == ' ')
            end--;
        if (json_array_append_new(list, json_stringn(rest.ptr + at, end - at)) != 0) {
            json_decref(list);
            return NULL;
        }
        at = comma + 1;
    }
    return list;
}

json_t *config_value_from_text(const struct config_field *field, const char *text)
{
    uint64_t number;

    switch (field->type) {
    case CONFIG_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        return json_string(text);
    case CONFIG_NUMBER:
        if (config_quantity_parse(text, "", &number) == ERR_OK && number <= INT64_MAX)
            return json_integer((json_int_t)number);
        return json_string(text);
    case CONFIG_TEXT:
    case CONFIG_LISTEN:
    case CONFIG_CHOICE:
    case CONFIG_LEVEL: return json_string(text);
    case CONFIG_LISTENS:
    case CONFIG_TEXTS:
    case CONFIG_CHOICES:
    case CONFIG_BLOCKS:
    case CONFIG_URLS: return list_from_text(text);
    }
    return NULL;
}

void config_member_finish(void *base, const struct config_field *field)
{
    void *at = (char *)base + field->offset;

    switch (field->type) {
    case CONFIG_TEXT:
    case CONFIG_LISTEN:
        free(*(char **)at);
        *(char **)at = NULL;
        return;
    case CONFIG_LISTENS:
    case CONFIG_TEXTS:
    case CONFIG_BLOCKS:
    case CONFIG_URLS: strings_finish(at); return;
    case CONFIG_BOOL:
    case CONFIG_NUMBER:
    case CONFIG_CHOICE:
    case CONFIG_CHOICES:
    case CONFIG_LEVEL: return;
    }
}

void config_value_finish(struct config *config, enum config_field_id id)
{
    config_member_finish(config, config_field(id));
}
