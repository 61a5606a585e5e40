/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "net/attempt.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/rand.h"
#include "net/head.h"
#include "net/turn.h"
#include "net/upgrade.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORDS_MAX = 256, READ_MAX = 4096 };

enum attempt_phase {
    ATTEMPT_CONNECTING, /* awaits the kernel */
    ATTEMPT_SHAKING,    /* shakes hands for TLS */
    ATTEMPT_ASKING,     /* sends the request */
    ATTEMPT_LISTENING,  /* awaits the answer */
};

struct attempt {
    uv_poll_t poll;
    struct net *net;
    struct attempt_target target;
    attempt_fn fn;
    void *context;
    enum attempt_phase phase;
    int fd;
    int error; /* that the kernel gave at once; 0: none */
    SSL *ssl;
    char key[UPGRADE_KEY_LEN + 1];
    struct buf request, answer;
    size_t sent; /* of the request */
    size_t seen; /* of the answer, looked at for its end */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Leave the loop. The socket and its TLS are somebody else's, or closed by the caller. */
static void leave(struct attempt *attempt)
{
    buf_finish(&attempt->request);
    buf_finish(&attempt->answer);
    uv_close((uv_handle_t *)&attempt->poll, on_closed);
}

void attempt_cancel(struct attempt *attempt)
{
    if (!attempt)
        return;
    leave(attempt);
    SSL_free(attempt->ssl);
    close(attempt->fd);
}

static void fail(struct attempt *attempt, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct attempt *attempt, const char *format, ...)
{
    char words[WORDS_MAX];
    struct attempt_end end = { .fd = -1, .words = words };
    attempt_fn fn = attempt->fn;
    void *context = attempt->context;
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    attempt_cancel(attempt);
    fn(context, &end);
}

/* The peer closed, or what is as good. */
static void fail_closed(struct attempt *attempt)
{
    fail(attempt, "%s closed the connection before it was a link", attempt->target.where);
}

/* Wait for the socket. */
static void await(struct attempt *attempt, bool writable)
{
    uv_poll_start(&attempt->poll, writable ? UV_WRITABLE : UV_READABLE, on_poll);
}

/* What OpenSSL waits for; false: for nothing, it failed. */
static bool await_tls(struct attempt *attempt, int result)
{
    int why = SSL_get_error(attempt->ssl, result);

    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return false;
    await(attempt, why == SSL_ERROR_WANT_WRITE);
    return true;
}

/* ---- each phase; true: the next one has begun ---- */

/* Whom to look for behind this socket. [RFC6066 3] [RFC6125] */
static bool prepare_tls(struct attempt *attempt)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    const char *host = attempt->target.host;
    unsigned char address[16];
    bool literal =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    SSL *ssl = attempt->ssl = SSL_new(attempt->target.tls);

    if (!ssl || SSL_set_fd(ssl, attempt->fd) != 1 ||
        SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) != 0)
        return false;
    SSL_set_connect_state(ssl);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    if (literal)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static bool connected(struct attempt *attempt)
{
    int err = attempt->error, yes = 1;
    socklen_t len = sizeof err;

    if (!err)
        getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err == ECONNREFUSED)
        fail(attempt, "connection refused by %s", attempt->target.where);
    else if (err)
        fail(attempt, "cannot connect to %s: %s", attempt->target.where, strerror(err));
    if (err)
        return false;
    setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    attempt->phase = attempt->target.tls ? ATTEMPT_SHAKING : ATTEMPT_ASKING;
    if (attempt->target.tls && !prepare_tls(attempt)) {
        fail(attempt, "out of memory");
        return false;
    }
    return true;
}

static bool shake(struct attempt *attempt)
{
    ERR_clear_error();
    int result = SSL_do_handshake(attempt->ssl);

    if (result != 1) {
        long verdict = SSL_get_verify_result(attempt->ssl);
        if (!await_tls(attempt, result))
            fail(attempt, "TLS: %s",
                 verdict == X509_V_OK ? "handshake failed"
                                      : X509_verify_cert_error_string(verdict));
        return false;
    }
    attempt->phase = ATTEMPT_ASKING;
    return true;
}

static void write_request(struct attempt *attempt)
{
    const struct attempt_target *target = &attempt->target;
    bool six = strchr(target->host, ':') != NULL;
    uint64_t random[2] = { rand_next(&attempt->net->rand), rand_next(&attempt->net->rand) };
    struct buf host = { 0 };

    upgrade_key((const uint8_t *)random, attempt->key);
    buf_printf(&host, six ? "[%s]:%u" : "%s:%u", target->host, target->port);
    upgrade_request(buf_str(&host), str_from_c(target->path), str_from_c(attempt->key),
                    &attempt->request);
    attempt->request.failed |= host.failed;
    buf_finish(&host);
}

