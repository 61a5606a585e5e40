/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS/broker. */
#include "unit.h"

#include "talk.h"

#include <stdio.h>
#include <string.h>

START_TEST(a_subscriber_is_sent_all_figures_as_retained)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    talk_forget(t);
    SUBSCRIBE(t, 1, "$SYS/broker/clients/+", .sub_id = 3, .qos = 2);
    TALK_EXPECT(t, "1 SUBACK 1 02\n"
                   "1 PUBLISH $SYS/broker/clients/active 1 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/connected 1 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/disconnected 0 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/inactive 0 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/expired 0 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/maximum 1 retain sub=3\n"
                   "1 PUBLISH $SYS/broker/clients/total 1 retain sub=3\n");
    SUBSCRIBE(t, 1, "$SYS/broker/version");
    TALK_EXPECT(t,
                "1 SUBACK 1 00\n1 PUBLISH $SYS/broker/version plexus " PLEXUS_VERSION " retain\n");
    talk_free(t);
}
END_TEST

START_TEST(names_that_mosquitto_users_know_are_there)
{
    static const char *const names[] = {
        "bytes/received",
        "bytes/sent",
        "clients/active",
        "clients/connected",
        "clients/disconnected",
        "clients/expired",
        "clients/inactive",
        "clients/maximum",
        "clients/total",
        "connections/socket/count",
        "load/bytes/received/1min",
        "load/bytes/received/5min",
        "load/bytes/received/15min",
        "load/bytes/sent/1min",
        "load/connections/1min",
        "load/messages/received/1min",
        "load/messages/sent/1min",
        "load/publish/dropped/1min",
        "load/publish/received/1min",
        "load/publish/sent/1min",
        "load/sockets/15min",
        "messages/received",
        "messages/sent",
        "messages/stored",
        "publish/bytes/received",
        "publish/bytes/sent",
        "publish/messages/dropped",
        "publish/messages/received",
        "publish/messages/sent",
        "retained messages/count",
        "shared_subscriptions/count",
        "store/messages/bytes",
        "store/messages/count",
        "subscriptions/count",
        "uptime",
        "version",
    };
    struct talk *t = talk_new(NULL);
    char line[80];

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "$SYS/#");
    const char *said = talk_said(t);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(line, sizeof line, "1 PUBLISH $SYS/broker/%s ", names[i]);
        ck_assert_msg(strstr(said, line), "%s", line);
    }
    talk_free(t);
}
END_TEST

START_TEST(what_changes_is_published_while_somebody_listens)
{
    struct talk *t = talk_new(&(struct core_config){ .sys_interval_s = 5 });

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "$SYS/broker/publish/messages/+");
    SUBSCRIBE(t, 1, "$SYS/broker/uptime");
    talk_forget(t);
    PUBLISH(t, 1, "x", "m");
    talk_wait(t, 4999);
    TALK_EXPECT(t, "");
    talk_wait(t, 1);
    TALK_EXPECT(t, "1 PUBLISH $SYS/broker/uptime 5 seconds\n"
                   "1 PUBLISH $SYS/broker/publish/messages/received 1\n"
                   "1 PUBLISH $SYS/broker/publish/messages/sent 4\n");
    talk_unsubscribe(t, 1, "$SYS/broker/publish/messages/+");
    talk_unsubscribe(t, 1, "$SYS/broker/uptime");
    talk_forget(t);
    ck_assert_uint_eq(core_deadline(t->core), UINT64_MAX);
    talk_free(t);
}
END_TEST

START_TEST(figures_are_neither_kept_nor_told_to_the_mesh)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    SUBSCRIBE(t, 2, "#");
    t->show = TALK_FORWARDS | TALK_INTERESTS | TALK_STORES;
    talk_forget(t);
    SUBSCRIBE(t, 1, "$SYS/broker/uptime");
    talk_wait(t, 10000);
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH $SYS/broker/uptime 0 seconds retain\n"
                   "1 PUBLISH $SYS/broker/uptime 10 seconds\n");
    ck_assert_uint_eq(core_stats(t->core).retained, 0);
    talk_free(t);
}
END_TEST

