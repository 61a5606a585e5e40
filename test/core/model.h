/* SPDX-License-Identifier: Apache-2.0 */
/* A small model of sessions, written without a look at the broker's own structures: what
 * has each client subscribed to, what must reach it, what does it still owe an answer. The
 * test tells it what happens and shows it every packet; it fails the test when one comes
 * that must not, or one that must does not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_CLIENTS = 5,
    MODEL_TOPICS = 6,
    MODEL_FILTERS = 7,
    MODEL_ITEMS = 400,
    MODEL_FOREVER = 1000000000,
};

extern const char *const model_topics[MODEL_TOPICS];
extern const char *const model_filters[MODEL_FILTERS];

/* A message on its way to a client, QoS 1 or 2; in flight once it has an id. */
struct model_item {
    int message, group; /* the items of one group may come in any order */
    unsigned qos, id, subs;
    bool retain;
    int received; /* the how manieth PUBREC was its; 0: none came */
    bool here;    /* sent, or released, on this connection */
};

struct model_zero {
    int message;
    unsigned subs;
    bool retain;
};

struct model_sub {
    bool there, no_local, as_published;
    unsigned qos, id;
};

struct model_client {
    bool exists, online, five;
    unsigned conn, window;
    int name;           /* its identifier, whatever its session */
    uint64_t expiry_ms; /* after the connection; 0: with it */
    uint64_t end_ms;    /* while away */
    int will_topic;     /* -1: none */
    int will_message;
    unsigned will_qos;
    bool will_retain;
    struct model_sub subs[MODEL_FILTERS];
    struct model_item items[MODEL_ITEMS];
    int item_count;
    struct model_zero zeros[MODEL_ITEMS];
    int zero_count;
};

struct model_retained {
    int message; /* 0: none */
    unsigned qos;
    int publisher;
};

struct model {
    uint64_t now_ms;
    int messages, groups, receipts;
    struct model_client clients[MODEL_CLIENTS];
    struct model_retained retained[MODEL_TOPICS];
};

/* The client comes in; returns whether its session must be present. */
bool model_connect(struct model *model, int who, bool clean, uint64_t expiry_ms);

/* The client's connection ends, with or without its will. */
void model_leave(struct model *model, int who, bool with_will);

/* Time has come to now_ms: sessions end. */
void model_time(struct model *model, uint64_t now_ms);

/* The client subscribes; handling: what of retained messages. */
void model_subscribe(struct model *model, int who, int filter, struct model_sub sub,
                     unsigned handling);

/* The number of one more message. */
int model_message(struct model *model);

/* That message is published. publisher: a client's name. */
void model_publish(struct model *model, int publisher, int topic, unsigned qos, bool retain,
                   int message);

/* A PUBLISH has come for the client. */
struct model_seen {
    int message;
    unsigned qos, id, subs;
    bool retain, dup;
};
void model_saw_publish(struct model *model, int who, const struct model_seen *seen);

/* A PUBREL has come for the client. */
void model_saw_pubrel(struct model *model, int who, unsigned id);

/* The client has answered an item for good. */
void model_done(struct model *model, int who, int item);

/* After each step: everything that must have come has come. */
void model_check(const struct model *model);
