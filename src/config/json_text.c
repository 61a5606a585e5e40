/* SPDX-License-Identifier: Apache-2.0 */
#include "config/json_text.h"

#include <jansson.h>
#include <string.h>

/* The end of the string that begins at the quote at position at. */
static size_t string_end(struct str text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++) {
        if (text.ptr[at] == '\\')
            at++;
    }
    return at < text.len ? at + 1 : text.len;
}

/* The end of the comment that begins at position at; at itself when it never ends. */
static size_t comment_end(struct str text, size_t at)
{
    if (text.ptr[at + 1] == '/')
        return str_find(text, '\n', at);
    for (size_t i = at + 2; i + 1 < text.len; i++) {
        if (text.ptr[i] == '*' && text.ptr[i + 1] == '/')
            return i + 2;
    }
    return at;
}

void json_text_blank_comments(char *bytes, size_t len)
{
    struct str text = { bytes, len };
    size_t at = 0;

    while (at < len) {
        bool slash = bytes[at] == '/' && at + 1 < len;
        if (bytes[at] == '"') {
            at = string_end(text, at);
        } else if (slash && (bytes[at + 1] == '/' || bytes[at + 1] == '*')) {
            size_t end = comment_end(text, at);
            if (end == at)
                return;
            for (; at < end; at++) {
                if (bytes[at] != '\n')
                    bytes[at] = ' ';
            }
        } else {
            at++;
        }
    }
}

static size_t skip_blank(struct str text, size_t at)
{
    while (at < text.len && strchr(" \t\r\n", text.ptr[at]))
        at++;
    return at;
}

/* The end of the value that begins at position at. */
static size_t value_end(struct str text, size_t at)
{
    size_t depth = 0;

    while (at < text.len) {
        char c = text.ptr[at];
        if (c == '"') {
            at = string_end(text, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (depth == 0 && strchr(", \t\r\n", c)) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0)
            return at;
    }
    return at;
}

/* Is the quoted key at [at, end) this one, escapes considered? */
static bool key_is(struct str text, size_t at, size_t end, const char *key)
{
    struct str raw = str_slice(text, at + 1, end - 1);

    if (str_find(raw, '\\', 0) == raw.len)
        return str_equal(raw, str_from_c(key));
    json_t *value = json_loadb(text.ptr + at, end - at, JSON_DECODE_ANY, NULL);
    bool same = value && strcmp(json_string_value(value), key) == 0;
    json_decref(value);
    return same;
}

/* One step from the value at *at to the one inside it. */
static bool descend(struct str text, const struct json_step *step, size_t *at, size_t *ret_key_at)
{
    char open = step->key ? '{' : '[', close = step->key ? '}' : ']';

    if (*at >= text.len || text.ptr[*at] != open)
        return false;
    size_t here = skip_blank(text, *at + 1);
    for (size_t index = 0; here < text.len && text.ptr[here] != close; index++) {
        size_t key_at = here;
        bool found = !step->key && index == step->index;
        if (step->key) {
            size_t end = string_end(text, here);
            found = key_is(text, here, end, step->key);
            here = skip_blank(text, skip_blank(text, end) + 1); /* over the colon */
        }
        if (found) {
            *at = here;
            *ret_key_at = key_at;
            return true;
        }
        here = skip_blank(text, value_end(text, here));
        if (here < text.len && text.ptr[here] == ',')
            here = skip_blank(text, here + 1);
    }
    return false;
}

static struct json_position position_of(struct str text, size_t at)
{
    struct json_position position = { 1, 1 };

    for (size_t i = 0; i < at; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n') {
            position.line++;
            position.column = 1;
        } else if ((c & 0xC0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

bool json_text_find(struct str text, const struct json_step *path, size_t steps, bool key,
                    struct json_position *ret_position)
{
    size_t at = skip_blank(text, 0), key_at = at;

    for (size_t i = 0; i < steps; i++) {
        if (!descend(text, &path[i], &at, &key_at))
            return false;
    }
    *ret_position = position_of(text, key ? key_at : at);
    return true;
}