START_TEST(the_transports_bytes_are_told)
{
    struct talk *t = talk_new(NULL);

    core_set_wire_bytes(t->core, 123, 456);
    CONNECT(t, 1, "a");
    talk_forget(t);
    SUBSCRIBE(t, 1, "$SYS/broker/bytes/#", .as_published = true);
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 PUBLISH $SYS/broker/bytes/received 123 retain\n"
                   "1 PUBLISH $SYS/broker/bytes/sent 456 retain\n");
    core_set_wire_bytes(t->core, 124, 456);
    talk_wait(t, 10000);
    TALK_EXPECT(t, "1 PUBLISH $SYS/broker/bytes/received 124 retain\n"
                   "1 PUBLISH $SYS/broker/bytes/sent 456 retain\n");
    talk_free(t);
}
END_TEST

/* The value of a topic in what was said last, or "". */
static const char *value_of(struct talk *t, const char *topic)
{
    static char value[40];
    char start[80];

    snprintf(start, sizeof start, "1 PUBLISH $SYS/broker/%s ", topic);
    const char *at = strstr(talk_said(t), start);
    value[0] = '\0';
    if (at)
        sscanf(at + strlen(start), "%39s", value);
    return value;
}

/* Sixty messages in a minute; then silence. A minute's average has forgotten 1 - 1/e of
 * what was before, a quarter of an hour's little of it. */
START_TEST(loads_are_averages_that_forget)
{
    struct talk *t = talk_new(&(struct core_config){ .sys_interval_s = 60 });

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "$SYS/broker/load/publish/received/1min");
    ck_assert_str_eq(value_of(t, "load/publish/received/1min"), "0.00");
    for (int i = 0; i < 60; i++)
        PUBLISH(t, 1, "x", "m");
    talk_wait(t, 60000);
    ck_assert_str_eq(value_of(t, "load/publish/received/1min"), "37.93");
    SUBSCRIBE(t, 1, "$SYS/broker/load/publish/received/15min");
    ck_assert_str_eq(value_of(t, "load/publish/received/15min"), "3.87");
    talk_wait(t, 60000);
    ck_assert_str_eq(value_of(t, "load/publish/received/1min"), "13.95");
    talk_wait(t, 60000);
    ck_assert_str_eq(value_of(t, "load/publish/received/15min"), "3.39");
    talk_wait(t, 86400000);
    talk_forget(t);
    SUBSCRIBE(t, 1, "$SYS/broker/load/#");
    ck_assert_str_eq(value_of(t, "load/publish/received/15min"), "0.00");
    talk_free(t);
}
END_TEST

/* What is retained and what waits, together: so Mosquitto counts its store. */
START_TEST(the_store_holds_what_is_retained_and_what_waits)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 2, "b", .expiry_s = 100);
    SUBSCRIBE(t, 2, "x", .qos = 1);
    talk_cut(t, 2);
    CONNECT(t, 1, "a");
    PUBLISH(t, 1, "x", "m", .qos = 1, .id = 1, .retain = true);
    PUBLISH(t, 1, "x", "n", .qos = 1, .id = 1);
    talk_forget(t);
    SUBSCRIBE(t, 1, "$SYS/broker/store/messages/count");
    ck_assert_str_eq(value_of(t, "store/messages/count"), "3");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/sys", loads_are_averages_that_forget,
          the_store_holds_what_is_retained_and_what_waits, a_subscriber_is_sent_all_figures_as_retained,
          names_that_mosquitto_users_know_are_there,
          what_changes_is_published_while_somebody_listens,
          figures_are_neither_kept_nor_told_to_the_mesh, the_transports_bytes_are_told)
