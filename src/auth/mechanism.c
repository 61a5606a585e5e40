/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/mechanism.h"

#include <stddef.h>

static const struct mechanism *const mechanisms[] = {
    &mechanism_scram_sha_256,
};

const struct mechanism *mechanism_find(struct str name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (str_equal(name, str_from_c(mechanisms[i]->name)))
            return mechanisms[i];
    }
    return NULL;
}
