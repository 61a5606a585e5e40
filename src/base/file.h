/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read at once, replaced at once. For adapters and the server. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

/* Append all of the file to text. ERR_OK, ERR_IO with errno set, ERR_TOO_LARGE when it is
 * longer than max bytes, ERR_NOMEM. */
int file_read(const char *path, size_t max, struct buf *text);

/* Make the name of a file or directory survive a power cut, as its content may already: sync
 * the directory that it is in. ERR_OK, or ERR_IO with errno set. */
int file_sync_name(const char *path);

/* Replace the file by one with this content in one step: whoever reads it, and whoever
 * comes after a power cut, sees the old or the new one. It is written beside it and synced;
 * one that is there already gives it its owner and mode, else it gets this mode. A symbolic
 * link is followed: what it points to is replaced. ERR_OK, or ERR_IO with errno set. */
int file_replace(const char *path, struct str text, unsigned mode);
