/* SPDX-License-Identifier: Apache-2.0 */
/* A net with a node in this very thread, and small clients on real sockets. Whoever waits
 * runs the loop meanwhile. */
#pragma once

#include "net/net.h"
#include "node/node.h"
#include "unit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { RIG_WAIT_MS = 10000, RIG_LISTENERS = 2 };

struct rig {
    struct node_config node_config;
    struct net_config config;
    struct listener_config listeners[RIG_LISTENERS]; /* 0: mqtt, 1: web */
    struct node *node;
    bool ready;      /* clients are let in */
    bool slow_store; /* nothing is durable until the test says so */
    uint64_t token;  /* the last that the store was given */
    struct net *net;
    uv_timer_t beat;   /* so that a turn never sleeps long */
    struct rig *other; /* runs along */
};

/* Defaults, to change before rig_start. */
void rig_init(struct rig *rig);

/* Make the net and listen. */
void rig_start(struct rig *rig);

/* Tear everything down. */
void rig_stop(struct rig *rig);

/* The port of listener i. */
int rig_port(const struct rig *rig, size_t i);

/* One turn of the loop, a few milliseconds at most. */
void rig_turn(struct rig *rig);

/* A connected, non-blocking socket to a port on this machine. */
int rig_connect(int port);

/* Send all bytes; the rig runs while the socket is full. */
void rig_send(struct rig *rig, int fd, const void *bytes, size_t len);

/* Receive exactly len bytes, or fail the test. */
void rig_receive(struct rig *rig, int fd, void *bytes, size_t len);

/* Receive exactly these bytes, or fail the test. */
void rig_expect(struct rig *rig, int fd, const void *bytes, size_t len);

/* Await the peer's closing; bytes before it are dropped. */
void rig_expect_closed(struct rig *rig, int fd);

/* Literals, without their NUL. */
#define rig_say(rig, fd, text)  rig_send(rig, fd, text, sizeof(text) - 1)
#define rig_hear(rig, fd, text) rig_expect(rig, fd, text, sizeof(text) - 1)

/* Run until the condition holds, or fail the test. */
#define rig_until(rig, condition)                                                                  \
    do {                                                                                           \
        uint64_t rig_end = uv_hrtime() + (uint64_t)RIG_WAIT_MS * 1000000;                          \
        bool rig_met;                                                                              \
        while (!(rig_met = (condition)) && uv_hrtime() < rig_end)                                  \
            rig_turn(rig);                                                                         \
        ck_assert_msg(rig_met, "never became true: %s", #condition);                               \
    } while (0)

/* MQTT 3.1.1: CONNECT of client "a" with keep alive 0, and its CONNACK. */
#define CONNECT_A                                                                                  \
    "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01"                                                 \
    "a"
#define CONNECT_B                                                                                  \
    "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01"                                                 \
    "b"
#define CONNACK "\x20\x02\x00\x00"
/* SUBSCRIBE to "t" at QoS 0, and its SUBACK. */
#define SUBSCRIBE_T "\x82\x06\x00\x01\x00\x01t\x00"
#define SUBACK_T    "\x90\x03\x00\x01\x00"
/* PUBLISH "hi" to "t". */
#define PUBLISH_T "\x30\x05\x00\x01thi"
