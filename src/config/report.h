/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a configuration: one line a problem, all of them. A zeroed report is
 * empty. */
#pragma once

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>

struct config_problem {
    char *text;   /* "plexus.json:3:12: mqtt.listen: found 17, allowed ..." */
    bool warning; /* worth a line, no reason to refuse */
};

struct config_report {
    struct {
        VEC(struct config_problem);
    } problems;
    size_t errors; /* problems that are not warnings */
    bool failed;   /* a problem could not be noted: out of memory */
};

/* Free the problems. Accepts an empty report. */
void config_report_finish(struct config_report *report);

/* Add an error, printf style. */
void config_report_error(struct config_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Add a warning, printf style. */
void config_report_warning(struct config_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ERR_OK, ERR_INVALID when there are errors, ERR_NOMEM when some could not be noted. */
int config_report_err(const struct config_report *report);
