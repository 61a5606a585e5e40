/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reserved.h"

/* Is the first level this one? */
static bool begins(struct str topic, struct str level)
{
    return str_starts_with(topic, level) && (topic.len == level.len || topic.ptr[level.len] == '/');
}

bool topic_is_reserved(struct str topic)
{
    return topic.len > 0 && topic.ptr[0] == '$' &&
           (begins(topic, STR("$SYS")) || begins(topic, STR("$mesh")));
}

bool filter_is_reserved(struct str filter)
{
    return begins(filter, STR("$mesh"));
}
