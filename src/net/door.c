/* SPDX-License-Identifier: Apache-2.0 */
#include "net/door.h"

#include "base/err.h"
#include "base/log.h"
#include "net/hello.h"
#include "net/listener.h"
#include "net/proxy.h"
#include "net/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 10, HANDLES = 2 };

struct door {
    uv_poll_t poll;
    uv_timer_t timer; /* to look again, at the latest when the time is over */
    struct net *net;
    struct arrival arrival;
    uint64_t due_ms;
    bool proxied; /* the proxy's header is behind us, or none is due */
    int handles;  /* of the loop, still open */
    struct list all;
};

static void on_timer(uv_timer_t *timer);

static void on_closed(uv_handle_t *handle)
{
    struct door *door = handle->data;

    if (--door->handles == 0)
        free(door);
}

/* The socket is somebody else's from now on, or closed. */
static void leave(struct door *door)
{
    list_remove(&door->all);
    door->arrival.listener->connections--;
    uv_poll_stop(&door->poll);
    uv_timer_stop(&door->timer);
    uv_close((uv_handle_t *)&door->poll, on_closed);
    uv_close((uv_handle_t *)&door->timer, on_closed);
}

static void turn_away(struct door *door, const char *why)
{
    char peer[LISTENER_ADDRESS_MAX];

    if (why) {
        listener_peer(door->arrival.fd, peer, sizeof peer);
        log_info("listener.turned_away", "name=%s address=%s reason=\"%s\"",
                 listener_name(door->arrival.listener), peer, why);
    }
    leave(door);
    close(door->arrival.fd);
}

/* Bytes that cannot be told yet stay readable: look again a little later. */
static void wait_for_more(struct door *door)
{
    uv_poll_stop(&door->poll);
    uv_timer_start(&door->timer, on_timer, LOOK_AGAIN_MS, 0);
}

/* Take the proxy's header off the stream. ERR_OK, ERR_MORE or ERR_MALFORMED. */
static int take_proxy_header(struct door *door, size_t len)
{
    struct proxy_header header;
    struct arrival *arrival = &door->arrival;
    uint8_t *bytes = door->net->rx;
    int err = proxy_parse(bytes, len, &header);

    if (err)
        return err;
    if (recv(arrival->fd, bytes, header.len, 0) != (ssize_t)header.len)
        return ERR_MALFORMED; /* what was seen is gone: not our socket any more */
    door->proxied = true;
    if (header.known) {
        memcpy(arrival->source, header.text, sizeof header.text);
        arrival->loopback = header.loopback;
    }
    return ERR_OK;
}

/* Everything is known: pass it on. */
static void pass(struct door *door, enum hello hello)
{
    struct arrival arrival = door->arrival;

    leave(door);
    listener_admit(&arrival, hello);
}

/* Look at what has come, without taking it. */
static void look(struct door *door)
{
    const struct listener *listener = door->arrival.listener;
    ssize_t got = recv(door->arrival.fd, door->net->rx, sizeof door->net->rx, MSG_PEEK);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got <= 0) {
        turn_away(door, NULL);
        return;
    }
    if (!door->proxied) {
        int err = take_proxy_header(door, (size_t)got);
        if (err == ERR_MORE)
            wait_for_more(door);
        else if (err)
            turn_away(door, "no PROXY header");
        else if (listener->config->kind != LISTENER_AUTO)
            pass(door, HELLO_MORE);
        return; /* what is behind the header is looked at with the next event */
    }
    enum hello hello = hello_look(door->net->rx, (size_t)got);

    if (hello == HELLO_MORE)
        wait_for_more(door);
    else if (hello == HELLO_NOTHING)
        turn_away(door, "neither MQTT nor TLS nor HTTP");
    else
        pass(door, hello);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct door *door = poll->data;

    (void)events;
    turn_time(door->net);
    look(door);
    if (status < 0 && list_linked(&door->all)) /* reset, and nothing lies in the kernel still */
        turn_away(door, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct door *door = timer->data;
    struct net *net = door->net;

    turn_time(net);
    if (net->now_ms >= door->due_ms) {
        turn_away(door, "nothing came in time");
        return;
    }
    uv_timer_start(&door->timer, on_timer, door->due_ms - net->now_ms, 0);
    uv_poll_start(&door->poll, UV_READABLE, on_poll);
}

void door_open(struct net *net, const struct arrival *arrival)
{
    struct door *door = calloc(1, sizeof *door);

    if (!door || uv_poll_init(&net->loop, &door->poll, arrival->fd) != 0) {
        free(door);
        close(arrival->fd);
        return;
    }
    uv_timer_init(&net->loop, &door->timer);
    door->poll.data = door->timer.data = door;
    door->handles = HANDLES;
    door->net = net;
    door->arrival = *arrival;
    door->proxied = !arrival->listener->config->proxy_protocol;
    door->due_ms = net->now_ms + net->config.connect_timeout_ms;
    list_push_back(&net->doors, &door->all);
    arrival->listener->connections++;
    uv_timer_start(&door->timer, on_timer, net->config.connect_timeout_ms, 0);
    uv_poll_start(&door->poll, UV_READABLE, on_poll);
    look(door); /* what has come already is not waited for */
}

void door_close_all(struct net *net)
{
    list_each_safe (&net->doors, node, after)
        turn_away(list_entry(node, struct door, all), NULL);
}
