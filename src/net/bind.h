/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets that listeners listen on, and addresses as text. */
#pragma once

#include <stddef.h>

struct buf;
struct listener_config;
struct sockaddr;

/* A bound, listening socket, or -1 and a line about it in errors. What a dead process left
 * at a unix socket's path is removed first; what is alive is not. */
int bind_open(const struct listener_config *config, struct buf *errors);

/* Remove the file of a unix socket that bind_open made. */
void bind_forget(const struct listener_config *config);

/* Where a socket listens: "127.0.0.1:1883", "[::1]:1883", "unix:/run/plexus.sock". */
void bind_address(int fd, char *out, size_t size);

/* The same for an address; "-" when it has no text. */
void bind_address_text(const struct sockaddr *address, unsigned len, char *out, size_t size);
