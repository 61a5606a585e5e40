/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

void *vec_grow(void **at, size_t *len, size_t *cap, size_t size)
{
    if (*len == *cap) {
        size_t more = *cap ? *cap * 2 : 8;

        if (more > SIZE_MAX / size)
            return NULL;
        void *moved = realloc(*at, more * size);
        if (!moved)
            return NULL;
        *at = moved;
        *cap = more;
    }
    void *slot = (char *)*at + (*len)++ * size;
    return memset(slot, 0, size);
}

void vec_release(void **at, size_t *len, size_t *cap)
{
    free(*at);
    *at = NULL;
    *len = *cap = 0;
}
