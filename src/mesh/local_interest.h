/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of this broker want, and what of it the others must be told.
 *
 * A filter need not be told when another one covers it: it matches all the same topics,
 * at a QoS and persistence not less. Adds are told soon; what nobody wants any more
 * counts as wanted for a while longer (the linger), so that a client that comes back
 * costs nothing. What has been told covers what is wanted or lingers, except for adds that
 * were not taken yet: a removal waits for all of them. MESH.md 3.4, 3.5.
 *
 * There may be a million filters. Each stands once, in an interest set, with what is
 * wished and what was told; and nothing walks them all at once: what a change of one
 * means for others is found and told in pieces.
 *
 * Filters that begin with $ never get here: they are their broker's own affair. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "mesh/iset.h"

struct local_interest;

/* What the changes of one take hold at most, besides a piece: a longer filter comes alone. */
enum { INTEREST_CHANGES_MAX = 2000, INTEREST_TEXT_MAX = 34000 };

/* Changes of what the others must know: adds, or replacements, are applied before removals. */
struct interest_changes {
    struct {
        VEC(struct interest);
    } adds, removals;
    struct buf text; /* of their filters */
};

/* How many changes there are. */
static inline size_t interest_changes_count(const struct interest_changes *changes)
{
    return changes->adds.len + changes->removals.len;
}

/* Free the memory of changes. */
void interest_changes_finish(struct interest_changes *changes);

/* Nothing wanted, nothing told; or NULL when out of memory. piece: how many filters one take
 * looks at, at most INTEREST_CHANGES_MAX. */
struct local_interest *local_interest_new(uint32_t linger_ms, uint32_t piece);

/* Free it all. Accepts NULL. */
void local_interest_free(struct local_interest *li);

/* What has been told. Borrowed as long as li lives. */
struct iset *local_interest_told_set(const struct local_interest *li);

/* Local clients want this now, at this QoS. A state, not a count: the last one holds.
 * The text is copied. ERR_OK, or ERR_NOMEM (nothing changed). */
int local_interest_set(struct local_interest *li, const struct interest *interest);

/* Is the filter wanted, or does it linger? */
bool local_interest_has(const struct local_interest *li, struct str filter);

/* No local client wants the filter any more. It leaves when it has not come back
 * linger_ms after now_ms. A filter that was not wanted is ignored. */
void local_interest_unset(struct local_interest *li, struct str filter, uint64_t now_ms);

/* A piece of what must be told now and has not been, into changes (cleared first): the told
 * set has it already, all of it is to be told in one step. The text is borrowed until
 * changes are used again. There may be no changes though there is more to do: see
 * local_interest_deadline. ERR_OK, or ERR_NOMEM: changes is empty. */
int local_interest_take(struct local_interest *li, uint64_t now_ms,
                        struct interest_changes *changes);

/* When to take next: 0 when something waits already, UINT64_MAX when nothing will. */
uint64_t local_interest_deadline(const struct local_interest *li);

/* Will it take several pieces to tell what waits? */
bool local_interest_is_behind(const struct local_interest *li);

/* Filters wanted, lingering ones included, and how many are told. */
size_t local_interest_count(const struct local_interest *li);
size_t local_interest_told(const struct local_interest *li);
