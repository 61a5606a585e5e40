/* SPDX-License-Identifier: Apache-2.0 */
#include "net/file_watch.h"

#include "base/log.h"
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

enum {
    SETTLE_MS = 300, /* a certificate and its key are replaced one after the other */
    PATH_MAX_LEN = 4096,
};

/* One directory. Files are replaced by renaming, which only their directory sees. */
struct watched {
    uv_fs_event_t event;
    char *path;
};

struct file_watch {
    uv_timer_t timer;
    file_watch_fn changed;
    void *context;
    uint64_t stamp; /* of all files, as they were when that was last said */
    struct {
        VEC(char *);
    } files;
    struct {
        VEC(struct watched *);
    } directories;
};

static void mix(uint64_t *stamp, uint64_t value)
{
    *stamp = (*stamp ^ value) * 0x100000001B3; /* FNV-1a, by words */
}

/* A number that is another when the file is another. */
static void stamp_file(uint64_t *stamp, const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        mix(stamp, 1);
        return;
    }
    mix(stamp, (uint64_t)status.st_ino);
    mix(stamp, (uint64_t)status.st_size);
    mix(stamp, (uint64_t)status.st_mtim.tv_sec);
    mix(stamp, (uint64_t)status.st_mtim.tv_nsec);
}

static uint64_t stamp_all(const struct file_watch *watch)
{
    uint64_t stamp = 0xCBF29CE484222325;

    vec_each (&watch->files, file)
        stamp_file(&stamp, *file);
    return stamp;
}

static void on_settled(uv_timer_t *timer)
{
    struct file_watch *watch = timer->data;
    uint64_t stamp = stamp_all(watch);

    if (stamp == watch->stamp)
        return;
    watch->stamp = stamp;
    watch->changed(watch->context);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct file_watch *watch = event->data;

    (void)name;
    (void)events;
    if (status == 0)
        uv_timer_start(&watch->timer, on_settled, SETTLE_MS, 0);
}

static void on_directory_closed(uv_handle_t *handle)
{
    struct watched *watched = (struct watched *)handle; /* the event is its first member */

    free(watched->path);
    free(watched);
}

struct file_watch *file_watch_new(struct uv_loop_s *loop, file_watch_fn changed, void *context)
{
    struct file_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->changed = changed;
    watch->context = context;
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    return watch;
}

/* Watch the directory, unless that is done already. */
static void watch_directory(struct file_watch *watch, const char *directory)
{
    vec_each (&watch->directories, each) {
        if (strcmp((*each)->path, directory) == 0)
            return;
    }
    struct watched *watched = calloc(1, sizeof *watched);
    struct watched **slot = watched ? vec_push(&watch->directories) : NULL;

    if (!slot || !(watched->path = strdup(directory)) ||
        uv_fs_event_init(watch->timer.loop, &watched->event) != 0) {
        if (slot)
            watch->directories.len--;
        if (watched)
            free(watched->path);
        free(watched);
        return;
    }
    *slot = watched;
    watched->event.data = watch;
    int err = uv_fs_event_start(&watched->event, on_event, directory, 0);
    if (err)
        log_warn("file.not_watched", "directory=%s reason=\"%s\"", directory, uv_strerror(err));
}

void file_watch_add(struct file_watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX_LEN] = ".", *copy = strdup(path);
    char **slot = copy ? vec_push(&watch->files) : NULL;

    if (!slot) {
        free(copy);
        return;
    }
    *slot = copy;
    if (slash)
        snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path),
                 path);
    watch_directory(watch, directory);
    watch->stamp = stamp_all(watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void file_watch_free(struct file_watch *watch)
{
    if (!watch)
        return;
    vec_each (&watch->directories, each)
        uv_close((uv_handle_t *)&(*each)->event, on_directory_closed);
    vec_finish(&watch->directories);
    vec_each (&watch->files, file)
        free(*file);
    vec_finish(&watch->files);
    uv_close((uv_handle_t *)&watch->timer, on_timer_closed);
}
