/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char stream_letters[STREAM_COUNT + 1] = "mqr";

void ledger_wrong(struct ledger *ledger, const char *format, ...)
{
    char text[400];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buf_printf(&ledger->wrong, "seed %llu: %s\n", (unsigned long long)ledger->seed, text);
}

struct author *ledger_author(struct ledger *ledger, struct str name)
{
    for (size_t i = 0; i < ledger->author_count; i++) {
        if (str_equal(name, str_from_c(ledger->authors[i].name)))
            return &ledger->authors[i];
    }
    return NULL;
}

const char *stream_topic(const struct author *author, enum stream stream, char *out)
{
    snprintf(out, STREAM_TOPIC_CHARS, "%c/%s", stream_letters[stream], author->name);
    return out;
}

uint32_t retained_value(uint32_t number)
{
    enum { REMOVAL_EVERY = 4 };

    return number % REMOVAL_EVERY == REMOVAL_EVERY - 1 ? 0 : number;
}

uint32_t number_of(struct str text)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (uint32_t)(text.ptr[i] - '0');
    return number;
}

/* <m03001702>: stream, author, number, attempt. */
void tag_write(const struct tag *tag, char out[TAG_LEN + 1])
{
    snprintf(out, TAG_LEN + 1, "<%c%02u%04u%02u>", stream_letters[tag->stream], tag->author % 100,
             tag->number % 10000, tag->attempt % 100);
}

bool tag_read(struct str text, struct tag *ret_tag)
{
    if (text.len < TAG_LEN)
        return false;
    text = str_slice(text, text.len - TAG_LEN, text.len);
    if (text.ptr[0] != '<' || text.ptr[TAG_LEN - 1] != '>')
        return false;
    const char *letter = strchr(stream_letters, text.ptr[1]);
    if (!letter || !*letter)
        return false;
    for (size_t i = 2; i < 10; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    *ret_tag = (struct tag){ .stream = (enum stream)(letter - stream_letters),
                             .author = number_of(str_slice(text, 2, 4)),
                             .number = number_of(str_slice(text, 4, 8)),
                             .attempt = number_of(str_slice(text, 8, 10)) };
    return true;
}
