/* SPDX-License-Identifier: Apache-2.0 */
/* Watches the files of all TLS listeners, and loads them again soon after they changed. */
#pragma once

struct net;
struct tls_watch;

/* Watch from now on; the listeners are open. NULL when there is nothing to watch, or no
 * memory: then only a reload by hand sees changes. */
struct tls_watch *tls_watch_new(struct net *net);

/* Stop; the loop has to run once more. Accepts NULL. */
void tls_watch_free(struct tls_watch *watch);
