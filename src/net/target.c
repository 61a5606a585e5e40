/* SPDX-License-Identifier: Apache-2.0 */
#include "net/target.h"

#include "base/err.h"

#include <strings.h>

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* [RFC3986 2.1] */
static int decode(struct str text, struct buf *out)
{
    uint8_t *at = buf_reserve(out, text.len + 1);
    size_t len = 0;

    if (!at)
        return ERR_NOMEM;
    for (size_t i = 0; i < text.len; i++) {
        int value = (uint8_t)text.ptr[i];
        if (text.ptr[i] == '%') {
            int high = i + 2 < text.len ? digit_of(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? digit_of(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_MALFORMED;
            value = high << 4 | low;
            i += 2;
        }
        if (value < ' ' || value == 0x7f)
            return ERR_MALFORMED;
        at[len++] = (uint8_t)value;
    }
    buf_advance(out, len);
    return ERR_OK;
}

/* "http://host:port/path": as proxies are asked, and every server must understand.
 * [RFC9112 3.2.2] */
static bool take_host(struct str *text, struct str *ret_host)
{
    size_t scheme = text->len >= 7 && strncasecmp(text->ptr, "http://", 7) == 0    ? 7
                    : text->len >= 8 && strncasecmp(text->ptr, "https://", 8) == 0 ? 8
                                                                                   : 0;

    if (!scheme)
        return false;
    size_t end = str_find(*text, '/', scheme), query = str_find(*text, '?', scheme);

    if (query < end)
        end = query;
    *ret_host = str_slice(*text, scheme, end);
    *text = str_slice(*text, end, text->len);
    return ret_host->len > 0 && str_find(*ret_host, '@', 0) == ret_host->len;
}

int target_read(struct str text, struct target *ret_target)
{
    *ret_target = (struct target){ 0 };
    if (text.len == 0 || str_find(text, '#', 0) < text.len)
        return ERR_MALFORMED;
    if (str_equal(text, STR("*"))) /* OPTIONS * [RFC9112 3.2.4] */
        return decode(text, &ret_target->path);
    bool whole = text.ptr[0] != '/';

    if (whole && !take_host(&text, &ret_target->host))
        return ERR_MALFORMED;
    size_t mark = str_find(text, '?', 0);
    struct str path = str_slice(text, 0, mark);

    ret_target->query = str_slice(text, mark + 1, text.len);
    return decode(whole && path.len == 0 ? STR("/") : path, &ret_target->path);
}

void target_finish(struct target *target)
{
    buf_finish(&target->path);
}
