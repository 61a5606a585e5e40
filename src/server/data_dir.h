/* SPDX-License-Identifier: Apache-2.0 */
/* Where a broker keeps what must survive: the directory that was named, /var/lib/plexus/NAME
 * where that can be written, else plexus/NAME in the user's state directory, which is
 * $XDG_STATE_HOME or ~/.local/state (XDG Base Directory Specification 0.8). */
#pragma once

#include "base/buf.h"

/* Find or make the directory. data: node.data of the configuration; name: the broker's.
 * ERR_OK, with the path on the heap in *ret_dir, or NULL there where nothing is to survive;
 * else an error with one line in errors. */
int data_dir_choose(const char *data, const char *name, char **ret_dir, struct buf *errors);

/* Make a directory for ourselves alone, and those above it where they are missing. ERR_OK when
 * it is there and can be written, or ERR_IO with errno. */
int data_dir_make(const char *path);