/* Send some of the request; <= 0: nothing goes now. */
static ssize_t send_part(struct attempt *attempt, const uint8_t *at, size_t len)
{
    if (!attempt->ssl)
        return send(attempt->fd, at, len, MSG_NOSIGNAL);
    ERR_clear_error();
    return SSL_write(attempt->ssl, at, (int)len);
}

static bool ask(struct attempt *attempt)
{
    if (attempt->request.len == 0)
        write_request(attempt);
    if (attempt->request.failed) {
        fail(attempt, "out of memory");
        return false;
    }
    while (attempt->sent < attempt->request.len) {
        ssize_t sent = send_part(attempt, attempt->request.data + attempt->sent,
                                 attempt->request.len - attempt->sent);
        if (sent <= 0) {
            bool again = attempt->ssl ? await_tls(attempt, (int)sent) : errno == EAGAIN;
            if (!again)
                fail_closed(attempt);
            else if (!attempt->ssl)
                await(attempt, true);
            return false;
        }
        attempt->sent += (size_t)sent;
    }
    attempt->phase = ATTEMPT_LISTENING;
    return true;
}

/* Hand it over. From here on somebody else writes to the socket: OpenSSL must not. */
static void give(struct attempt *attempt, struct str early)
{
    struct attempt_end end = { .fd = attempt->fd, .ssl = attempt->ssl, .early = early };
    BIO *memory = attempt->ssl ? BIO_new(BIO_s_mem()) : NULL;

    if (attempt->ssl && !memory) {
        fail(attempt, "out of memory");
        return;
    }
    if (attempt->ssl)
        SSL_set0_wbio(attempt->ssl, memory);
    uv_poll_stop(&attempt->poll);
    attempt->fn(attempt->context, &end);
    leave(attempt);
}

/* What has come so far: is it the answer, and the one that was hoped for? */
static bool judge(struct attempt *attempt)
{
    struct str bytes = buf_str(&attempt->answer);
    struct head head;
    size_t len;
    int err = head_find(bytes, attempt->seen, &len);

    attempt->seen = bytes.len;
    if (err == ERR_MORE && bytes.len <= attempt->net->config.http_header_bytes_max)
        return true;
    if (err || head_read_answer(str_slice(bytes, 0, len), &head) != ERR_OK)
        fail_closed(attempt);
    else if (!upgrade_is_granted(&head, str_from_c(attempt->key)))
        fail(attempt, "HTTP %u: not a mesh endpoint", head.status);
    else
        give(attempt, str_slice(bytes, len, bytes.len));
    return false;
}

/* Read what there is. 0: the end. < 0: nothing now. */
static ssize_t read_part(struct attempt *attempt, uint8_t *at, size_t size)
{
    if (!attempt->ssl) {
        ssize_t got = recv(attempt->fd, at, size, 0);
        return got < 0 && errno != EAGAIN && errno != EINTR ? 0 : got;
    }
    ERR_clear_error();
    int got = SSL_read(attempt->ssl, at, (int)size);

    return got > 0 ? got : await_tls(attempt, got) ? -1 : 0;
}

/* Until the answer is whole, and with it what OpenSSL has read of what follows. */
static void listen_for(struct attempt *attempt)
{
    for (;;) {
        uint8_t *at = buf_reserve(&attempt->answer, READ_MAX);
        ssize_t got = at ? read_part(attempt, at, READ_MAX) : 0;
        if (got <= 0) {
            if (got == 0)
                fail_closed(attempt);
            else if (!attempt->ssl)
                await(attempt, false);
            return;
        }
        buf_advance(&attempt->answer, (size_t)got);
        if (attempt->ssl && SSL_pending(attempt->ssl) > 0)
            continue; /* a record is 16 KiB at most */
        if (!judge(attempt))
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct attempt *attempt = poll->data;
    struct net *net = attempt->net;

    (void)status; /* the socket itself says what is wrong */
    (void)events;
    turn_time(net);
    if ((attempt->phase != ATTEMPT_CONNECTING || connected(attempt)) &&
        (attempt->phase != ATTEMPT_SHAKING || shake(attempt)) &&
        (attempt->phase != ATTEMPT_ASKING || ask(attempt)))
        listen_for(attempt);
    net_settle(net);
}

struct attempt *attempt_start(struct net *net, const struct attempt_target *target, attempt_fn fn,
                              void *context)
{
    const struct addrinfo *to = target->address;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct attempt *attempt = fd >= 0 ? calloc(1, sizeof *attempt) : NULL;

    if (!attempt || uv_poll_init(&net->loop, &attempt->poll, fd) != 0) {
        free(attempt);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    attempt->poll.data = attempt;
    attempt->net = net;
    attempt->target = *target;
    attempt->fn = fn;
    attempt->context = context;
    attempt->fd = fd;
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
        attempt->error = errno; /* told with the next turn: the socket counts as closed */
    await(attempt, true);
    return attempt;
}
