/* SPDX-License-Identifier: Apache-2.0 */
/* Two filters and a name, a line each. */
#include "fuzz.h"

#include "base/err.h"
#include "topic/topic.h"

/* The next line; advances *rest. */
static struct str line(struct str *rest)
{
    size_t end = str_find(*rest, '\n', 0);
    struct str got = str_slice(*rest, 0, end);

    *rest = str_slice(*rest, end + 1, rest->len);
    return got;
}

/* What can be said of one filter. */
static void look(struct str text)
{
    struct topic_share share;
    struct topic_levels walk = topic_levels(text);
    struct str level;
    size_t bytes = 0, levels = 0;

    while (topic_levels_next(&walk, &level)) {
        bytes += level.len;
        levels++;
    }
    assert(levels > 0 && bytes + levels - 1 == text.len);
    if (topic_share_parse(text, &share) == ERR_OK)
        assert(topic_filter_check(share.filter) == ERR_OK && share.filter.len <= text.len);
    if (topic_name_check(text) == ERR_OK) {
        assert(topic_filter_check(text) == ERR_OK && !topic_filter_is_wild(text));
        assert(topic_filter_matches(text, text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    struct str wide = line(&rest), narrow = line(&rest), name = line(&rest);

    look(wide);
    look(narrow);
    look(name);
    if (topic_filter_check(wide) != ERR_OK || topic_filter_check(narrow) != ERR_OK)
        return 0;
    assert(topic_filter_covers(wide, wide) && topic_filter_covers(narrow, narrow));
    bool covers = topic_filter_covers(wide, narrow);
    if (topic_name_check(narrow) == ERR_OK)
        assert(covers == topic_filter_matches(wide, narrow));
    if (topic_name_check(name) == ERR_OK && covers && topic_filter_matches(narrow, name))
        assert(topic_filter_matches(wide, name));
    return 0;
}
