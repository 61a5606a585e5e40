/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket's bytes: who masks, how large a message may be, how they are cut, and then
 * they themselves. What is found does not depend on the cutting. */
#include "fuzz.h"

#include "base/buf.h"
#include "base/rand.h"
#include "net/framing.h"

#include <stdbool.h>
#include <string.h>

enum { HEAD = 3 };

/* Append what framing makes of the bytes when they come in pieces of at most size; 0: of
 * any. Data that follows data is one. */
static void tell(const uint8_t *data, size_t len, size_t size, struct buf *out)
{
    uint32_t max = 1u << data[1] % 24;
    struct framing framing;
    struct framing_part part;
    struct rand rand;

    bool over = false; /* nobody reads on */

    rand_init(&rand, data[2]);
    framing_init(&framing, data[0] & 1, max);
    for (size_t at = HEAD; at < len && !over;) {
        size_t most = size ? size : 1 + (size_t)rand_below(&rand, 100);
        size_t piece = most < len - at ? most : len - at, left = piece;
        uint8_t *copy = malloc(piece), *from = copy;
        enum framing_kind kind;
        memcpy(copy, data + at, piece);
        while (!over && (kind = framing_next(&framing, &from, &left, &part)) != FRAMING_MORE) {
            assert(part.len <= max || kind == FRAMING_PING);
            assert(kind != FRAMING_DATA || (part.len > 0 && part.at + part.len == from));
            if (kind != FRAMING_DATA)
                buf_printf(out, "<%d %u>", (int)kind, part.code);
            buf_append(out, part.at, part.len);
            over = kind == FRAMING_BAD || kind == FRAMING_CLOSE;
        }
        assert(from + left == copy + piece && (left == 0 || over));
        free(copy);
        at += piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = { 0 }, bytewise = { 0 }, random = { 0 };

    if (size < HEAD)
        return 0;
    tell(data, size, SIZE_MAX, &whole);
    tell(data, size, 1, &bytewise);
    tell(data, size, 0, &random);
    assert(str_equal(buf_str(&whole), buf_str(&bytewise)));
    assert(str_equal(buf_str(&whole), buf_str(&random)));
    buf_finish(&whole);
    buf_finish(&bytewise);
    buf_finish(&random);
    return 0;
}
