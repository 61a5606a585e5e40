/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <check.h>
#include <string.h>

const char *const model_topics[MODEL_TOPICS] = { "a", "a/b", "b", "b/b", "a/b/c", "$x/b" };
const char *const model_filters[MODEL_FILTERS] = { "#", "a/#", "+/b", "a/b", "+", "a/+/c", "$x/+" };

/* Recursive and simple, unlike the broker's. */
static bool matches(const char *filter, const char *topic, bool first)
{
    if (first && *topic == '$' && *filter != '$')
        return false;
    if (strcmp(filter, "#") == 0)
        return true;
    size_t want = strcspn(filter, "/"), have = strcspn(topic, "/");
    if (!(want == 1 && *filter == '+') && (want != have || strncmp(filter, topic, want) != 0))
        return false;
    if (!topic[have])
        return !filter[want] || strcmp(filter + want, "/#") == 0;
    return filter[want] && matches(filter + want + 1, topic + have + 1, false);
}

static void forget(struct model_client *client)
{
    memset(client->subs, 0, sizeof client->subs);
    client->item_count = client->zero_count = 0;
    client->exists = false;
    client->will_topic = -1;
}

/* One copy for one client. */
static void expect(struct model_client *client, int message, int group, unsigned qos, bool retain,
                   unsigned subs)
{
    if (qos == 0) {
        if (client->online)
            client->zeros[client->zero_count++] =
                (struct model_zero){ .message = message, .subs = subs, .retain = retain };
        return;
    }
    ck_assert_int_lt(client->item_count, MODEL_ITEMS);
    client->items[client->item_count++] = (struct model_item){
        .message = message, .group = group, .qos = qos, .retain = retain, .subs = subs
    };
}

