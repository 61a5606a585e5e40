/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_watch.h"

#include "base/err.h"
#include "base/log.h"
#include "net/listener.h"
#include "net/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SETTLE_MS = 300, /* a certificate and its key are replaced one after the other */
    PATH_MAX_LEN = 4096,
};

/* One directory. Files are replaced by renaming, which only their directory sees. */
struct watched {
    uv_fs_event_t event;
    char *path;
};

struct tls_watch {
    struct net *net;
    uv_timer_t timer;
    uint64_t stamp; /* of all files, as they were loaded */
    struct {
        VEC(struct watched *);
    } directories;
};

/* What is called for each file of each listener. */
typedef void (*file_fn)(void *context, const char *path);

static void each_file(const struct net *net, file_fn visit, void *context)
{
    for (size_t i = 0; i < net->config.listener_count; i++) {
        const struct tls_config *tls = net->config.listeners[i].tls;
        if (!tls)
            continue;
        for (size_t j = 0; j < tls->certificate_count; j++) {
            visit(context, tls->certificates[j].certificate_file);
            visit(context, tls->certificates[j].key_file);
        }
        if (tls->ca_file)
            visit(context, tls->ca_file);
        if (tls->crl_file)
            visit(context, tls->crl_file);
    }
}

static void mix(uint64_t *stamp, uint64_t value)
{
    *stamp = (*stamp ^ value) * 0x100000001B3; /* FNV-1a, by words */
}

/* A number that is another when the file is another. */
static void stamp_file(void *context, const char *path)
{
    uint64_t *stamp = context;
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

static uint64_t stamp_all(const struct net *net)
{
    uint64_t stamp = 0xCBF29CE484222325;

    each_file(net, stamp_file, &stamp);
    return stamp;
}

static void on_settled(uv_timer_t *timer)
{
    struct tls_watch *watch = timer->data;
    uint64_t stamp = stamp_all(watch->net);

    if (stamp == watch->stamp)
        return;
    watch->stamp = stamp;
    net_tls_reload(watch->net);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct tls_watch *watch = event->data;

    (void)name;
    (void)events;
    if (status == 0)
        uv_timer_start(&watch->timer, on_settled, SETTLE_MS, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free((struct watched *)handle); /* the event is its first member */
}

/* Watch the directory that the file is in, unless that is done already. */
static void watch_file(void *context, const char *path)
{
    struct tls_watch *watch = context;
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX_LEN] = ".";

    if (slash)
        snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path),
                 path);
    vec_each (&watch->directories, each) {
        if (strcmp((*each)->path, directory) == 0)
            return;
    }
    struct watched *watched = calloc(1, sizeof *watched);

    if (!watched || !(watched->path = strdup(directory)) ||
        uv_fs_event_init(&watch->net->loop, &watched->event) != 0) {
        if (watched)
            free(watched->path);
        free(watched);
        return;
    }
    watched->event.data = watch;
    struct watched **slot = vec_push(&watch->directories);
    int err = uv_fs_event_start(&watched->event, on_event, directory, 0);

    if (slot)
        *slot = watched;
    if (err)
        log_warn("tls.not_watched", "directory=%s reason=\"%s\"", directory, uv_strerror(err));
    if (!slot) {
        free(watched->path);
        uv_close((uv_handle_t *)&watched->event, on_closed);
    }
}

struct tls_watch *tls_watch_new(struct net *net)
{
    struct tls_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->net = net;
    each_file(net, watch_file, watch);
    if (watch->directories.len == 0) {
        vec_finish(&watch->directories);
        free(watch);
        return NULL;
    }
    uv_timer_init(&net->loop, &watch->timer);
    watch->timer.data = watch;
    watch->stamp = stamp_all(net);
    return watch;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tls_watch_free(struct tls_watch *watch)
{
    if (!watch)
        return;
    vec_each (&watch->directories, each) {
        free((*each)->path);
        uv_close((uv_handle_t *)&(*each)->event, on_closed);
    }
    vec_finish(&watch->directories);
    uv_close((uv_handle_t *)&watch->timer, on_timer_closed);
}
