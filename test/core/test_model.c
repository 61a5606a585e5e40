/* SPDX-License-Identifier: Apache-2.0 */
/* Random clients do random things, and a model says what must reach them.
 *
 *     MODEL_SEED=17 MODEL_SEEDS=1 test_core_model
 *
 * plays one seed; without, the first few thousand. MODEL_TRACE=1 shows what the broker says. */
#include "unit.h"

#include "base/rand.h"
#include "model.h"
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4, TURNS = 50, SEEDS = 2000 };

static uint64_t playing; /* the seed, while it plays */

struct run {
    struct talk *talk;
    struct model model;
    struct rand rand;
    int acks_due;    /* answers that publishers wait for */
    int present_due; /* what CONNACK must say; -1: none is due */
};

static unsigned dice(struct run *run, unsigned sides)
{
    return (unsigned)rand_below(&run->rand, sides);
}

/* ---- what the broker says ---- */

static int who_is(const struct run *run, unsigned conn)
{
    for (int i = 0; i < MODEL_CLIENTS; i++) {
        if (run->model.clients[i].online && run->model.clients[i].conn == conn)
            return i;
    }
    return -1;
}

static void read_publish(struct run *run, int who, char *rest)
{
    struct model_seen seen = { 0 };

    strtok(rest, " "); /* the topic goes with the message */
    for (char *word; (word = strtok(NULL, " "));) {
        if (word[0] == 'm')
            seen.message = atoi(word + 1);
        else if (word[0] == 'q')
            seen.qos = (unsigned)atoi(word + 1);
        else if (strncmp(word, "id", 2) == 0)
            seen.id = (unsigned)atoi(word + 2);
        else if (strncmp(word, "sub=", 4) == 0)
            seen.subs += (unsigned)atoi(word + 4);
        else if (strcmp(word, "retain") == 0)
            seen.retain = true;
        else if (strcmp(word, "dup") == 0)
            seen.dup = true;
    }
    ck_assert_int_ge(who, 0);
    model_saw_publish(&run->model, who, &seen);
}

/* Show the model what came, and let it say what is missing. */
static void listen(struct run *run)
{
    char *text = strdup(talk_said(run->talk)), *save;

    if (getenv("MODEL_TRACE"))
        fputs(text, stderr);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned conn;
        char kind[20];
        int at;
        if (sscanf(line, "%u %19s%n", &conn, kind, &at) != 2)
            continue;
        int who = who_is(run, conn);
        if (strcmp(kind, "PUBLISH") == 0)
            read_publish(run, who, line + at + 1);
        else if (strcmp(kind, "PUBREL") == 0)
            model_saw_pubrel(&run->model, who, (unsigned)atoi(line + at));
        else if (strcmp(kind, "CONNACK") == 0)
            ck_assert_int_eq(strstr(line, "present") != NULL, run->present_due);
        else if (kind[0] == 'P')
            run->acks_due--;
        else
            ck_assert_msg(strcmp(kind, "DISCONNECT") != 0 || strstr(line, " 8e"), "%s", line);
    }
    free(text);
    model_check(&run->model);
    ck_assert_int_eq(run->acks_due, 0);
}

/* ---- what clients do ---- */

static void come(struct run *run, int who)
{
    static const char *const names[MODEL_CLIENTS] = { "c0", "c1", "c2", "c3", "c4" };
    struct model_client *client = &run->model.clients[who];
    struct hello hello = { .version = dice(run, 2) ? MQTT_5 : MQTT_311, .keep = dice(run, 4) };
    unsigned will = dice(run, MODEL_TOPICS * 2);
    char payload[20];

    if (client->online) /* taken over [MQTT-3.1.4-3] */
        model_leave(&run->model, who, true);
    client->conn =
        client->conn > MODEL_CLIENTS ? (unsigned)who + 1 : (unsigned)who + 1 + MODEL_CLIENTS;
    client->five = hello.version == MQTT_5;
    client->window = WINDOW;
    if (client->five) {
        hello.expiry_s = dice(run, 4);
        hello.receive_max = (uint16_t)(1 + dice(run, 6));
        if (hello.receive_max < WINDOW)
            client->window = hello.receive_max;
    }
    uint64_t expiry_ms =
        client->five ? hello.expiry_s * (uint64_t)1000 : (hello.keep ? MODEL_FOREVER : 0);
    run->present_due = model_connect(&run->model, who, !hello.keep, expiry_ms);
    if (will < MODEL_TOPICS) {
        client->will_topic = (int)will;
        client->will_message = model_message(&run->model);
        client->will_qos = dice(run, 3);
        client->will_retain = dice(run, 3) == 0;
        snprintf(payload, sizeof payload, "m%d", client->will_message);
        hello.will_topic = model_topics[will];
        hello.will_payload = payload;
        hello.will_qos = (uint8_t)client->will_qos;
        hello.will_retain = client->will_retain;
    }
    talk_connect(run->talk, client->conn, names[who], hello);
}

static void go(struct run *run, int who)
{
    conn_id conn = run->model.clients[who].conn;
    bool politely = dice(run, 2);

    model_leave(&run->model, who, !politely);
    if (politely)
        talk_goodbye(run->talk, conn, 0, -1);
    else
        talk_cut(run->talk, conn);
}