static unsigned lower(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void fan_out(struct model_client *client, int publisher, int topic, unsigned qos,
                    bool retain, int message, int group)
{
    unsigned granted = 0, subs = 0;
    bool wanted = false, kept = false;

    for (int i = 0; i < MODEL_FILTERS; i++) {
        const struct model_sub *sub = &client->subs[i];
        if (!sub->there || !matches(model_filters[i], model_topics[topic], true) ||
            (sub->no_local && publisher == client->name))
            continue;
        wanted = true;
        granted = sub->qos > granted ? sub->qos : granted;
        subs += sub->id;
        kept |= sub->as_published && retain;
    }
    if (wanted)
        expect(client, message, group, lower(granted, qos), kept, subs);
}

int model_message(struct model *model)
{
    return ++model->messages;
}

void model_publish(struct model *model, int publisher, int topic, unsigned qos, bool retain,
                   int message)
{
    int group = ++model->groups;

    if (retain)
        model->retained[topic] = (struct model_retained){ message, qos, publisher };
    for (int i = 0; i < MODEL_CLIENTS; i++) {
        if (model->clients[i].exists)
            fan_out(&model->clients[i], publisher, topic, qos, retain, message, group);
    }
}

bool model_connect(struct model *model, int who, bool clean, uint64_t expiry_ms)
{
    struct model_client *client = &model->clients[who];
    bool present = client->exists && !clean;

    if (!present) {
        forget(client);
        client->name = who + 1;
    }
    client->exists = client->online = true;
    client->expiry_ms = expiry_ms;
    client->will_topic = -1;
    for (int i = 0; i < client->item_count; i++)
        client->items[i].here = false;
    return present;
}

void model_leave(struct model *model, int who, bool with_will)
{
    struct model_client *client = &model->clients[who];
    int topic = client->will_topic, name = client->name;

    ck_assert_int_eq(client->zero_count, 0);
    client->online = false;
    client->will_topic = -1;
    client->end_ms = model->now_ms + client->expiry_ms;
    if (with_will && topic >= 0)
        model_publish(model, name, topic, client->will_qos, client->will_retain,
                      client->will_message);
    if (client->expiry_ms == 0)
        forget(client);
}

void model_time(struct model *model, uint64_t now_ms)
{
    model->now_ms = now_ms;
    for (int i = 0; i < MODEL_CLIENTS; i++) {
        struct model_client *client = &model->clients[i];
        if (client->exists && !client->online && client->end_ms <= now_ms)
            forget(client);
    }
}

void model_subscribe(struct model *model, int who, int filter, struct model_sub sub,
                     unsigned handling)
{
    struct model_client *client = &model->clients[who];
    bool existed = client->subs[filter].there;
    int group = ++model->groups;

    client->subs[filter] = sub;
    if (handling == 2 || (handling == 1 && existed))
        return;
    for (int i = 0; i < MODEL_TOPICS; i++) {
        const struct model_retained *retained = &model->retained[i];
        if (retained->message && matches(model_filters[filter], model_topics[i], true) &&
            !(sub.no_local && retained->publisher == client->name))
            expect(client, retained->message, group, lower(sub.qos, retained->qos), true, sub.id);
    }
}

/* The first item that has not been sent on this connection; -1: none. */
static int next_item(const struct model_client *client)
{
    for (int i = 0; i < client->item_count; i++) {
        if (!client->items[i].here)
            return i;
    }
    return -1;
}

/* Subscription identifiers are said to clients of 5 only. */
static unsigned said_subs(const struct model_client *client, unsigned subs)
{
    return client->five ? subs : 0;
}

static void saw_zero(struct model_client *client, const struct model_seen *seen)
{
    for (int i = 0; i < client->zero_count; i++) {
        const struct model_zero *zero = &client->zeros[i];
        if (zero->message == seen->message && zero->retain == seen->retain &&
            said_subs(client, zero->subs) == seen->subs) {
            client->zeros[i] = client->zeros[--client->zero_count];
            return;
        }
    }
    ck_abort_msg("QoS 0 message m%d (sub %u, retain %d) was not expected", seen->message,
                 seen->subs, seen->retain);
}

void model_saw_publish(struct model *model, int who, const struct model_seen *seen)
{
    struct model_client *client = &model->clients[who];

    if (seen->qos == 0) {
        saw_zero(client, seen);
        return;
    }
    int at = next_item(client);
    ck_assert_msg(at >= 0, "m%d was not expected", seen->message);
    if (client->items[at].id == 0) {
        int group = client->items[at].group, other = at;
        while (other < client->item_count && client->items[other].group == group &&
               client->items[other].message != seen->message)
            other++;
        ck_assert_msg(other < client->item_count && client->items[other].group == group,
                      "m%d came instead of m%d", seen->message, client->items[at].message);
        struct model_item item = client->items[other];
        client->items[other] = client->items[at];
        client->items[at] = item;
    }
    struct model_item *item = &client->items[at];
    ck_assert_int_eq(item->message, seen->message);
    ck_assert_uint_eq(item->qos, seen->qos);
    ck_assert_uint_eq(said_subs(client, item->subs), seen->subs);
    ck_assert_int_eq(item->retain, seen->retain);
    ck_assert_int_eq(seen->dup, item->id != 0); /* [MQTT-3.3.1-1] */
    ck_assert(!item->received);
    for (int i = 0; i < client->item_count; i++) /* [MQTT-2.2.1-4] */
        ck_assert(i == at || client->items[i].id != seen->id);
    ck_assert(item->id == 0 || item->id == seen->id);
    item->id = seen->id;
    item->here = true;
}

void model_saw_pubrel(struct model *model, int who, unsigned id)
{
    struct model_client *client = &model->clients[who];

    for (int i = 0; i < client->item_count; i++) {
        struct model_item *item = &client->items[i];
        if (item->id != id)
            continue;
        ck_assert(item->received);
        for (int j = 0; j < client->item_count && !item->here; j++) /* [MQTT-4.6.0-4] */
            ck_assert(!client->items[j].received || client->items[j].here ||
                      client->items[j].received >= item->received);
        item->here = true;
        return;
    }
    ck_abort_msg("PUBREL %u was not expected", id);
}

void model_done(struct model *model, int who, int item)
{
    struct model_client *client = &model->clients[who];

    client->item_count--;
    memmove(&client->items[item], &client->items[item + 1],
            (size_t)(client->item_count - item) * sizeof client->items[0]);
}

void model_check(const struct model *model)
{
    for (int i = 0; i < MODEL_CLIENTS; i++) {
        const struct model_client *client = &model->clients[i];
        unsigned here = 0;
        ck_assert_msg(client->zero_count == 0, "client %d did not get m%d", i,
                      client->zeros[0].message);
        for (int k = 0; k < client->item_count; k++)
            here += client->items[k].here;
        if (client->online && here < client->window)
            ck_assert_msg(next_item(client) < 0, "client %d did not get m%d", i,
                          client->items[next_item(client)].message);
    }
}
