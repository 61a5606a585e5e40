/* SPDX-License-Identifier: Apache-2.0 */
/* Tell a service manager how we are, if one listens: a datagram to NOTIFY_SOCKET.
 * sd_notify(3) */
#pragma once

/* "READY=1", "STOPPING=1", several lines at once. Nothing happens where nobody listens. */
void notify_manager(const char *state);

/* Configuration is being read again; notify_manager("READY=1") ends it. */
void notify_reloading(void);
