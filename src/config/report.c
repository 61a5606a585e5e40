/* SPDX-License-Identifier: Apache-2.0 */
#include "config/report.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void config_report_finish(struct config_report *report)
{
    vec_each (&report->problems, problem)
        free(problem->text);
    vec_finish(&report->problems);
    *report = (struct config_report){ 0 };
}

static void report_add(struct config_report *report, bool warning, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = len >= 0 ? malloc((size_t)len + 1) : NULL;
    struct config_problem *problem = text ? vec_push(&report->problems) : NULL;
    report->errors += !warning;
    if (!problem) {
        free(text);
        report->failed = true;
        return;
    }
    vsnprintf(text, (size_t)len + 1, format, args);
    *problem = (struct config_problem){ .text = text, .warning = warning };
}

void config_report_error(struct config_report *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add(report, false, format, args);
    va_end(args);
}

void config_report_warning(struct config_report *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add(report, true, format, args);
    va_end(args);
}

int config_report_err(const struct config_report *report)
{
    if (report->failed)
        return ERR_NOMEM;
    return report->errors ? ERR_INVALID : ERR_OK;
}
