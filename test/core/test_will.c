/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

/* A talk in which client w on connection 9 sees all wills. */
static struct talk *talk_with_watcher(void)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 9, "w");
    SUBSCRIBE(t, 9, "will/#", .qos = 2);
    talk_forget(t);
    return t;
}

/* [MQTT-3.1.2-7] [MQTT-3.1.2-8] */
START_TEST(a_client_that_vanishes_has_its_will_published)
{
    struct talk *t = talk_with_watcher();

    t->show = TALK_FORWARDS | TALK_FACTS;
    CONNECT(t, 1, "a", .version = MQTT_311, .will_topic = "will/a", .will_payload = "gone",
            .will_qos = 1, .will_retain = true);
    talk_forget(t);
    talk_cut(t, 1);
    TALK_EXPECT(t, "9 PUBLISH will/a gone q1 id1\nforward will/a gone q1 retain\n"
                   "fact disconnected a 80 0\nfact will a 00 0\n");
    ck_assert_uint_eq(core_stats(t->core).retained, 1);
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.2-10] [MQTT-3.14.4-3] */
START_TEST(a_normal_goodbye_takes_the_will_back_and_another_does_not)
{
    struct talk *t = talk_with_watcher();

    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "gone");
    talk_goodbye(t, 1, 0, -1);
    TALK_EXPECT(t, "1 CONNACK 00\n1 close\n");
    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "gone");
    talk_goodbye(t, 1, 4, -1);
    TALK_EXPECT(t, "1 CONNACK 00\n1 close\n9 PUBLISH will/a gone\n");
    CONNECT(t, 1, "a", .version = MQTT_311, .will_topic = "will/a", .will_payload = "gone");
    talk_goodbye(t, 1, 0, -1);
    TALK_EXPECT(t, "1 CONNACK 00\n1 close\n");
    talk_free(t);
}
END_TEST

START_TEST(silence_takeover_and_bad_packets_publish_the_will)
{
    struct talk *t = talk_with_watcher();

    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "1", .keep_alive = 1);
    talk_wait(t, 1500);
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 8d\n1 close\n9 PUBLISH will/a 1\n");
    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "2", .version = MQTT_311);
    talk_hex(t, 1, "ff 00");
    TALK_EXPECT(t, "1 CONNACK 00\n1 close\n9 PUBLISH will/a 2\n");
    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "3");
    CONNECT(t, 2, "a");
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 8e\n1 close\n9 PUBLISH will/a 3\n2 CONNACK 00\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.1.3-9] */
START_TEST(a_delayed_will_waits_and_is_cancelled_by_coming_back)
{
    struct talk *t = talk_with_watcher();

    CONNECT(t, 1, "a", .expiry_s = 100, .will_topic = "will/a", .will_payload = "gone",
            .will_delay_s = 10, .will_expiry_s = 60);
    talk_cut(t, 1);
    talk_wait(t, 9999);
    TALK_EXPECT(t, "1 CONNACK 00\n");
    talk_wait(t, 1);
    TALK_EXPECT(t, "9 PUBLISH will/a gone expiry=60\n");
    talk_wait(t, 200000);
    CONNECT(t, 1, "a", .expiry_s = 100, .will_topic = "will/a", .will_payload = "gone",
            .will_delay_s = 10);
    talk_cut(t, 1);
    talk_wait(t, 5000);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100);
    talk_cut(t, 1);
    talk_wait(t, 50000);
    TALK_EXPECT(t, "1 CONNACK 00\n1 CONNACK 00 present\n");
    /* Taken over in time, too. */
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 100, .will_topic = "will/a",
            .will_payload = "gone", .will_delay_s = 10);
    CONNECT(t, 2, "a", .keep = true, .expiry_s = 100);
    talk_wait(t, 50000);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 DISCONNECT 8e\n1 close\n2 CONNACK 00 present\n");
    talk_free(t);
}
END_TEST

/* "... when the Will Delay Interval has elapsed or the Session ends, whichever comes
 * first" [MQTT5 3.1.3.2.2] */
START_TEST(a_delayed_will_goes_out_when_the_session_ends_first)
{
    struct talk *t = talk_with_watcher();

    CONNECT(t, 1, "a", .expiry_s = 5, .will_topic = "will/a", .will_payload = "1",
            .will_delay_s = 10);
    talk_cut(t, 1);
    talk_wait(t, 4999);
    TALK_EXPECT(t, "1 CONNACK 00\n");
    talk_wait(t, 1);
    TALK_EXPECT(t, "9 PUBLISH will/a 1\n");
    CONNECT(t, 1, "a", .will_topic = "will/a", .will_payload = "2", .will_delay_s = 10);
    talk_cut(t, 1);
    TALK_EXPECT(t, "1 CONNACK 00\n9 PUBLISH will/a 2\n");
    CONNECT(t, 1, "a", .expiry_s = 50, .will_topic = "will/a", .will_payload = "3",
            .will_delay_s = 10);
    CONNECT(t, 2, "a", .expiry_s = 50);
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 8e\n1 close\n9 PUBLISH will/a 3\n2 CONNACK 00\n");
    talk_free(t);
}
END_TEST

START_TEST(a_will_on_a_topic_of_the_brokers_is_refused)
{
    struct talk *t = talk_with_watcher();

    CONNECT(t, 1, "a", .will_topic = "$SYS/x", .will_payload = "m");
    CONNECT(t, 2, "b", .version = MQTT_311, .will_topic = "$mesh", .will_payload = "m");
    TALK_EXPECT(t, "1 CONNACK 87\n1 close\n2 CONNACK 87\n2 close\n");
    talk_free(t);
}
END_TEST

START_TEST(a_client_may_be_told_of_its_own_will_when_it_returns)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a", .expiry_s = 50, .will_topic = "will/a", .will_payload = "gone",
            .will_qos = 1);
    SUBSCRIBE(t, 1, "will/a", .qos = 1);
    talk_cut(t, 1);
    talk_forget(t);
    CONNECT(t, 1, "a", .keep = true, .expiry_s = 50);
    TALK_EXPECT(t, "1 CONNACK 00 present\n1 PUBLISH will/a gone q1 id1\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/will", a_client_that_vanishes_has_its_will_published,
          a_normal_goodbye_takes_the_will_back_and_another_does_not,
          silence_takeover_and_bad_packets_publish_the_will,
          a_delayed_will_waits_and_is_cancelled_by_coming_back,
          a_delayed_will_goes_out_when_the_session_ends_first,
          a_will_on_a_topic_of_the_brokers_is_refused,
          a_client_may_be_told_of_its_own_will_when_it_returns)
