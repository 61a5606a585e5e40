/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that take less than they ask for. */
#include "rig.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD = 100000, RETAINED = 10 };

/* PUBLISH of PAYLOAD bytes to "rN", retained; 100004 is A4 8D 06. */
static void publish_retained(struct rig *rig, int fd, int n)
{
    static char payload[PAYLOAD];
    char head[] = "\x31\xa4\x8d\x06\x00\x02r0";

    head[7] = (char)('0' + n);
    memset(payload, 'x', sizeof payload);
    rig_send(rig, fd, head, 8);
    rig_send(rig, fd, payload, sizeof payload);
}

/* All of it is the answer to one packet: being slow is no reason to be closed for it. */
START_TEST(what_is_retained_arrives_even_if_it_is_more_than_may_wait)
{
    static char got[8 + PAYLOAD];
    struct rig rig;

    rig_init(&rig);
    rig.config.out_queue_bytes_max = rig.config.out_queues_bytes_max = 10000;
    rig.config.out_queue_bytes_hard_max = 20000;
    rig_start(&rig);
    int a = rig_connect(rig_port(&rig, 0));

    rig_say(&rig, a, CONNECT_A);
    rig_hear(&rig, a, CONNACK);
    for (int i = 0; i < RETAINED; i++)
        publish_retained(&rig, a, i);
    rig_say(&rig, a, "\x82\x06\x00\x01\x00\x01#\x00\xc0\x00");
    rig_hear(&rig, a, SUBACK_T);
    for (int i = 0; i < RETAINED; i++) {
        rig_receive(&rig, a, got, sizeof got);
        ck_assert_int_eq(got[0], 0x31);
    }
    rig_hear(&rig, a, "\xd0\x00");
    close(a);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_asks_without_end_and_never_reads_is_closed)
{
    enum { PINGS = 10000 };
    static char pings[2 * PINGS];
    struct rig rig;

    for (size_t i = 0; i < sizeof pings; i += 2)
        pings[i] = (char)0xc0;
    rig_init(&rig);
    rig.config.out_queue_bytes_max = rig.config.out_queues_bytes_max = 10000;
    rig.config.out_queue_bytes_hard_max = 20000;
    rig_start(&rig);
    int a = rig_connect(rig_port(&rig, 0)), small = 4096;

    setsockopt(a, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    rig_say(&rig, a, CONNECT_A);
    rig_hear(&rig, a, CONNACK);
    for (int i = 0; i < 1000 && net_stats(rig.net).slow_closed == 0; i++) {
        if (send(a, pings, sizeof pings, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            rig_turn(&rig);
        rig_turn(&rig);
    }
    rig_until(&rig, net_stats(rig.net).slow_closed == 1);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    close(a);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/overload", what_is_retained_arrives_even_if_it_is_more_than_may_wait,
          who_asks_without_end_and_never_reads_is_closed)
