/* SPDX-License-Identifier: Apache-2.0 */
#include "core/packet_set.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

enum { CAP_MIN = 8 };

void packet_set_finish(struct packet_set *set)
{
    free(set->slots);
    *set = (struct packet_set){ 0 };
}

/* Where the identifier belongs. Identifiers count up: multiplied by an odd number those that
 * follow each other never meet, and stand apart, so that no long run has to be looked
 * through when one of them goes. */
static uint32_t home_of(const struct packet_set *set, uint16_t id)
{
    return id * 40503u & (set->cap - 1);
}

/* Where the identifier stands, or the free place where it would. */
static uint32_t place_of(const struct packet_set *set, uint16_t id)
{
    uint32_t mask = set->cap - 1, i = home_of(set, id);

    while (set->slots[i] && set->slots[i] != id)
        i = (i + 1) & mask;
    return i;
}

bool packet_set_has(const struct packet_set *set, uint16_t id)
{
    return set->cap && set->slots[place_of(set, id)] == id;
}

static int grow(struct packet_set *set)
{
    struct packet_set bigger = { .cap = set->cap ? set->cap * 2 : CAP_MIN, .count = set->count };

    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < set->cap; i++) {
        if (set->slots[i])
            bigger.slots[place_of(&bigger, set->slots[i])] = set->slots[i];
    }
    free(set->slots);
    *set = bigger;
    return ERR_OK;
}

int packet_set_add(struct packet_set *set, uint16_t id)
{
    assert(id && !packet_set_has(set, id));
    if ((set->count + 1) * 4 > set->cap * 3) {
        int err = grow(set);
        if (err)
            return err;
    }
    set->slots[place_of(set, id)] = id;
    set->count++;
    return ERR_OK;
}

bool packet_set_remove(struct packet_set *set, uint16_t id)
{
    if (!packet_set_has(set, id))
        return false;
    uint32_t mask = set->cap - 1, i = place_of(set, id);
    /* Close the gap: pull back every later one of the run that may stand here. */
    for (uint32_t j = (i + 1) & mask; set->slots[j]; j = (j + 1) & mask) {
        uint32_t home = home_of(set, set->slots[j]);
        if (((j - home) & mask) >= ((j - i) & mask)) {
            set->slots[i] = set->slots[j];
            i = j;
        }
    }
    set->slots[i] = 0;
    set->count--;
    return true;
}
