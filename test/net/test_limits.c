/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "net/listener.h"
#include "net/turn.h"

#include <string.h>
#include <unistd.h>

START_TEST(a_listener_has_a_largest_packet_of_its_own)
{
    static char publish[3 + 300] = "\x30\xac\x02\x00\x01t"; /* remaining length 300 */
    struct rig rig;

    rig_init(&rig);
    rig.listeners[0].packet_bytes_max = 200;
    rig_start(&rig);
    int a = rig_connect(rig_port(&rig, 0));
    rig_say(&rig, a, CONNECT_A PUBLISH_T);
    rig_hear(&rig, a, CONNACK);
    rig_send(&rig, a, publish, sizeof publish);
    rig_expect_closed(&rig, a);
    close(a);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_sends_more_than_a_listener_allows_a_second_is_read_later)
{
    enum { RATE = 100000, LEN = 150000, HEAD = 7 };
    static char packet[4 + LEN], got[4 + LEN];
    struct rig rig;

    memcpy(packet, "\x30\xf0\x93\x09\x00\x01t", HEAD); /* remaining length 150000 */
    rig_init(&rig);
    rig.listeners[0].bytes_per_second_max = RATE;
    rig_start(&rig);
    int a = rig_connect(rig_port(&rig, 0)), b = rig_connect(rig_port(&rig, 0));
    rig_say(&rig, a, CONNECT_A SUBSCRIBE_T);
    rig_hear(&rig, a, CONNACK SUBACK_T);
    rig_say(&rig, b, CONNECT_B);
    rig_hear(&rig, b, CONNACK);
    uint64_t since = uv_hrtime();
    rig_send(&rig, b, packet, sizeof packet);
    rig_send(&rig, b, packet, sizeof packet);
    rig_receive(&rig, a, got, sizeof got);
    rig_receive(&rig, a, got, sizeof got);
    ck_assert_mem_eq(packet, got, sizeof got);
    /* 300,000 bytes: the first second's are free, then come 100,000 a second; what is read
     * at once is up to four times 64 KiB. */
    ck_assert_uint_gt((uv_hrtime() - since) / 1000000, 300);
    close(a);
    close(b);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(connections_beyond_the_rate_wait_and_none_is_refused)
{
    enum { RATE = 20, COUNT = 26 };
    struct rig rig;
    int fds[COUNT];

    rig_init(&rig);
    rig.listeners[0].connect_rate_max = RATE;
    rig_start(&rig);
    uint64_t since = uv_hrtime();
    for (int i = 0; i < COUNT; i++)
        fds[i] = rig_connect(rig_port(&rig, 0));
    rig_until(&rig, rig.net->listeners[0].connections >= RATE);
    ck_assert_uint_lt(rig.net->listeners[0].connections, COUNT);
    rig_until(&rig, rig.net->listeners[0].connections == COUNT);
    ck_assert_uint_ge((uv_hrtime() - since) / 1000000, (COUNT - RATE - 1) * 1000 / RATE);
    ck_assert_uint_eq(net_stats(rig.net).refused, 0);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/limits", a_listener_has_a_largest_packet_of_its_own,
          who_sends_more_than_a_listener_allows_a_second_is_read_later,
          connections_beyond_the_rate_wait_and_none_is_refused)
