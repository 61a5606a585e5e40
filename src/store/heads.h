/* SPDX-License-Identifier: Apache-2.0 */
/* The two heads of the tables' file, which LMDB writes in turn: the one of the last transaction
 * says where everything is. A head with a wrong bit is still used: which of the two is the last
 * one is told by the pages that its transaction freed, too, and what else is wrong in it shows
 * where it leads to. */
#pragma once

#include "store/survey.h"

/* Find the size of pages and the head of the last transaction, for a survey; what is wrong counts
 * as damage. ERR_OK; ERR_CHECKSUM: there are no heads; ERR_NOMEM. */
int heads_read(struct survey *survey);
