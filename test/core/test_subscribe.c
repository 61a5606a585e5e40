/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

/* [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-2] [MQTT-2.2.1-6] [MQTT-3.2.2-10] */
START_TEST(each_entry_has_its_reason)
{
    struct talk *t = talk_new(NULL);
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE };
    static const char *const filters[] = { "a", "b/#/c", "$share/g/a", "$mesh/#", "$SYS/x", "+" };
    struct buf list = { 0 };

    for (uint8_t i = 0; i < 6; i++)
        mqtt_subscribe_add(&list, MQTT_5, str_from_c(filters[i]),
                           &(struct mqtt_sub_options){ .qos = i % 3 });
    packet.subscribe.packet_id = 77;
    packet.subscribe.list = buf_str(&list);
    packet.subscribe.count = 6;
    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    CONNECT(t, 3, "c", .version = MQTT_31);
    talk_forget(t);
    talk_packet(t, 1, &packet);
    talk_packet(t, 2, &packet); /* [MQTT-3.8.4-5] [MQTT311-3.9.3-1] [MQTT311-3.9.3-2] */
    talk_packet(t, 3, &packet); /* 3.1 has no word for a refusal */
    TALK_EXPECT(t, "1 SUBACK 77 00 8f 02 87 01 02 \"topic filter invalid\"\n"
                   "2 SUBACK 77 00 80 02 80 01 02\n"
                   "3 SUBACK 77 00 01 02 00 01 02\n");
    buf_finish(&list);
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.3-4] */
START_TEST(no_local_on_a_shared_subscription_is_a_protocol_error)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "$share/g/a", .no_local = true);
    TALK_EXPECT(t, "1 CONNACK 00\n1 DISCONNECT 82\n1 close\n");
    talk_free(t);
}
END_TEST

/* [MQTT-3.8.4-3] */
START_TEST(a_subscription_again_replaces_the_first)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x", .qos = 2, .sub_id = 1);
    SUBSCRIBE(t, 1, "x", .qos = 0, .sub_id = 2);
    talk_forget(t);
    PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1);
    TALK_EXPECT(t, "1 PUBACK 1\n1 PUBLISH x m sub=2\n");
    ck_assert_uint_eq(core_stats(t->core).subscriptions, 1);
    talk_free(t);
}
END_TEST

/* [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-6] [MQTT-3.11.3-1] */
/* [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.11.3-2] */
START_TEST(who_unsubscribes_gets_nothing_more)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b", .version = MQTT_311);
    SUBSCRIBE(t, 1, "x/#");
    SUBSCRIBE(t, 2, "x/#");
    talk_forget(t);
    talk_unsubscribe(t, 1, "x/#");
    talk_unsubscribe(t, 1, "x/#");
    talk_unsubscribe(t, 2, "x/#");
    talk_unsubscribe(t, 2, "never");
    TALK_EXPECT(t, "1 UNSUBACK 1 00\n1 UNSUBACK 1 11\n2 UNSUBACK 1\n2 UNSUBACK 1\n");
    PUBLISH(t, 1, "x/1", "m");
    TALK_EXPECT(t, "");
    ck_assert_uint_eq(core_stats(t->core).filters, 0);
    talk_free(t);
}
END_TEST

START_TEST(the_number_of_subscriptions_is_limited_per_session)
{
    struct talk *t = talk_new(&(struct core_config){ .subscriptions_max = 2 });

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x");
    SUBSCRIBE(t, 1, "y");
    SUBSCRIBE(t, 1, "z");
    SUBSCRIBE(t, 1, "x", .qos = 1);
    talk_unsubscribe(t, 1, "y");
    SUBSCRIBE(t, 1, "z", .qos = 2);
    TALK_EXPECT(t, "1 CONNACK 00\n1 SUBACK 1 00\n1 SUBACK 1 00\n1 SUBACK 1 97 \"quota exceeded\"\n1 SUBACK 1 01\n"
                   "1 UNSUBACK 1 00\n1 SUBACK 1 02\n");
    talk_free(t);
}
END_TEST

/* [MQTT-4.7.2-1] */
START_TEST(a_leading_wildcard_sees_no_dollar_topics)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "#");
    SUBSCRIBE(t, 1, "+/x");
    talk_forget(t);
    PUBLISH(t, 1, "$other/x", "m");
    TALK_EXPECT(t, "");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/subscribe", each_entry_has_its_reason,
          no_local_on_a_shared_subscription_is_a_protocol_error,
          a_subscription_again_replaces_the_first, who_unsubscribes_gets_nothing_more,
          the_number_of_subscriptions_is_limited_per_session,
          a_leading_wildcard_sees_no_dollar_topics)
