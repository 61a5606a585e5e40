/* SPDX-License-Identifier: Apache-2.0 */
#include "net/head.h"

#include "base/err.h"

#include <string.h>
#include <strings.h>

static bool same_word(struct str a, struct str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* May this byte stand where it does, given the one before? Lines end with CR LF and nothing
 * else. [RFC9112 2.2] */
static bool fits(uint8_t before, uint8_t byte)
{
    if (before == '\r' || byte == '\n')
        return before == '\r' && byte == '\n';
    return byte == '\t' || byte == '\r' || (byte >= ' ' && byte != 0x7f);
}

int head_find(struct str bytes, size_t seen, size_t *ret_len)
{
    for (size_t i = seen; i < bytes.len; i++) {
        if (!fits(i > 0 ? (uint8_t)bytes.ptr[i - 1] : 0, (uint8_t)bytes.ptr[i]))
            return ERR_MALFORMED;
        if (i >= 3 && bytes.ptr[i] == '\n' && bytes.ptr[i - 2] == '\n') {
            *ret_len = i + 1;
            return ERR_OK;
        }
    }
    return ERR_MORE;
}

/* [RFC9110 5.6.2] */
static bool is_token(struct str text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return text.len > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str trim(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = str_slice(text, 1, text.len);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The next line of the head, without its end. */
static struct str next_line(struct str *rest)
{
    size_t end = str_find(*rest, '\r', 0);
    struct str line = str_slice(*rest, 0, end);

    *rest = str_slice(*rest, end + 2, rest->len);
    return line;
}

/* "HTTP/1.1". [RFC9112 2.3] */
static int read_version(struct str text, struct head *head)
{
    if (text.len != 8 || !str_starts_with(text, STR("HTTP/")) || text.ptr[6] != '.' ||
        text.ptr[5] < '0' || text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return ERR_MALFORMED;
    if (text.ptr[5] != '1')
        return ERR_VERSION;
    head->minor = text.ptr[7] > '0';
    return ERR_OK;
}

static enum head_name name_of(struct str text)
{
    static const struct str names[HEAD_NAMES] = {
        [HEAD_AUTHORIZATION] = { "authorization", 13 },
        [HEAD_CONNECTION] = { "connection", 10 },
        [HEAD_CONTENT_LENGTH] = { "content-length", 14 },
        [HEAD_EXPECT] = { "expect", 6 },
        [HEAD_FORWARDED] = { "forwarded", 9 },
        [HEAD_FORWARDED_FOR] = { "x-forwarded-for", 15 },
        [HEAD_HOST] = { "host", 4 },
        [HEAD_ORIGIN] = { "origin", 6 },
        [HEAD_TRANSFER_ENCODING] = { "transfer-encoding", 17 },
        [HEAD_UPGRADE] = { "upgrade", 7 },
        [HEAD_WEBSOCKET_ACCEPT] = { "sec-websocket-accept", 20 },
        [HEAD_WEBSOCKET_EXTENSIONS] = { "sec-websocket-extensions", 24 },
        [HEAD_WEBSOCKET_KEY] = { "sec-websocket-key", 17 },
        [HEAD_WEBSOCKET_PROTOCOL] = { "sec-websocket-protocol", 22 },
        [HEAD_WEBSOCKET_VERSION] = { "sec-websocket-version", 21 },
    };
    size_t i = 0;

    while (i < HEAD_NAMES && !same_word(names[i], text))
        i++;
    return (enum head_name)i;
}

/* The lines behind the first, up to the empty one. A line that begins with a blank would
 * go on with the one before: nobody does that any more. [RFC9112 5] */
static int read_fields(struct str rest, struct head *head)
{
    size_t count = 0;

    for (struct str line = next_line(&rest); line.len > 0; line = next_line(&rest)) {
        size_t colon = str_find(line, ':', 0);
        if (colon == line.len || !is_token(str_slice(line, 0, colon)))
            return ERR_MALFORMED;
        if (++count > HEAD_FIELDS_MAX)
            return ERR_LIMIT;
        enum head_name name = name_of(str_slice(line, 0, colon));
        if (name == HEAD_NAMES)
            continue;
        head->fields[head->field_count].name = name;
        head->fields[head->field_count++].value = trim(str_slice(line, colon + 1, line.len));
    }
    return ERR_OK;
}

/* [RFC9112 3] */
int head_read_request(struct str bytes, struct head *ret_head)
{
    struct str rest = bytes, line = next_line(&rest);
    size_t first = str_find(line, ' ', 0), second = str_find(line, ' ', first + 1);

    ret_head->field_count = 0;
    ret_head->status = 0;
    ret_head->method = str_slice(line, 0, first);
    ret_head->target = str_slice(line, first + 1, second);
    if (!is_token(ret_head->method) || ret_head->target.len == 0)
        return ERR_MALFORMED;
    for (size_t i = 0; i < ret_head->target.len; i++) {
        if (ret_head->target.ptr[i] <= ' ' || ret_head->target.ptr[i] > '~')
            return ERR_MALFORMED;
    }
    int err = read_version(str_slice(line, second + 1, line.len), ret_head);

    return err ? err : read_fields(rest, ret_head);
}

/* [RFC9112 4] */
int head_read_answer(struct str bytes, struct head *ret_head)
{
    struct str rest = bytes, line = next_line(&rest);
    size_t space = str_find(line, ' ', 0);
    struct str digits = str_slice(line, space + 1, str_find(line, ' ', space + 1));

    ret_head->field_count = 0;
    ret_head->method = ret_head->target = STR("");
    ret_head->status = 0;
    if (digits.len != 3)
        return ERR_MALFORMED;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return ERR_MALFORMED;
        ret_head->status = ret_head->status * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    int err = read_version(str_slice(line, 0, space), ret_head);

    return err ? err : read_fields(rest, ret_head);
}

size_t head_count(const struct head *head, enum head_name name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->field_count; i++)
        count += head->fields[i].name == name;
    return count;
}

struct str head_value(const struct head *head, enum head_name name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].name == name)
            return head->fields[i].value;
    }
    return STR("");
}

bool head_next(struct head_walk *walk, struct str *ret_word)
{
    for (; walk->field < walk->head->field_count; walk->field++, walk->at = 0) {
        struct str value = walk->head->fields[walk->field].value;
        if (walk->head->fields[walk->field].name != walk->name)
            continue;
        while (walk->at < value.len) {
            size_t end = str_find(value, ',', walk->at);
            struct str word = trim(str_slice(value, walk->at, end));
            walk->at = end + 1;
            if (word.len > 0) {
                *ret_word = word;
                return true;
            }
        }
    }
    return false;
}

bool head_lists(const struct head *head, enum head_name name, struct str word)
{
    struct head_walk walk = { .head = head, .name = name };
    struct str each;

    while (head_next(&walk, &each)) {
        if (same_word(each, word))
            return true;
    }
    return false;
}
