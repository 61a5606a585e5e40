/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tap.h"

#include "base/buf.h"
#include "base/err.h"
#include "net/framing.h"
#include "net/turn.h"

#include <errno.h>
#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_MAX = 4,    /* a turn and tap, so that one does not starve the others */
    READY_MAX = 1024, /* a turn: what is due to one comes of many */
};

/* What the library read behind the handshake, until it is taken. */
struct early {
    struct tap *tap;
    struct buf bytes;
    struct list node;
};

struct tap {
    struct taps *taps;
    const struct tap_owner *calls;
    void *owner; /* NULL: closed */
    int fd;      /* the library's */
    SSL *ssl;    /* the library's, or the owner's; NULL: none */
    bool reading;
    bool deaf;         /* the last frame that counts has come: await the end */
    bool wants_to_say; /* OpenSSL has to write before it reads on */
    struct list closed;
    struct early *early; /* NULL: nothing */
    struct framing framing;
};

/* Tell the kernel what we wait for. */
static int arm(struct tap *tap, int how)
{
    struct epoll_event event = { .events = EPOLLIN | (tap->wants_to_say ? EPOLLOUT : 0),
                                 .data.ptr = tap };

    return epoll_ctl(tap->taps->fd, how, tap->fd, &event) == 0 ? ERR_OK : ERR_IO;
}

int tap_read(struct tap *tap, bool on)
{
    if (tap->reading == on)
        return ERR_OK;
    tap->reading = on;
    return arm(tap, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL);
}

static void free_closed(struct taps *taps)
{
    struct list *node;

    while ((node = list_pop_front(&taps->closed)))
        free(list_entry(node, struct tap, closed));
}

static void drop_early(struct tap *tap)
{
    if (!tap->early)
        return;
    list_remove(&tap->early->node);
    buf_finish(&tap->early->bytes);
    free(tap->early);
    tap->early = NULL;
}

void tap_close(struct tap *tap)
{
    if (!tap)
        return;
    tap_read(tap, false);
    drop_early(tap);
    tap->owner = NULL;
    list_push_back(&tap->taps->closed, &tap->closed);
    if (!tap->taps->busy)
        free_closed(tap->taps);
}

/* Read through OpenSSL what its next record holds. As recv(): 0 is the end. */
static ssize_t read_secure(struct tap *tap, uint8_t *to, size_t size)
{
    size_t got = 0;

    ERR_clear_error();
    if (SSL_read_ex(tap->ssl, to, size, &got) == 1)
        return (ssize_t)got;
    int why = SSL_get_error(tap->ssl, 0);

    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return 0;
    if (tap->wants_to_say != (why == SSL_ERROR_WANT_WRITE)) {
        tap->wants_to_say = !tap->wants_to_say;
        if (arm(tap, EPOLL_CTL_MOD) != ERR_OK)
            return 0;
    }
    errno = EAGAIN;
    return -1;
}

/* Hand on what has gathered. */
static void deliver(struct tap *tap, struct framing_part *run)
{
    size_t len = run->len;

    run->len = 0;
    if (len > 0)
        tap->calls->receive(tap->owner, run->at, len);
}

/* Pieces that follow each other go on as one: many small frames cost like one large. */
static void gather(struct framing_part *run, const struct framing_part *part)
{
    if (run->len == 0) {
        *run = *part;
        return;
    }
    memmove(run->at + run->len, part->at, part->len);
    run->len += part->len;
}

static void take(struct tap *tap, uint8_t *at, size_t len)
{
    struct framing_part run = { 0 }, part;
    enum framing_kind kind;

    while ((kind = framing_next(&tap->framing, &at, &len, &part)) != FRAMING_MORE) {
        if (kind == FRAMING_DATA) {
            gather(&run, &part);
            continue;
        }
        deliver(tap, &run);
        if (!tap->owner)
            return;
        tap->deaf = kind != FRAMING_PING;
        if (kind == FRAMING_PING)
            tap->calls->ping(tap->owner, part.at, part.len);
        else if (kind == FRAMING_CLOSE)
            tap->calls->closed(tap->owner, part.code);
        else
            tap->calls->failed(tap->owner, part.code);
        if (!tap->owner || tap->deaf)
            return;
    }
    deliver(tap, &run);
}

