/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a person for a password. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

/* Is standard input a terminal? */
bool prompt_possible(void);

/* Ask on the terminal, without showing what is typed. Appends the answer to out, which the
 * caller wipes. False when it was broken off. */
bool prompt_secret(const char *question, struct buf *out);

/* Read one line from standard input, without its end. False when there is none. */
bool prompt_line(struct buf *out);
