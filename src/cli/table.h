/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of text in columns as wide as they need to be. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"

#include <stddef.h>

/* Begin with a zeroed struct and the number of columns. */
struct table {
    size_t columns;
    struct {
        VEC(char *);
    } cells; /* row by row */
};

/* Append the next cell, printf style. Control characters are shown as dots: what comes
 * over the network must not steer a terminal. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Write the table as text, then free its content. */
void table_print(struct table *table, struct buf *out);
