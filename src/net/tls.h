/* SPDX-License-Identifier: Apache-2.0 */
/* What a listener needs for TLS: certificates, whom it believes, what it agrees to. It
 * can be loaded anew while connections stand: each keeps what it began with. */
#pragma once

#include "base/buf.h"
#include "net/net.h"

#include <openssl/ssl.h>

struct tls;

/* What is spoken inside, for ALPN. [RFC7301] */
enum tls_use { TLS_MQTT, TLS_WEB, TLS_AUTO };

enum { TLS_RECORD_BYTES = 16 * 1024 }; /* of plain text in a record at most. [RFC8446 5.1] */

/* Load all files. config is borrowed; name is the listener's, for messages. NULL with a
 * line in errors for what was in the way. */
struct tls *tls_new(const struct tls_config *config, enum tls_use use, const char *name,
                    struct buf *errors);

/* Load all files again. ERR_OK, or ERR_IO with lines in errors and everything as before. */
int tls_reload(struct tls *tls, struct buf *errors);

/* Connections that stand may go on without it. Accepts NULL. */
void tls_free(struct tls *tls);

/* The server's side of a connection on this socket, or NULL when out of memory. */
SSL *tls_accept(struct tls *tls, int fd);

/* Make the connections of a context that is somebody else's use ours, as it is when each
 * comes. */
void tls_lend(struct tls *tls, SSL_CTX *shell);

/* The common name in the certificate that the peer showed, if it is to be the user name:
 * ERR_OK, with an owned copy, or with NULL when no certificate was shown or none counts;
 * ERR_INVALID when there is no usable name in it, ERR_NOMEM. */
int tls_username(const struct tls *tls, const SSL *ssl, char **ret_name);

/* In words, why a call of OpenSSL failed. Static or in out. */
const char *tls_reason(const SSL *ssl, char *out, size_t size);
