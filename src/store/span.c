/* SPDX-License-Identifier: Apache-2.0 */
#include "store/span.h"

#include "base/err.h"

#include <string.h>

/* The first span that begins behind seq. */
static size_t spans_after(const struct spans *spans, uint64_t seq)
{
    size_t low = 0, high = spans->len;

    if (high > 0 && spans->at[high - 1].from <= seq)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spans->at[middle].from <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool spans_has(const struct spans *spans, uint64_t seq)
{
    size_t after = spans_after(spans, seq);

    return after > 0 && seq < spans->at[after - 1].end;
}

uint64_t spans_skip(const struct spans *spans, uint64_t seq)
{
    size_t after = spans_after(spans, seq);

    return after > 0 && seq < spans->at[after - 1].end ? spans->at[after - 1].end : seq;
}

int spans_add(struct spans *spans, uint64_t seq)
{
    size_t after = spans_after(spans, seq);
    struct span *before = after > 0 ? &spans->at[after - 1] : NULL;
    bool meets_next = after < spans->len && spans->at[after].from == seq + 1;

    if (before && seq < before->end)
        return ERR_OK;
    if (before && before->end == seq) {
        before->end = seq + 1;
        if (meets_next) {
            before->end = spans->at[after].end;
            spans->len--;
            memmove(&spans->at[after], &spans->at[after + 1],
                    (spans->len - after) * sizeof *spans->at);
        }
        return ERR_OK;
    }
    if (meets_next) {
        spans->at[after].from = seq;
        return ERR_OK;
    }
    if (!vec_push(spans))
        return ERR_NOMEM;
    memmove(&spans->at[after + 1], &spans->at[after],
            (spans->len - 1 - after) * sizeof *spans->at);
    spans->at[after] = (struct span){ seq, seq + 1 };
    return ERR_OK;
}

void spans_finish(struct spans *spans)
{
    vec_finish(spans);
}
