/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* How wide a text is on a terminal: one a code point. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void table_add(struct table *table, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '.';
    }
    char **cell = vec_push(&table->cells);
    if (cell)
        *cell = str_to_c(str_from_c(text));
}

static const char *cell(const struct table *table, size_t i)
{
    return i < table->cells.len && table->cells.at[i] ? table->cells.at[i] : "";
}

void table_print(struct table *table, struct buf *out)
{
    for (size_t row = 0; row < table->cells.len; row += table->columns) {
        for (size_t column = 0; column < table->columns; column++) {
            const char *text = cell(table, row + column);
            size_t widest = 0;
            for (size_t i = column; i < table->cells.len; i += table->columns)
                widest = width_of(cell(table, i)) > widest ? width_of(cell(table, i)) : widest;
            bool more = false;
            for (size_t i = column + 1; i < table->columns; i++)
                more |= cell(table, row + i)[0] != '\0';
            buf_printf(out, "%s%*s", text, more ? (int)(widest - width_of(text) + 2) : 0, "");
        }
        buf_printf(out, "\n");
    }
    vec_each (&table->cells, text)
        free(*text);
    vec_finish(&table->cells);
}
