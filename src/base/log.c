/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048, LINE_QUOTED_CHARS = 1024 };

/* The one mutable global outside the server: where a process writes is process-wide. */
static struct {
    enum log_level level;
    bool json;
} log_state = { LOG_INFO, false };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_setup(enum log_level level, bool json)
{
    log_state.level = level;
    log_state.json = json;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (int i = 0; i <= LOG_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level <= log_state.level;
}

static void timestamp(char *out, size_t size)
{
    uint64_t ms = os_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char date[32];

    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, size, "%s.%03uZ", date, (unsigned)(ms % 1000));
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

/* Append bytes; room for the closing brace and newline is always kept. */
static void line_put(struct line *line, const char *bytes, size_t len)
{
    size_t room = sizeof line->text - 4 - line->len;

    if (len > room)
        len = room;
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void line_puts(struct line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

/* One value of a key=value text: up to a blank, or a quoted run. Its length. */
static size_t value_len(const char *at)
{
    size_t i = 0;

    if (at[0] != '"')
        return strcspn(at, " ");
    for (i = 1; at[i] && at[i] != '"'; i++) {
        if (at[i] == '\\' && at[i + 1])
            i++;
    }
    return at[i] ? i + 1 : i;
}

/* key=value pairs as JSON members. Values are written as strings, quoted ones as they
 * stand: log_quoted escapes as JSON does. */
static void line_put_members(struct line *line, const char *pairs)
{
    while (*pairs) {
        size_t key = strcspn(pairs, "= ");
        if (pairs[key] != '=') {
            pairs += key + (pairs[key] == ' ');
            continue;
        }
        size_t value = value_len(pairs + key + 1);
        line_puts(line, ",\"");
        line_put(line, pairs, key);
        line_puts(line, "\":");
        bool quoted = pairs[key + 1] == '"';
        line_puts(line, quoted ? "" : "\"");
        line_put(line, pairs + key + 1, value);
        line_puts(line, quoted ? "" : "\"");
        pairs += key + 1 + value;
        pairs += *pairs == ' ';
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char pairs[LINE_MAX_BYTES / 2] = "", when[48];
    struct line line = { .len = 0 };
    va_list args;

    if (!log_enabled(level))
        return;
    if (format) {
        va_start(args, format);
        vsnprintf(pairs, sizeof pairs, format, args);
        va_end(args);
    }
    timestamp(when, sizeof when);
    if (log_state.json) {
        line_puts(&line, "{\"time\":\"");
        line_puts(&line, when);
        line_puts(&line, "\",\"level\":\"");
        line_puts(&line, level_names[level]);
        line_puts(&line, "\",\"event\":\"");
        line_puts(&line, event);
        line_puts(&line, "\"");
        line_put_members(&line, pairs);
        line.text[line.len++] = '}';
    } else {
        char head[128];
        snprintf(head, sizeof head, "%s %-5s %s%s", when, level_names[level], event,
                 pairs[0] ? " " : "");
        line_puts(&line, head);
        line_puts(&line, pairs);
    }
    line.text[line.len++] = '\n';
    /* One write a line, so that lines of several threads never mix; a log that cannot
     * be written is not worth dying for. */
    ssize_t ignored = write(STDERR_FILENO, line.text, line.len);
    (void)ignored;
}

const char *log_quoted(struct str value, char *out, size_t size)
{
    size_t n = 0;

    if (size < 8) {
        if (size)
            out[0] = '\0';
        return out;
    }
    out[n++] = '"';
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (n + 11 > size) {
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

void log_lines(enum log_level level, const char *event, const char *key, struct str text)
{
    char quoted[LINE_QUOTED_CHARS];

    for (size_t at = 0; at < text.len;) {
        size_t end = str_find(text, '\n', at);
        log_event(level, event, "%s=%s", key,
                  log_quoted(str_slice(text, at, end), quoted, sizeof quoted));
        at = end + 1;
    }
}
