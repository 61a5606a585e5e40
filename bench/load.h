/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "conn.h"
#include "flow.h"
#include "hist.h"
#include "mini.h"

#include <netinet/in.h>

/* The load generator: publishers and subscribers of one measurement in one thread, so that
 * it knows at any moment what is in flight and bounds it. */
enum load_mode {
    LOAD_P2P,    /* n publishers, each with a subscriber of its own */
    LOAD_FANOUT, /* one publisher, n subscribers */
    LOAD_FANIN,  /* n publishers, one subscriber */
    LOAD_IDLE,   /* n connections and no work */
    LOAD_STORM,  /* n clients that come and go */
    LOAD_SUBS,   /* random topics for n subscriptions */
    LOAD_OFFLINE, /* n publishers to a kept session that is away, and later back */
    LOAD_DRAIN,   /* the session that LOAD_OFFLINE left behind comes back */
};

enum { LOAD_MODES = 8, LOAD_PIDS_MAX = 8, LOAD_STEPS_MAX = 8, LOAD_SIZE_MIN = 32, LOAD_SIZE_MAX = 65536 };

struct load_options {
    enum load_mode mode;
    uint32_t n;
    uint8_t qos;
    uint32_t size; /* payload bytes */
    bool ws, ws_pack, tls;
    bool work;     /* storm: subscribe and publish, too */
    uint32_t rate; /* messages a second instead of as many as the window allows; 0: none */
    uint32_t steps[LOAD_STEPS_MAX], step_count; /* subs: how many subscriptions, rising */
    struct sockaddr_in pub, sub; /* the brokers to publish at and to subscribe at */
    uint64_t warmup_ns, duration_ns;
    uint64_t stall_ns; /* without any progress for that long, what is missing is lost */
    uint64_t count;    /* messages per publisher instead of a duration; 0: by duration */
    uint32_t window;   /* messages in flight per publisher */
    uint32_t batch;    /* messages per write */
    const char *name;  /* offline, drain: client id of the kept session; NULL: a new one */
    bool leave;        /* offline: the session stays away, with what waits for it */
    const char *disk;  /* offline: directory whose disk is measured, too; or NULL */
    int disk_cpu;      /* where the broker runs, which waits there, too; or -1 */
    int pids[LOAD_PIDS_MAX];
    uint32_t pid_count;
};

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,  /* CONNECT is out */
    CLIENT_SUBSCRIBING, /* SUBSCRIBE is out */
    CLIENT_READY,
};

struct client {
    struct conn conn;
    enum client_state state;
    bool publisher;
    bool kept, back; /* its session outlives the connection; it did */
    uint32_t index;
    struct publisher *pub;
    struct subscriber *sub;
};

struct publisher {
    struct client client;
    uint8_t *image; /* the PUBLISH, ready but for id and stamp */
    size_t image_len, payload_at;
    uint64_t sent, delivered, acked;
    uint16_t next_id, next_recorded, next_acked; /* ids in the order they are due */
    bool queued;
    uint64_t *sent_ns; /* offline: when, by number modulo the window */
};

struct subscriber {
    struct client client;
    struct flow *flows; /* one per publisher that sends to it */
    uint32_t flow_count;
    bool probed;
};

/* What leads every payload; the last four bytes repeat a digest of it. */
struct stamp {
    uint32_t publisher; /* the high bit marks a probe of the route, which counts nowhere */
    uint32_t size;
    uint64_t number;
    uint64_t sent_ns;
};

enum load_phase {
    PHASE_OPENING,
    PHASE_PROBING, /* until every subscriber has seen its publisher */
    PHASE_WARMING,
    PHASE_MEASURING,
    PHASE_DRAINING, /* nothing new is sent; what is out has to arrive */
};

/* A reading of the counters at an edge of the measured window. */
struct reading {
    uint64_t at_ns, delivered, published, own_cpu_ns, cpu_ns[LOAD_PIDS_MAX];
    uint64_t main_cpu_ns, written; /* of the first process: its first thread, and to disks */
};

struct load {
    struct load_options o;
    int epfd;
    enum load_phase phase;
    struct publisher *pubs;
    struct subscriber *subs;
    uint32_t pub_count, sub_count, ready_count, probed_count;
    uint32_t opened;        /* storm: connections so far */
    struct subs *subs_mode; /* subs: what load_subs() works with */
    uint64_t due_ns; /* with a rate: when the next message is */
    uint32_t fan; /* deliveries per message; 0: only acknowledgements count */
    uint64_t published, delivered, acked, corrupt, stray, ack_errors;
    struct publisher **queue; /* those that may send; a ring of pub_count */
    uint32_t queue_head, queue_len;
    struct bytes scratch, batch;
    struct hist hist;
    struct reading start, end;
    struct hist disk_hist; /* offline: writes of 512 bytes with their sync */
    int disk_file;
    uint64_t disk_at;
    double drain_s; /* offline: how long what waited took to arrive */
    const char *failure; /* why the run cannot go on; NULL while it can */
};

/* Nanoseconds of the monotonic clock. */
uint64_t load_now_ns(void);

/* CPU time a process has used, all its threads; 0 when there is no such process. */
uint64_t load_cpu_ns(int pid);

/* Connect the client; it stays CONNECTING until load_turn() has brought the answer. Returns
 * 0, -1 when nobody listens. */
int load_connect(struct load *load, struct client *client, const struct sockaddr_in *addr);

/* Wait at most timeout_ns for events and handle them. */
void load_turn(struct load *load, uint64_t timeout_ns);

/* The topic of a publisher or visitor. */
void load_topic(const struct load *load, uint32_t index, char ret_topic[MINI_TOPIC_MAX]);

/* Take the readings when a phase that began at begun_ns is over at now_ns. */
void load_phase(struct load *load, uint64_t begun_ns, uint64_t now_ns);

/* Digest that seals a stamp. */
uint32_t load_seal(const struct stamp *stamp);

/* The client id of the kept session. */
void load_kept_id(const struct load *load, char ret_id[MINI_TOPIC_MAX]);

/* CPU time of a process's first thread, and bytes it had written to disks; 0 when there is no
 * such process. */
uint64_t load_main_cpu_ns(int pid);
uint64_t load_written(int pid);

/* Offline and drain mode. */
void load_offline(struct load *load);
void load_drain(struct load *load);

/* What offline mode has to report beside the rest: some members of the object. */
void load_offline_report(const struct load *load);

/* Write and sync once, if a disk is to be measured: what one record alone costs there. */
void load_disk(struct load *load);

/* Read the counters. */
struct reading load_reading(const struct load *load);

/* Create and connect all publishers and subscribers. On failure load->failure says why. */
void load_open(struct load *load);

/* Run the phases from PROBING on; load->failure tells whether they came to an end. */
void load_run(struct load *load);

/* A client that is READY got a packet, at now_ns. Returns 0, -1 on a protocol error. */
int load_packet(struct load *load, struct client *client, const struct mini_packet *packet,
                uint64_t now_ns);

/* Storm mode, and a packet to one of its clients. */
void load_storm(struct load *load);
int load_storm_packet(struct load *load, struct client *client, const struct mini_packet *packet);

/* Subs mode, which prints a report of its own, and a packet to one of its clients. Returns
 * an exit status. */
int load_subs(struct load *load);
int load_subs_packet(struct load *load, struct client *client, const struct mini_packet *packet);

/* Idle mode: keep as many connections open as standard input asks for. Returns an exit
 * status. */
int load_idle(struct load *load);

/* Print the JSON report; returns whether every message arrived once, in order, intact. */
bool load_report(const struct load *load);
