/* SPDX-License-Identifier: Apache-2.0 */
#include "net/secure.h"

#include "base/err.h"
#include "base/log.h"
#include "net/listener.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/turn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 4, /* of a full buffer, a turn and connection */
    REASON_MAX = 256,
};

struct secure {
    struct tcp tcp;
    SSL *ssl;
    char *username;     /* NULL: the certificate says none */
    struct list unread; /* in net->unread while OpenSSL holds what nobody has read */
    bool shaken;        /* hands are */
};

static struct secure *secure_of(const struct stream *stream)
{
    return (struct secure *)stream; /* the stream is its first member's first member */
}

static void secure_abort(struct stream *stream)
{
    struct secure *secure = secure_of(stream);

    list_remove(&secure->unread);
    SSL_free(secure->ssl);
    free(secure->username);
    secure->ssl = NULL;
    secure->username = NULL;
    tcp_abort(stream);
}

static void secure_finish(struct stream *stream)
{
    struct secure *secure = secure_of(stream);

    list_remove(&secure->unread);
    ERR_clear_error();
    if (secure->shaken)
        SSL_shutdown(secure->ssl); /* says goodbye; the answer is not awaited */
    tcp_finish(stream);
}

static void want_writing(struct secure *secure, bool on)
{
    if (secure->tcp.writing == on)
        return;
    secure->tcp.writing = on;
    tcp_rearm(&secure->tcp);
}

static int secure_flush(struct stream *stream)
{
    struct secure *secure = secure_of(stream);
    uint8_t scratch[TLS_RECORD_BYTES]; /* not the shared receive buffer: packets may lie in it */

    if (secure->tcp.writing || !secure->shaken)
        return ERR_OK;
    while (stream->out.bytes > 0) {
        size_t len, sent = 0;
        const void *record = out_queue_run(&stream->out, scratch, sizeof scratch, &len);

        ERR_clear_error();
        if (SSL_write_ex(secure->ssl, record, len, &sent) == 1) {
            out_queue_consume(&stream->out, sent);
            stream->net->stats.bytes_out += sent;
            continue;
        }
        if (SSL_get_error(secure->ssl, 0) != SSL_ERROR_WANT_WRITE)
            return ERR_CLOSED;
        want_writing(secure, true);
        return ERR_OK;
    }
    return ERR_OK;
}

/* Come back to read on, though the socket may have nothing. */
static void keep_unread(struct secure *secure)
{
    if (!list_linked(&secure->unread))
        list_push_back(&secure->tcp.stream.net->unread, &secure->unread);
}

static void secure_read(struct stream *stream, bool on)
{
    struct secure *secure = secure_of(stream);
    struct tcp *tcp = &secure->tcp;

    if (tcp->fd < 0 || tcp->reading == on || tcp->lingering)
        return;
    tcp->reading = on;
    tcp_rearm(tcp);
    if (!on)
        list_remove(&secure->unread);
    else if (SSL_has_pending(secure->ssl))
        keep_unread(secure);
}

static struct str secure_username(const struct stream *stream)
{
    return str_from_c(secure_of(stream)->username);
}

/* Hands could not be shaken: who tried, and why not. */
static void refuse(struct secure *secure)
{
    char peer[LISTENER_ADDRESS_MAX], words[REASON_MAX], quoted[REASON_MAX];
    const char *reason = tls_reason(secure->ssl, words, sizeof words);

    tcp_peer(&secure->tcp.stream, peer, sizeof peer);
    log_info("tls.refused", "address=%s reason=%s", peer,
             log_quoted(str_from_c(reason), quoted, sizeof quoted));
    tcp_hang_up(&secure->tcp);
}

/* True once hands are shaken. */
static bool shake(struct secure *secure)
{
    ERR_clear_error();
    int done = SSL_do_handshake(secure->ssl);

    if (done != 1) {
        int why = SSL_get_error(secure->ssl, done);
        want_writing(secure, why == SSL_ERROR_WANT_WRITE);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            refuse(secure);
        return false;
    }
    want_writing(secure, false);
    secure->shaken = true;
    if (tls_username(secure->tcp.listener->tls, secure->ssl, &secure->username) != ERR_OK) {
        refuse(secure);
        return false;
    }
    return true;
}