int tap_put(struct tap *tap, const void *bytes, size_t len)
{
    struct early *early = tap->early;

    if (len == 0)
        return ERR_OK;
    if (!early) {
        early = calloc(1, sizeof *early);
        if (!early)
            return ERR_NOMEM;
        early->tap = tap;
        list_push_back(&tap->taps->early, &early->node);
        tap->early = early;
    }
    buf_append(&early->bytes, bytes, len);
    return early->bytes.failed ? ERR_NOMEM : ERR_OK;
}

/* What was put comes before what the socket has. */
static void take_early(struct tap *tap)
{
    struct buf bytes = tap->early->bytes;

    tap->early->bytes = (struct buf){ 0 };
    drop_early(tap);
    if (!tap->deaf)
        take(tap, bytes.data, bytes.len);
    buf_finish(&bytes);
}

bool taps_any_early(const struct taps *taps)
{
    list_each (&taps->early, node) {
        if (list_entry(node, struct early, node)->tap->reading)
            return true;
    }
    return false;
}

void taps_read_on(struct taps *taps)
{
    struct list due, *node;

    list_init(&due); /* taking the bytes of one may end others, and begin some */
    while ((node = list_pop_front(&taps->early)))
        list_push_back(&due, node);
    taps->busy = true;
    while ((node = list_pop_front(&due))) {
        struct tap *tap = list_entry(node, struct early, node)->tap;
        list_push_back(&taps->early, node);
        if (tap->reading)
            take_early(tap);
    }
    taps->busy = false;
    free_closed(taps);
}

/* Read and take once. False: there is no more for now. */
static bool read_once(struct tap *tap)
{
    struct net *net = tap->taps->net;

    if (tap->early) {
        take_early(tap);
        return true;
    }
    ssize_t got = tap->ssl ? read_secure(tap, net->rx, sizeof net->rx)
                           : recv(tap->fd, net->rx, sizeof net->rx, 0);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (got <= 0) {
        tap_read(tap, false);
        tap->calls->gone(tap->owner);
        return false;
    }
    if (!tap->deaf)
        take(tap, net->rx, (size_t)got);
    return tap->ssl || (size_t)got == sizeof net->rx;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct taps *taps = poll->data;
    struct epoll_event ready[READY_MAX];
    int count = epoll_wait(taps->fd, ready, READY_MAX, 0);

    (void)status;
    (void)events;
    turn_time(taps->net);
    taps->busy = true;
    for (int i = 0; i < count; i++) {
        struct tap *tap = ready[i].data.ptr;
        for (int n = 0; n < READS_MAX && tap->owner && tap->reading && read_once(tap);)
            n++;
        net_settle(taps->net);
    }
    taps->busy = false;
    free_closed(taps);
}

struct tap *tap_open(struct taps *taps, struct lws *wsi, struct ssl_st *ssl, bool served,
                     const struct tap_owner *calls, void *owner)
{
    struct tap *tap = calloc(1, sizeof *tap);

    if (!tap)
        return NULL;
    tap->taps = taps;
    tap->calls = calls;
    tap->owner = owner;
    tap->fd = lws_get_socket_fd(wsi);
    tap->ssl = ssl;
    list_init(&tap->closed);
    framing_init(&tap->framing, served, taps->net->config.websocket_frame_bytes_max);
    lws_rx_flow_control(wsi, 0);
    return tap;
}

int taps_open(struct taps *taps, struct net *net)
{
    *taps = (struct taps){ .net = net, .fd = epoll_create1(EPOLL_CLOEXEC) };
    list_init(&taps->closed);
    list_init(&taps->early);
    if (taps->fd < 0)
        return ERR_IO;
    if (uv_poll_init(&net->loop, &taps->poll, taps->fd) != 0) {
        close(taps->fd);
        return ERR_IO;
    }
    uv_unref((uv_handle_t *)&taps->poll); /* it alone keeps no loop running */
    taps->open = true;
    taps->poll.data = taps;
    uv_poll_start(&taps->poll, UV_READABLE, on_ready);
    return ERR_OK;
}

static void on_left(uv_handle_t *poll)
{
    struct taps *taps = poll->data;

    close(taps->fd);
}

void taps_close(struct taps *taps)
{
    if (!taps->open)
        return;
    taps->open = false;
    uv_close((uv_handle_t *)&taps->poll, on_left);
}
