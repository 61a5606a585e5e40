/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sys.h"

#include "core/broker.h"
#include "topic/topic.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "$SYS/broker/"

enum { TEXT_SIZE = 64 };

/* What is behind a topic besides a counter or gauge of core_stats. */
enum sys_kind {
    SYS_STAT,
    SYS_LOAD,
    SYS_VERSION,
    SYS_UPTIME,
    SYS_DISCONNECTED,
    SYS_STORED,
    SYS_STORED_BYTES
};

struct sys_topic {
    const char *topic;
    enum sys_kind kind;
    size_t stat; /* SYS_STAT: where in core_stats; SYS_LOAD: LOAD_WINDOWS * load + window */
};

/* The counters whose loads are told. */
static const size_t load_stats[] = {
    offsetof(struct core_stats, packets_in),        offsetof(struct core_stats, packets_out),
    offsetof(struct core_stats, messages_dropped),  offsetof(struct core_stats, messages_in),
    offsetof(struct core_stats, messages_out),      offsetof(struct core_stats, wire_in),
    offsetof(struct core_stats, wire_out),          offsetof(struct core_stats, connections_total),
    offsetof(struct core_stats, connects),
};
_Static_assert(sizeof load_stats / sizeof load_stats[0] == SYS_LOADS,
               "as many as struct sys has room for");

#define LOAD(name, number)                                                                         \
    { PREFIX "load/" name "/1min", SYS_LOAD, LOAD_WINDOWS * (number) + LOAD_1_MIN },               \
        { PREFIX "load/" name "/5min", SYS_LOAD, LOAD_WINDOWS * (number) + LOAD_5_MIN },           \
    {                                                                                              \
        PREFIX "load/" name "/15min", SYS_LOAD, LOAD_WINDOWS * (number) + LOAD_15_MIN              \
    }

#define STAT(name, member)                                                                         \
    {                                                                                              \
        PREFIX name, SYS_STAT, offsetof(struct core_stats, member)                                 \
    }

static const struct sys_topic topics[] = {
    { PREFIX "version", SYS_VERSION, 0 },
    { PREFIX "uptime", SYS_UPTIME, 0 },
    STAT("clients/active", clients),
    STAT("clients/connected", clients),
    { PREFIX "clients/disconnected", SYS_DISCONNECTED, 0 },
    { PREFIX "clients/inactive", SYS_DISCONNECTED, 0 },
    STAT("clients/expired", sessions_expired),
    STAT("clients/maximum", clients_max),
    STAT("clients/total", sessions),
    STAT("connections/socket/count", connections),
    STAT("connections/sockets/count", connections),
    STAT("connections/sockets/total", connections_total),
    STAT("messages/received", packets_in),
    STAT("messages/sent", packets_out),
    STAT("messages/inflight", inflight),
    { PREFIX "messages/stored", SYS_STORED, 0 },
    STAT("bytes/received", wire_in),
    STAT("bytes/sent", wire_out),
    STAT("publish/messages/received", messages_in),
    STAT("publish/messages/sent", messages_out),
    STAT("publish/messages/dropped", messages_dropped),
    STAT("publish/bytes/received", bytes_in),
    STAT("publish/bytes/sent", bytes_out),
    { PREFIX "store/messages/count", SYS_STORED, 0 },
    { PREFIX "store/messages/bytes", SYS_STORED_BYTES, 0 },
    STAT("subscriptions/count", subscriptions),
    STAT("shared_subscriptions/count", shared_groups),
    STAT("filters/count", filters),
    STAT("retained messages/count", retained),
    STAT("retained messages/bytes", retained_bytes),
    LOAD("messages/received", 0),
    LOAD("messages/sent", 1),
    LOAD("publish/dropped", 2),
    LOAD("publish/received", 3),
    LOAD("publish/sent", 4),
    LOAD("bytes/received", 5),
    LOAD("bytes/sent", 6),
    LOAD("sockets", 7),
    LOAD("connections", 8),
};
_Static_assert(sizeof topics / sizeof topics[0] == SYS_TOPICS,
               "as many as struct sys has room for");

void sys_init(struct sys *sys, uint64_t now_ms)
{
    *sys = (struct sys){ .due_ms = UINT64_MAX, .loads_ms = now_ms };
}

static bool is_sys(struct str filter)
{
    return str_starts_with(filter, STR("$SYS"));
}

