/* SPDX-License-Identifier: Apache-2.0 */
/* A str is a borrowed run of bytes: a topic inside a receive buffer, a key inside a
 * text. It owns nothing, may hold NUL, and is passed by value. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

/* A str over a string literal or char array, without its NUL. */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

/* Borrow a C string; NULL gives the empty str. */
struct str str_from_c(const char *text);

/* Same bytes, same length. */
bool str_equal(struct str a, struct str b);

/* Order by bytes, then length: <0, 0, >0. Total and independent of locale. */
int str_compare(struct str a, struct str b);

/* Does s begin with prefix? */
bool str_starts_with(struct str s, struct str prefix);

/* Index of the first byte c at or after from; s.len when there is none. */
size_t str_find(struct str s, char c, size_t from);

/* The part [from, to); both are clamped to the length. */
struct str str_slice(struct str s, size_t from, size_t to);

/* Copy to a NUL-terminated string on the heap; the caller frees. NULL when out of memory. */
char *str_to_c(struct str s);

/* Well-formed UTF-8 without U+0000 and without surrogates, as MQTT asks of every
 * string. [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
bool str_is_mqtt_utf8(struct str s);
