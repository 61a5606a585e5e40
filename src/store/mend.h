/* SPDX-License-Identifier: Apache-2.0 */
/* A leaf of the tables' file with one wrong bit is put right by trying: the bit that makes the
 * page one that LMDB could have written and every row's checksum right is the one. A CRC-32C
 * tells any two wrong bits of so few apart, so that a leaf with more damage than that is not
 * taken for one with less. */
#pragma once

#include "store/survey.h"

/* Is the page a leaf that is whole, with all its rows? */
bool mend_is_whole(struct survey *survey, const uint8_t *page, uint64_t number);

/* Put the page right, if one bit does that. */
bool mend_leaf(struct survey *survey, uint8_t *page, uint64_t number);
