/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line a fact on standard error, a stable event name, then key=value.
 *
 *     log_info("listener.open", "protocol=%s address=%s", "mqtt", "127.0.0.1:1883");
 *     2026-11-23T09:12:49.123Z info  listener.open protocol=mqtt address=127.0.0.1:1883
 *
 * Values with spaces or quotes go through log_quoted(). With JSON output each pair
 * becomes a member. Never payloads, never secrets. Only adapters and the server log. */
#pragma once

#include "base/str.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; JSON or text. Call before threads start. */
void log_setup(enum log_level level, bool json);

/* Is a level by this name ("error", "warn", "info", "debug")? Sets *ret_level if so. */
bool log_level_parse(const char *name, enum log_level *ret_level);

/* Would a line of this level be written? */
bool log_enabled(enum log_level level);

/* Write a line. event: dotted lower-case name. format: key=value pairs, printf style,
 * or NULL for none. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)

/* A value that may hold anything, quoted and escaped for the log into out (always
 * terminated; cut with "..." when it does not fit). Returns out. */
const char *log_quoted(struct str value, char *out, size_t size);

/* The same event for each line of text, which becomes the value of key, quoted. */
void log_lines(enum log_level level, const char *event, const char *key, struct str text);