static void subscribe(struct run *run, int who)
{
    const struct model_client *client = &run->model.clients[who];
    int filter = (int)dice(run, MODEL_FILTERS);
    struct model_sub sub = { .there = true, .qos = dice(run, 3) };
    unsigned handling = 0;

    if (client->five) {
        sub.no_local = dice(run, 3) == 0;
        sub.as_published = dice(run, 2);
        sub.id = dice(run, 3);
        handling = dice(run, 3);
    }
    model_subscribe(&run->model, who, filter, sub, handling);
    SUBSCRIBE(run->talk, client->conn, model_filters[filter], .qos = (uint8_t)sub.qos,
              .no_local = sub.no_local, .as_published = sub.as_published, .sub_id = sub.id,
              .handling = (uint8_t)handling);
}

static void unsubscribe(struct run *run, int who)
{
    int filter = (int)dice(run, MODEL_FILTERS);

    run->model.clients[who].subs[filter].there = false;
    talk_unsubscribe(run->talk, run->model.clients[who].conn, model_filters[filter]);
}

/* One identifier for all: each is a new message once the one before is answered.
 * [MQTT-4.3.2-5] */
static void publish(struct run *run, int who)
{
    const struct model_client *client = &run->model.clients[who];
    int topic = (int)dice(run, MODEL_TOPICS);
    struct news news = { .qos = (uint8_t)dice(run, 3), .id = 9, .retain = dice(run, 5) == 0 };
    int message = model_message(&run->model);
    char payload[20];

    model_publish(&run->model, client->name, topic, news.qos, news.retain, message);
    snprintf(payload, sizeof payload, "m%d", message);
    run->acks_due += news.qos == 0 ? 0 : news.qos == 1 ? 1 : 2;
    talk_publish(run->talk, client->conn, model_topics[topic], payload, news);
    if (news.qos < 2)
        return;
    if (dice(run, 4) == 0) { /* once more: exactly once all the same [MQTT-4.3.3-10] */
        run->acks_due++;
        news.dup = true;
        talk_publish(run->talk, client->conn, model_topics[topic], payload, news);
    }
    talk_ack(run->talk, client->conn, MQTT_PUBREL, 9, 0);
}

/* Answer one message, in whatever order. */
static void answer(struct run *run, int who)
{
    struct model_client *client = &run->model.clients[who];
    int at = client->item_count ? (int)dice(run, (unsigned)client->item_count) : 0;

    if (at == client->item_count || !client->items[at].here)
        return;
    struct model_item *item = &client->items[at];
    uint16_t id = (uint16_t)item->id;
    enum mqtt_kind kind = item->qos == 1   ? MQTT_PUBACK
                          : item->received ? MQTT_PUBCOMP
                                           : MQTT_PUBREC;
    bool refuse = client->five && kind == MQTT_PUBREC && dice(run, 5) == 0;
    if (kind == MQTT_PUBREC && !refuse)
        item->received = ++run->model.receipts;
    else
        model_done(&run->model, who, at);
    talk_ack(run->talk, client->conn, kind, id, refuse ? 0x80 : 0);
}

static void act(struct run *run)
{
    int who = (int)dice(run, MODEL_CLIENTS);
    unsigned what = dice(run, 20);

    if (what == 0) {
        talk_wait(run->talk, dice(run, 3000));
        model_time(&run->model, run->talk->now_ms);
    } else if (!run->model.clients[who].online || what == 1) {
        come(run, who);
    } else if (what == 2) {
        go(run, who);
    } else if (what < 6) {
        subscribe(run, who);
    } else if (what == 6) {
        unsubscribe(run, who);
    } else if (what < 13) {
        publish(run, who);
    } else {
        answer(run, who);
    }
    listen(run);
}

/* Everybody comes back, answers all, and owes nothing. */
static void settle(struct run *run)
{
    for (int who = 0; who < MODEL_CLIENTS; who++) {
        if (!run->model.clients[who].online) {
            come(run, who);
            listen(run);
        }
        while (run->model.clients[who].item_count) {
            answer(run, who);
            listen(run);
        }
    }
    ck_assert_uint_eq(core_stats(run->talk->core).queued, 0);
    ck_assert_uint_eq(core_stats(run->talk->core).inflight, 0);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(what_must_arrive_arrives_and_nothing_else)
{
    static struct run run;
    const struct core_config config = { .inflight_max = WINDOW };
    uint64_t seed = number_from("MODEL_SEED", 1), end = seed + number_from("MODEL_SEEDS", SEEDS);

    for (; seed < end; seed++) {
        memset(&run, 0, sizeof run);
        run.talk = talk_new(&config);
        rand_init(&run.rand, seed);
        run.model.now_ms = run.talk->now_ms;
        for (int i = 0; i < MODEL_CLIENTS; i++)
            run.model.clients[i].will_topic = -1;
        playing = seed;
        for (int turn = 0; turn < TURNS; turn++)
            act(&run);
        settle(&run);
        talk_free(run.talk);
    }
    playing = 0;
}
END_TEST

/* A failed check leaves by exit or longjmp: the seed is said at the end. */
static void say_seed(void)
{
    if (playing)
        fprintf(stderr, "MODEL_SEED=%llu MODEL_SEEDS=1 replays it\n", (unsigned long long)playing);
}

START_TEST(a_failure_would_say_its_seed)
{
    ck_assert_int_eq(atexit(say_seed), 0);
}
END_TEST

UNIT_MAIN("core/model", a_failure_would_say_its_seed, what_must_arrive_arrives_and_nothing_else)