/* As many records as fit into the buffer; how many bytes. *ret_more: there may be more. */
static size_t read_records(struct secure *secure, uint8_t *to, size_t size, bool *ret_more)
{
    size_t len = 0, got;

    *ret_more = true;
    while (len < size) {
        ERR_clear_error();
        if (SSL_read_ex(secure->ssl, to + len, size - len, &got) != 1) {
            *ret_more = false;
            break;
        }
        len += got;
    }
    return len;
}

static void on_readable(struct secure *secure)
{
    struct net *net = secure->tcp.stream.net;

    if (!secure->shaken && !shake(secure))
        return;
    for (int i = 0; i < ROUNDS_MAX && secure->ssl && secure->tcp.reading; i++) {
        bool more;
        size_t len = read_records(secure, net->rx, sizeof net->rx, &more);
        int why = more ? SSL_ERROR_NONE : SSL_get_error(secure->ssl, 0);

        if (len > 0)
            stream_receive(&secure->tcp.stream, net->rx, len);
        if (more)
            continue;
        if (why == SSL_ERROR_WANT_READ || !secure->ssl)
            return;
        if (why != SSL_ERROR_WANT_WRITE) {
            tcp_hang_up(&secure->tcp);
            return;
        }
        want_writing(secure, true);
        return;
    }
    if (secure->ssl && secure->tcp.reading)
        keep_unread(secure);
}

/* The last bytes are said: whatever comes now is thrown away, until the peer closes. */
static void await_close(struct secure *secure)
{
    struct net *net = secure->tcp.stream.net;
    ssize_t got = read(secure->tcp.fd, net->rx, sizeof net->rx);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        tcp_hang_up(&secure->tcp);
}

void secure_poll(uv_poll_t *poll, int status, int events)
{
    struct secure *secure = poll->data;
    struct net *net = secure->tcp.stream.net;

    turn_time(net);
    if (status < 0) {
        for (int i = 0; i < TCP_RESET_READS_MAX && secure->ssl && secure->tcp.reading; i++)
            on_readable(secure);
        if (secure->ssl)
            tcp_hang_up(&secure->tcp);
        return;
    }
    if (secure->tcp.lingering) {
        await_close(secure);
        return;
    }
    if (events & UV_WRITABLE) {
        want_writing(secure, false);
        if (!secure->shaken) {
            on_readable(secure);
            return;
        }
        stream_flush(&secure->tcp.stream);
        net_settle(net);
    }
    if (secure->ssl && secure->tcp.reading)
        on_readable(secure);
}

void secure_read_on(struct net *net)
{
    size_t count = 0;

    list_each (&net->unread, each)
        count++;
    /* Those that come again meanwhile wait for the next turn. */
    for (; count > 0 && !list_empty(&net->unread); count--)
        on_readable(list_entry(list_pop_front(&net->unread), struct secure, unread));
}

void secure_accept(struct net *net, const struct arrival *arrival)
{
    static const struct transport transport = {
        .flush = secure_flush,
        .read = secure_read,
        .finish = secure_finish,
        .abort = secure_abort,
        .peer = tcp_peer,
        .username = secure_username,
    };
    struct secure *secure = calloc(1, sizeof *secure);
    SSL *ssl = secure ? tls_accept(arrival->listener->tls, arrival->fd) : NULL;

    if (!ssl) {
        free(secure);
        close(arrival->fd);
        return;
    }
    if (tcp_init(&secure->tcp, net, arrival) != ERR_OK) {
        SSL_free(ssl);
        free(secure);
        return;
    }
    secure->ssl = ssl;
    secure->tcp.secure = true;
    list_init(&secure->unread);
    if (stream_open(net, &secure->tcp.stream, &transport, arrival->listener->config) != ERR_OK) {
        secure_abort(&secure->tcp.stream);
        return;
    }
    secure_read(&secure->tcp.stream, stream_wants_reading(&secure->tcp.stream));
    net_settle(net);
}
