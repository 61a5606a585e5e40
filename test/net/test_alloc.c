/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "alloc_fault.h"
#include "base/ip.h"
#include "net/listener.h"
#include "net/turn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAULTS = 25, TURNS = 1000 };

START_TEST(a_dial_that_finds_no_memory_is_made_again)
{
    struct rig hub, edge;
    char text[64];

    rig_init(&hub);
    rig_start(&hub);
    snprintf(text, sizeof text, "ws://127.0.0.1:%d/mesh", rig_port(&hub, 1));
    struct str url = str_from_c(text);
    for (int n = 0; n < FAULTS; n++) {
        rig_init(&edge);
        edge.config.seeds = edge.node_config.mesh.seeds = &url;
        edge.config.seed_count = edge.node_config.mesh.seed_count = 1;
        edge.node_config.mesh.id.bytes[0] = 1;
        edge.node_config.mesh.inc = (uint32_t)n + 1;
        edge.node_config.mesh.dial_backoff_ms = 10;
        edge.config.link_timeout_ms = 100;
        rig_start(&edge);
        edge.other = &hub;
        alloc_fault_after(n);
        rig_until(&edge, net_stats(edge.net).links == 1);
        alloc_fault_after(-1);
        rig_stop(&edge);
        rig_until(&hub, net_stats(hub.net).links == 0);
    }
    rig_stop(&hub);
}
END_TEST

/* Has the client been answered, or closed? */
static bool is_over(int fd, char *text, size_t *len)
{
    ssize_t got = recv(fd, text + *len, 1023 - *len, MSG_DONTWAIT);

    *len += got > 0 ? (size_t)got : 0;
    return got == 0 || (got < 0 && errno == ECONNRESET) ||
           (*len >= 4 && (memcmp(text + *len - 4, CONNACK, 4) == 0 ||
                          memcmp(text + *len - 4, "\x88\x02\x03\xe8", 4) == 0));
}

START_TEST(a_websocket_that_finds_no_memory_is_closed_and_the_next_is_served)
{
    static const char story[] =
        "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        "\x82\x8f\x00\x00\x00\x00" CONNECT_A;
    struct ip_block trusted;
    struct rig rig;
    bool fault = true, served = false;

    ip_block_parse(STR("127.0.0.1"), &trusted);
    rig_init(&rig);
    rig.listeners[1].trusted = &trusted;
    rig.listeners[1].trusted_count = 1;
    rig_start(&rig);
    for (int n = 0; fault; n++) {
        char text[1024] = "";
        size_t len = 0;
        int fd = rig_connect(rig_port(&rig, 1));
        alloc_fault_after(n);
        send(fd, story, sizeof story - 1, MSG_NOSIGNAL);
        bool over = false;
        for (int turn = 0; turn < TURNS && !over; turn++) {
            rig_turn(&rig);
            over = is_over(fd, text, &len);
        }
        fault = alloc_fault_happened();
        alloc_fault_after(-1); /* Check allocates, too */
        ck_assert(over);
        served = len >= 4 && memcmp(text + len - 4, CONNACK, 4) == 0;
        close(fd);
        rig_until(&rig, rig.net->listeners[1].connections == 0);
    }
    ck_assert(served);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/alloc", a_dial_that_finds_no_memory_is_made_again,
          a_websocket_that_finds_no_memory_is_closed_and_the_next_is_served)