void sys_listen(struct core *core, struct str filter, bool wanted)
{
    struct sys *sys = &core->sys;

    if (!is_sys(filter))
        return;
    assert(wanted || sys->listening > 0);
    sys->listening += wanted ? 1 : SIZE_MAX; /* one less */
    if (sys->listening == 0)
        sys->due_ms = UINT64_MAX;
    else if (sys->due_ms == UINT64_MAX)
        sys->due_ms = core->now_ms + core->config.sys_interval_s * (uint64_t)1000;
}

static uint64_t stat_at(const struct core_stats *stats, size_t at)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + at, sizeof value);
    return value;
}

/* Bring the loads up to date, at most once a second: a shorter while says little. */
static void update_loads(struct core *core, const struct core_stats *stats)
{
    struct sys *sys = &core->sys;
    uint64_t elapsed_ms = core->now_ms - sys->loads_ms;

    if (elapsed_ms < 1000)
        return;
    for (size_t i = 0; i < SYS_LOADS; i++)
        load_update(&sys->loads[i], stat_at(stats, load_stats[i]), elapsed_ms);
    sys->loads_ms = core->now_ms;
}

/* A load in hundredths. */
static uint64_t load_figure(const struct sys *sys, size_t which)
{
    double load = sys->loads[which / LOAD_WINDOWS].per_minute[which % LOAD_WINDOWS];

    return (uint64_t)(load * 100 + 0.5);
}

/* The figure of a topic. */
static uint64_t figure(const struct core *core, const struct core_stats *stats,
                       const struct sys_topic *topic)
{
    uint64_t value = 0;

    switch (topic->kind) {
    case SYS_STAT: value = stat_at(stats, topic->stat); break;
    case SYS_LOAD: value = load_figure(&core->sys, topic->stat); break;
    case SYS_STORED: value = stats->retained + stats->queued; break;
    case SYS_STORED_BYTES: value = stats->retained_bytes + stats->queued_bytes; break;
    case SYS_VERSION: break;
    case SYS_UPTIME: value = (core->now_ms - core->started_ms) / 1000; break;
    case SYS_DISCONNECTED: value = stats->sessions - stats->clients; break;
    }
    return value;
}

/* The message of a topic, with one reference, or NULL when out of memory. */
static struct message *make_message(const struct core *core, const struct sys_topic *topic,
                                    uint64_t value)
{
    struct str name = str_from_c(topic->topic);
    char text[TEXT_SIZE];
    int len = 0;

    switch (topic->kind) {
    case SYS_LOAD:
        len = snprintf(text, sizeof text, "%llu.%02llu", (unsigned long long)value / 100,
                       (unsigned long long)value % 100);
        break;
    case SYS_STAT:
    case SYS_DISCONNECTED:
    case SYS_STORED:
    case SYS_STORED_BYTES:
        len = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
        break;
    case SYS_VERSION: len = snprintf(text, sizeof text, "plexus %s", PLEXUS_VERSION); break;
    case SYS_UPTIME:
        len = snprintf(text, sizeof text, "%llu seconds", (unsigned long long)value);
        break;
    }
    struct message *message =
        message_new(name, (struct str){ NULL, 0 }, (struct str){ text, (size_t)len });
    if (!message)
        return NULL;
    message->retain = 1;
    message->expires_ms = MESSAGE_NEVER;
    message->topic_hash = hash_fast(core->config.seed, name.ptr, name.len);
    return message;
}

void sys_on_tick(struct core *core)
{
    struct sys *sys = &core->sys;

    if (core->now_ms < sys->due_ms)
        return;
    sys->due_ms = core->now_ms + core->config.sys_interval_s * (uint64_t)1000;
    /* What they were before any of this was sent. */
    struct core_stats stats = core_stats(core);
    update_loads(core, &stats);
    for (size_t i = 0; i < SYS_TOPICS; i++) {
        uint64_t value = figure(core, &stats, &topics[i]);
        if (value == sys->said[i])
            continue;
        struct message *message = make_message(core, &topics[i], value);
        if (!message) {
            core_failed(core);
            return;
        }
        sys->said[i] = value;
        deliver(core, message, message->topic_hash);
        message_unref(message);
    }
}

void sys_send(struct core *core, struct session *session, struct str filter,
              const struct sub_entry *entry)
{
    if (!is_sys(filter))
        return;
    struct core_stats stats = core_stats(core);
    update_loads(core, &stats);
    for (size_t i = 0; i < SYS_TOPICS; i++) {
        if (!topic_filter_matches(filter, str_from_c(topics[i].topic)))
            continue;
        struct message *message = make_message(core, &topics[i], figure(core, &stats, &topics[i]));
        if (!message) {
            core_failed(core);
            return;
        }
        retaining_give(core, session, message, entry);
        message_unref(message);
    }
}
