/* SPDX-License-Identifier: Apache-2.0 */
/* Topic names and topic filters: the rules of section 4.7 of MQTT 3.1.1 and 5, on
 * borrowed text, without allocation and without recursion. */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* More levels than any real topic has; what has more is refused. */
enum { TOPIC_LEVELS_MAX = 128 };

/* A walk over the levels of a topic or filter. */
struct topic_levels {
    struct str rest;
    bool done;
};

/* Begin at the first level. */
struct topic_levels topic_levels(struct str topic);

/* The next level into *ret_level ("" is a level); false after the last. */
bool topic_levels_next(struct topic_levels *walk, struct str *ret_level);

/* A topic name a client may publish to: 1 to 65,535 bytes, no wildcard, at most
 * TOPIC_LEVELS_MAX levels. UTF-8 is the codec's business. ERR_OK or ERR_TOPIC_NAME.
 * [MQTT-4.7.1-1] [MQTT-4.7.3-1] [MQTT-3.3.2-2] */
int topic_name_check(struct str name);

/* A filter a client may subscribe to, without its $share prefix: wildcards whole levels,
 * # last only. ERR_OK or ERR_TOPIC_FILTER. [MQTT-4.7.1-1] [MQTT-4.7.1-2] */
int topic_filter_check(struct str filter);

/* Does the valid filter match the valid name? A leading wildcard does not match a name
 * that begins with $. [MQTT-4.7.2-1] */
bool topic_filter_matches(struct str filter, struct str name);

/* Does wide match every topic name that narrow matches? (a/# covers a, a/+, a/b/#; a
 * leading wildcard covers no filter that begins with $.) Both valid. */
bool topic_filter_covers(struct str wide, struct str narrow);

/* Does the filter hold a wildcard? */
bool topic_filter_is_wild(struct str filter);

/* A filter as a client wrote it, taken apart. */
struct topic_share {
    struct str group;  /* empty: not shared */
    struct str filter; /* what is matched */
};

/* Split $share/GROUP/FILTER; anything else is returned whole with an empty group. Checks
 * the group's syntax and the filter. ERR_OK or ERR_TOPIC_FILTER. [MQTT-4.8.2-1]
 * [MQTT-4.8.2-2] */
int topic_share_parse(struct str text, struct topic_share *ret_share);
