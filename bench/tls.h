/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* TLS as a client that trusts anyone: what is measured is the broker. */
struct ssl_st;

/* Shake hands on a connected, blocking fd. NULL when that fails. */
struct ssl_st *tls_open(int fd);

/* Free it; the fd stays open. Accepts NULL. */
void tls_close(struct ssl_st *tls);

/* Like recv() and send() on the fd, which has become non-blocking: 0 from tls_recv() when
 * the peer has closed, -1 with errno EAGAIN when nothing more can be done now. */
ssize_t tls_recv(struct ssl_st *tls, void *data, size_t len);
ssize_t tls_send(struct ssl_st *tls, const void *data, size_t len);
