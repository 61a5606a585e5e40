/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_watch.h"

#include "net/file_watch.h"
#include "net/turn.h"

static void on_changed(void *context)
{
    net_tls_reload(context);
}

static void add_files(struct file_watch *watch, const struct tls_config *tls)
{
    for (size_t i = 0; i < tls->certificate_count; i++) {
        file_watch_add(watch, tls->certificates[i].certificate_file);
        file_watch_add(watch, tls->certificates[i].key_file);
    }
    if (tls->ca_file)
        file_watch_add(watch, tls->ca_file);
    if (tls->crl_file)
        file_watch_add(watch, tls->crl_file);
}

struct file_watch *tls_watch_new(struct net *net)
{
    struct file_watch *watch = NULL;

    for (size_t i = 0; i < net->config.listener_count; i++) {
        const struct tls_config *tls = net->config.listeners[i].tls;
        if (!tls)
            continue;
        if (!watch)
            watch = file_watch_new(&net->loop, on_changed, net);
        if (!watch)
            return NULL;
        add_files(watch, tls);
    }
    return watch;
}
