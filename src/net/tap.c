/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tap.h"

#include "net/carrier.h"
#include "net/turn.h"
#include "net/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_MAX = 10,
    CONTROL_MAX = 125, /* [RFC6455 5.5] */
    READS_MAX = 4,     /* a turn */
    VALID_EVERY_MS = 10000,
};

/* Opcodes. [RFC6455 5.2] */
enum { FRAME_MORE = 0, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

struct tap {
    uv_poll_t poll;
    struct carrier *carrier; /* NULL: closed */
    int fd;                  /* a second number for the library's socket */
    uint64_t valid_ms;       /* when the library last heard that the peer lives */
    uint8_t head[HEAD_MAX];
    size_t head_len;
    uint64_t left; /* of the current frame's payload */
    uint8_t control[LWS_PRE + CONTROL_MAX];
    size_t control_len;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tap_close(struct tap *tap)
{
    if (!tap)
        return;
    tap->carrier = NULL;
    uv_poll_stop(&tap->poll);
    uv_close((uv_handle_t *)&tap->poll, on_closed);
    close(tap->fd);
}

/* How many bytes the head has, as far as that is known: 2, 4 or 10. */
static size_t head_size(const struct tap *tap)
{
    uint8_t len = tap->head_len < 2 ? 0 : tap->head[1] & 0x7F;

    return len == 126 ? 4 : len == 127 ? HEAD_MAX : 2;
}

/* The head is whole: is it one that a server may send on a link? */
static bool begin_frame(struct tap *tap)
{
    uint8_t opcode = tap->head[0] & 0x0F;
    size_t size = head_size(tap);

    tap->left = size == 2 ? tap->head[1] : 0;
    for (size_t i = 2; i < size; i++)
        tap->left = tap->left << 8 | tap->head[i];
    tap->control_len = 0;
    if (tap->head[1] & 0x80 || tap->head[0] & 0x70) /* [RFC6455 5.1] [RFC6455 5.2] */
        return false;
    if (opcode >= FRAME_CLOSE)
        return opcode <= FRAME_PONG && tap->left <= CONTROL_MAX;
    return opcode == FRAME_MORE || opcode == FRAME_BINARY; /* [MQTT-6.0.0-1] */
}

/* The frame is whole. */
static void end_frame(struct tap *tap)
{
    uint8_t opcode = tap->head[0] & 0x0F;

    tap->head_len = 0;
    if (opcode == FRAME_CLOSE)
        carrier_end(tap->carrier, "connection closed by peer");
    else if (opcode == FRAME_PING && tap->carrier->wsi)
        lws_write(tap->carrier->wsi, tap->control + LWS_PRE, tap->control_len, LWS_WRITE_PONG);
}

/* Is there still somebody to read for? */
static bool is_open(const struct tap *tap)
{
    return tap->carrier && tap->carrier->phase != CARRIER_ENDED;
}

/* One step through the bytes; how many it took. The carrier may have ended afterwards. */
static size_t take_some(struct tap *tap, const uint8_t *at, size_t len)
{
    if (tap->left == 0) {
        tap->head[tap->head_len++] = *at;
        if (tap->head_len < head_size(tap))
            return 1;
        if (!begin_frame(tap))
            carrier_end(tap->carrier, "peer sent a frame that is not allowed");
        else if (tap->left == 0)
            end_frame(tap);
        return 1;
    }
    size_t part = len < tap->left ? len : (size_t)tap->left;

    tap->left -= part;
    if ((tap->head[0] & 0x0F) >= FRAME_CLOSE) {
        memcpy(tap->control + LWS_PRE + tap->control_len, at, part);
        tap->control_len += part;
    } else {
        carrier_receive(tap->carrier, at, part);
    }
    if (is_open(tap) && tap->left == 0)
        end_frame(tap);
    return part;
}

/* Closed by the peer, or broken. */
static void hang_up(struct tap *tap)
{
    struct net *net = tap->carrier->net;

    carrier_end(tap->carrier, "connection closed by peer");
    net_settle(net);
}

/* Our reading is what the library's own check for dead peers cannot see. */
static void confirm(struct tap *tap)
{
    struct carrier *carrier = tap->carrier;

    if (!carrier->wsi || carrier->net->now_ms < tap->valid_ms + VALID_EVERY_MS)
        return;
    tap->valid_ms = carrier->net->now_ms;
    lws_validity_confirmed(carrier->wsi);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct tap *tap = poll->data;
    struct net *net = tap->carrier->net;

    (void)status;
    (void)events;
    turn_time(net);
    for (int i = 0; i < READS_MAX && tap->carrier; i++) {
        ssize_t got = recv(tap->fd, net->rx, sizeof net->rx, 0);

        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (got <= 0) {
            hang_up(tap);
            return;
        }
        confirm(tap);
        for (size_t at = 0; at < (size_t)got && is_open(tap);)
            at += take_some(tap, net->rx + at, (size_t)got - at);
        net_settle(net);
        if ((size_t)got < sizeof net->rx)
            return;
    }
}

struct tap *tap_open(struct carrier *carrier)
{
    struct tap *tap = calloc(1, sizeof *tap);

    if (!tap)
        return NULL;
    tap->fd = fcntl(lws_get_socket_fd(carrier->wsi), F_DUPFD_CLOEXEC, 0);
    if (tap->fd < 0 || uv_poll_init(&carrier->net->loop, &tap->poll, tap->fd) != 0) {
        if (tap->fd >= 0)
            close(tap->fd);
        free(tap);
        return NULL;
    }
    tap->carrier = carrier;
    tap->poll.data = tap;
    lws_rx_flow_control(carrier->wsi, 0);
    uv_poll_start(&tap->poll, UV_READABLE, on_readable);
    return tap;
}
