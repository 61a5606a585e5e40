/* SPDX-License-Identifier: Apache-2.0 */
/* Watches files, and says soon after one of them is another. */
#pragma once

struct file_watch;
struct uv_loop_s;

/* Some of the files changed, appeared or went. */
typedef void (*file_watch_fn)(void *context);

/* A watch of no files, or NULL when out of memory. */
struct file_watch *file_watch_new(struct uv_loop_s *loop, file_watch_fn changed, void *context);

/* Watch this file too, from now on. Where that cannot be done the log says so. */
void file_watch_add(struct file_watch *watch, const char *path);

/* Stop; the loop has to run once more. Accepts NULL. */
void file_watch_free(struct file_watch *watch);
