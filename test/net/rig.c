/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/log.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BEAT_MS = 2 };

void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->listeners[0] = (struct listener_config){ .host = "127.0.0.1", .kind = LISTENER_MQTT };
    rig->listeners[1] = (struct listener_config){ .host = "127.0.0.1", .kind = LISTENER_WEB };
    rig->config.listeners = rig->listeners;
    rig->config.listener_count = RIG_LISTENERS;
    rig->config.mesh_name = rig->node_config.mesh.mesh_name = STR("test");
    rig->node_config.mesh.name = STR("broker");
    log_setup(getenv("RIG_DEBUG") ? LOG_DEBUG : LOG_ERROR, false);
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

/* Everything is durable at once, unless the test says when. */
static void on_store(void *context, const struct durable_op *ops, size_t count)
{
    struct rig *rig = context;

    rig->token = ops[count - 1].token;
    for (size_t i = 0; i < count; i++) {
        struct durable_op op = ops[i];
        durable_op_finish(&op);
    }
    if (!rig->slow_store)
        net_durable(rig->net, rig->token);
}

static void on_ready(void *context)
{
    struct rig *rig = context;

    rig->ready = true;
}

void rig_start(struct rig *rig)
{
    uint64_t now_ms = os_wall_ms();
    struct buf errors = { 0 };

    rig->config.node_id = rig->node_config.mesh.id;
    rig->node = node_new(&rig->node_config, now_ms);
    rig->config.store = on_store;
    rig->config.ready = on_ready;
    rig->config.context = rig;
    rig->net = net_new(&rig->config, rig->node, now_ms);
    ck_assert_ptr_nonnull(rig->net);
    ck_assert_int_eq(net_listen(rig->net, &errors), 0);
    buf_finish(&errors);
    uv_timer_init(net_loop(rig->net), &rig->beat);
    uv_timer_start(&rig->beat, on_beat, BEAT_MS, BEAT_MS);
}

void rig_stop(struct rig *rig)
{
    uv_close((uv_handle_t *)&rig->beat, NULL);
    net_free(rig->net);
    node_free(rig->node);
}

int rig_port(const struct rig *rig, size_t i)
{
    struct str address = net_address(rig->net, i);

    return atoi(address.ptr + str_find(address, ':', 0) + 1);
}

void rig_turn(struct rig *rig)
{
    uv_run(net_loop(rig->net), UV_RUN_ONCE);
    if (rig->other)
        uv_run(net_loop(rig->other->net), UV_RUN_ONCE);
}

int rig_connect(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void rig_send(struct rig *rig, int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            rig_turn(rig);
            continue;
        }
        at += sent;
        len -= (size_t)sent;
    }
}

/* As many bytes as there are, 0 when closed; runs the rig until there are any. */
static ssize_t receive_some(struct rig *rig, int fd, void *bytes, size_t len)
{
    uint64_t end = uv_hrtime() + (uint64_t)RIG_WAIT_MS * 1000000;

    while (uv_hrtime() < end) {
        ssize_t got = recv(fd, bytes, len, 0);
        if (got >= 0)
            return got;
        if (errno == ECONNRESET)
            return 0;
        ck_assert_int_eq(errno, EAGAIN);
        rig_turn(rig);
    }
    ck_abort_msg("nothing was received");
    return 0;
}

void rig_receive(struct rig *rig, int fd, void *bytes, size_t len)
{
    char *at = bytes;

    while (len > 0) {
        ssize_t got = receive_some(rig, fd, at, len);
        ck_assert_msg(got > 0, "closed with %zu bytes missing", len);
        at += got;
        len -= (size_t)got;
    }
}

void rig_expect(struct rig *rig, int fd, const void *bytes, size_t len)
{
    char *got = malloc(len);

    rig_receive(rig, fd, got, len);
    ck_assert_mem_eq(got, bytes, len);
    free(got);
}

void rig_expect_closed(struct rig *rig, int fd)
{
    char rest[4096];

    while (receive_some(rig, fd, rest, sizeof rest) > 0)
        continue;
}
