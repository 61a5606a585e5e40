/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context(void)
{
    static SSL_CTX *ctx;

    if (ctx)
        return ctx;
    ctx = SSL_CTX_new(TLS_client_method());
    assert(ctx);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return ctx;
}

struct ssl_st *tls_open(int fd)
{
    SSL *tls = SSL_new(context());

    assert(tls);
    if (SSL_set_fd(tls, fd) != 1 || SSL_connect(tls) != 1) {
        SSL_free(tls);
        return NULL;
    }
    return tls;
}

void tls_close(struct ssl_st *tls)
{
    SSL_free(tls);
}

/* What OpenSSL's answer means in the words of the socket calls. */
static ssize_t answer(SSL *tls, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(tls, n);
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t tls_recv(struct ssl_st *tls, void *data, size_t len)
{
    return answer(tls, SSL_read(tls, data, len < INT_MAX ? (int)len : INT_MAX));
}

ssize_t tls_send(struct ssl_st *tls, const void *data, size_t len)
{
    return answer(tls, SSL_write(tls, data, len < INT_MAX ? (int)len : INT_MAX));
}
