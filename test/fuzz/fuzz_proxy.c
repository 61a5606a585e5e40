/* SPDX-License-Identifier: Apache-2.0 */
/* A PROXY header. What is found does not depend on how much had arrived before. */
#include "fuzz.h"

#include "base/err.h"
#include "net/proxy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    int err = proxy_parse(data, size, &header);

    assert(err == ERR_OK || err == ERR_MORE || err == ERR_MALFORMED);
    if (err)
        return 0;
    assert(header.len <= size && header.len <= PROXY_HEADER_MAX);
    assert(header.known == (strlen(header.text) > 0));
    for (size_t len = 0; len < header.len; len++) {
        struct proxy_header early;
        assert(proxy_parse(data, len, &early) == ERR_MORE);
    }
    return 0;
}
