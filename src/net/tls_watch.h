/* SPDX-License-Identifier: Apache-2.0 */
/* Watches the files of all TLS listeners, and loads them again soon after they changed. */
#pragma once

struct file_watch;
struct net;

/* Watch from now on; the listeners are open. NULL when there is nothing to watch, or no
 * memory: then only a reload by hand sees changes. file_watch_free ends it. */
struct file_watch *tls_watch_new(struct net *net);
