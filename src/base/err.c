/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

const char *err_text(int err)
{
    static const char *const texts[] = {
#define X(name, text) text,
        ERR_TABLE(X)
#undef X
    };

    if (err > 0 || err <= -(int)ERR_ENUM_COUNT)
        return "unknown error";
    return texts[-err];
}
