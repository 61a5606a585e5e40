/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as people write it: comments, and where in the text a value stands. jansson keeps
 * no positions, so the text is walked again along the path of a value that is wrong. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* One step into a value: the member of this key, or with NULL the element of this index. */
struct json_step {
    const char *key;
    size_t index;
};

struct json_position {
    unsigned line, column; /* from 1; columns count code points */
};

/* Overwrite comments of both kinds outside strings with blanks; newlines stay, so
 * positions hold. A comment that never ends is left as it is for the parser to refuse. */
void json_text_blank_comments(char *text, size_t len);

/* Where the value at the end of the path begins, or with key its key. text: valid JSON
 * without comments. False when there is no such value. */
bool json_text_find(struct str text, const struct json_step *path, size_t steps, bool key,
                    struct json_position *ret_position);
