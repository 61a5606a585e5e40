/* SPDX-License-Identifier: Apache-2.0 */
/* One value of the configuration: from JSON or text into the member that the table names,
 * checked, and back into text. */
#pragma once

#include "config/config.h"
#include "config/json_text.h"

#include <jansson.h>

/* Where a value was written, so that a mistake can be shown. */
struct config_place {
    const char *name; /* the file, the variable, the flag */
    struct str text;  /* of the file, without comments; empty: no positions */
    enum config_source source;
};

/* A member to set: of what, which, and where its value stands in the text. */
struct config_target {
    void *base; /* what the field's offset counts from */
    const struct config_field *field;
    const struct json_step *path; /* to the value */
    size_t steps;
    const char *label; /* "listeners[1].tls.key_file" */
};

/* Check value and store it; a list grows when append is set. What is wrong goes to the
 * report and leaves the member as it was: false. */
bool config_member_set(const struct config_target *target, json_t *value, bool append,
                       const struct config_place *place, struct config_report *report);

/* Free what the member owns, and empty it. */
void config_member_finish(void *base, const struct config_field *field);

/* The same as config_member_set for a field of the table; a list grows when append is set. What is
 * wrong goes to the report and leaves the member as it was. */
void config_value_set(struct config *config, enum config_field_id id, json_t *value, bool append,
                      const struct config_place *place, struct config_report *report);

/* A text from a flag or variable as the JSON that the field expects, or as near as it
 * comes. NULL when it is not UTF-8 or memory is out. The caller owns it. */
json_t *config_value_from_text(const struct config_field *field, const char *text);

/* Free what the member of the field owns. */
void config_value_finish(struct config *config, enum config_field_id id);

/* A number with its unit ("8MiB", "500ms", "17"). unit: as in the table. ERR_OK or
 * ERR_INVALID. */
int config_quantity_parse(const char *text, const char *unit, uint64_t *ret_value);
